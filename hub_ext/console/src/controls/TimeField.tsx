/** When something begins or ends, in this browser's time zone; it may be left out. */
import { Field } from './Dialog';

export function TimeField(props: {
  label: string;
  hint: string;
  value: string;
  onChange: (value: string) => void;
}): React.JSX.Element {
  return (
    <Field label={props.label} hint={props.hint}>
      {id => (
        <input
          id={id}
          type="datetime-local"
          value={props.value}
          onChange={event => {
            props.onChange(event.target.value);
          }}
        />
      )}
    </Field>
  );
}
