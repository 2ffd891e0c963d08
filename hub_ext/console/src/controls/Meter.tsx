/** How much of something is used, with its figures in words. */

export function Meter(props: {
  label: string;
  words: string;
  used: number;
  /** `null`: there is no limit, so there is no bar. */
  whole: number | null;
  /** What is guaranteed, or where a warning begins. */
  mark?: number;
  warn?: boolean;
}): React.JSX.Element {
  return (
    <div className="meter-line">
      <div className="meter-head">
        <span>{props.label}</span>
        <span className="number">{props.words}</span>
      </div>
      {props.whole !== null && <Bar {...props} whole={Math.max(props.whole, props.used) || 1} />}
    </div>
  );
}

function Bar(props: {
  label: string;
  words: string;
  used: number;
  whole: number;
  mark?: number;
  warn?: boolean;
}): React.JSX.Element {
  const { used, whole, mark } = props;
  return (
    <div
      className={props.warn === true ? 'meter meter-warn' : 'meter'}
      role="meter"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={whole}
      aria-valuenow={used}
      aria-valuetext={props.words}
    >
      <div className="meter-used" style={{ width: percentOf(used, whole) }} />
      {mark !== undefined && mark > 0 && mark < whole && (
        <div className="meter-mark" style={{ left: percentOf(mark, whole) }} />
      )}
    </div>
  );
}

function percentOf(part: number, whole: number): string {
  return `${Math.min(100, (100 * part) / whole).toFixed(2)}%`;
}
