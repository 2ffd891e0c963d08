/** A table of words that is drawn whole, as paper needs it; without rows there is none. */

export function PlainTable(props: {
  label: string;
  columns: readonly string[];
  /** As many cells each as there are columns; the first is a name, of which there is one. */
  rows: readonly (readonly string[])[];
}): React.JSX.Element | null {
  if (props.rows.length === 0) {
    return null;
  }
  const [first = '', ...others] = props.columns;
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- who has keys alone scrolls it, too
    <div className="table-frame" tabIndex={0} role="group" aria-label={props.label}>
      <table className="report-table" aria-label={props.label}>
        <thead>
          <tr>
            {first === '' ? <td /> : <th scope="col">{first}</th>}
            {others.map((each, at) => (
              <th key={at} scope="col" className="number">
                {each}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map(([name = '', ...cells]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {cells.map((each, at) => (
                <td key={at} className="number">
                  {each}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
