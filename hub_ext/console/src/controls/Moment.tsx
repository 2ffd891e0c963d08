/** A moment by this browser's clock; the whole of it, and in UTC, for who points at it. */
import { moment } from '@sublet-lab/format/quantities';

export function Moment(props: { at: string; now?: Date }): React.JSX.Element {
  const at = new Date(props.at);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const whole = `${at.toLocaleString()} (${zone}) · ${at.toISOString()}`;
  return (
    <time dateTime={props.at} title={whole}>
      {moment(at, props.now ?? new Date())}
    </time>
  );
}
