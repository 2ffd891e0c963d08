/** A moment by this browser's clock; the whole of it, and in UTC, for who points at it. */
import { datedMoment, moment } from '@sublet-lab/format/quantities';

export function Moment(props: {
  at: string;
  now?: Date;
  /** With its date also today. */
  dated?: boolean;
}): React.JSX.Element {
  const at = new Date(props.at);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const whole = `${at.toLocaleString()} (${zone}) · ${at.toISOString()}`;
  return (
    <time dateTime={props.at} title={whole}>
      {props.dated === true ? datedMoment(at) : moment(at, props.now ?? new Date())}
    </time>
  );
}
