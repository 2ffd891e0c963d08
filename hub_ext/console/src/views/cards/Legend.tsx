/** What the bars' patterns mean. */
import { useConsole } from '../../model/console';

export function Legend(): React.JSX.Element {
  const { trans } = useConsole();
  const marks: [string, string][] = [
    ['is-resident is-computing', trans.__('computing')],
    ['is-resident', trans.__('resident, not computing')],
    ['is-paused', trans.__('paused')],
    ['is-suspended', trans.__('suspended')],
    ['is-resident is-lent', trans.__('lent')],
    ['is-resident is-borrowed', trans.__('borrowed')],
    ['is-resident is-job', trans.__('a job, below owners')]
  ];
  return (
    <ul className="legend" aria-hidden="true">
      {marks.map(([mark, word]) => (
        <li key={mark}>
          <span className={`segment legend-mark ${mark}`}>
            <span className="filled" />
          </span>
          {word}
        </li>
      ))}
    </ul>
  );
}
