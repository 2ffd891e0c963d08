/** One of a few, with its label. */
import type { ReactNode } from 'react';

export function Choice<T extends string>(props: {
  label: string;
  value: T;
  options: readonly (readonly [T, ReactNode])[];
  onChange: (value: T) => void;
}): React.JSX.Element {
  return (
    <label>
      <span>{props.label}</span>
      <select
        value={props.value}
        onChange={event => {
          const chosen = props.options.find(([value]) => value === event.target.value);
          if (chosen !== undefined) {
            props.onChange(chosen[0]);
          }
        }}
      >
        {props.options.map(([value, word]) => (
          <option key={value} value={value}>
            {word}
          </option>
        ))}
      </select>
    </label>
  );
}
