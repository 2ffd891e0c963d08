/** The fields of the promote dialog, each with its label and, where it is wrong, what to do. */
import * as React from 'react';

export interface FieldProps {
  name: string;
  label: string;
  /** Its type, beside the label. */
  kind?: string | undefined;
  problem?: string | undefined;
  help?: string | undefined;
  children: (ids: {
    id: string;
    'aria-describedby'?: string;
    'aria-invalid'?: true;
  }) => React.ReactNode;
}

/** A labelled field. */
export function Field(props: FieldProps): React.JSX.Element {
  const id = React.useId();
  const notes: string[] = [];
  if (props.help !== undefined && props.help !== '') {
    notes.push(`${id}-help`);
  }
  if (props.problem !== undefined) {
    notes.push(`${id}-problem`);
  }
  return (
    <div className="sublet-field" data-sublet-field={props.name}>
      <label htmlFor={id} className="sublet-cut" title={props.label}>
        {props.label}
        {props.kind !== undefined && <span className="sublet-quiet"> {props.kind}</span>}
      </label>
      <div>
        {props.children({
          id,
          ...(notes.length > 0 ? { 'aria-describedby': notes.join(' ') } : {}),
          ...(props.problem === undefined ? {} : { 'aria-invalid': true as const })
        })}
        {props.help !== undefined && props.help !== '' && (
          <span id={`${id}-help`} className="sublet-quiet">
            {props.help}
          </span>
        )}
        {props.problem !== undefined && (
          <span id={`${id}-problem`} className="sublet-bad" role="alert">
            {props.problem}
          </span>
        )}
      </div>
    </div>
  );
}

const MOST_ROWS = 4;

/** A text, of one line unless it has several from the beginning. */
export function TextField(props: {
  name: string;
  label: string;
  value: string;
  kind?: string | undefined;
  problem?: string | undefined;
  help?: string | undefined;
  placeholder?: string;
  secret?: boolean;
  numeric?: boolean;
  lines?: boolean;
  set: (value: string) => void;
}): React.JSX.Element {
  return (
    <Field
      name={props.name}
      label={props.label}
      kind={props.kind}
      problem={props.problem}
      help={props.help}
    >
      {ids =>
        props.lines === true ? (
          <textarea
            {...ids}
            rows={MOST_ROWS}
            spellCheck={false}
            value={props.value}
            onChange={event => {
              props.set(event.target.value);
            }}
          />
        ) : (
          <input
            {...ids}
            type={props.secret === true ? 'password' : 'text'}
            autoComplete="off"
            spellCheck={false}
            inputMode={props.numeric === true ? 'decimal' : 'text'}
            placeholder={props.placeholder}
            value={props.value}
            onChange={event => {
              props.set(event.target.value);
            }}
          />
        )
      }
    </Field>
  );
}

/** One of a few. */
export function Choice<T extends string>(props: {
  legend: string;
  name: string;
  value: T;
  options: { value: T; label: string; note?: string; disabled?: boolean }[];
  set: (value: T) => void;
}): React.JSX.Element {
  const group = React.useId();
  return (
    <fieldset className="sublet-choice" data-sublet-field={props.name}>
      <legend>{props.legend}</legend>
      {props.options.map(option => (
        <label key={option.value}>
          <input
            type="radio"
            name={group}
            value={option.value}
            checked={props.value === option.value}
            disabled={option.disabled === true}
            onChange={() => {
              props.set(option.value);
            }}
          />
          <span>
            {option.label}
            {option.note !== undefined && <span className="sublet-quiet"> {option.note}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}
