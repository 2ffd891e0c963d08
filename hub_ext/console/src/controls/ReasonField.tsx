/** Why something is done, in a line that others read. */
import { useConsole } from '../model/console';
import { Field } from './Dialog';

const MOST_REASON = 1000;

export function ReasonField(props: {
  /** Who reads it. */
  hint: string;
  optional?: boolean;
  reason: string;
  onChange: (reason: string) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <Field label={trans.__('Why')} hint={props.hint}>
      {id => (
        <input
          id={id}
          required={props.optional !== true}
          maxLength={MOST_REASON}
          value={props.reason}
          onChange={event => {
            props.onChange(event.target.value);
          }}
        />
      )}
    </Field>
  );
}
