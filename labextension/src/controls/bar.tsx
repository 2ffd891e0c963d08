/** Bars: how much of something is used, and how far something has come. */
import * as React from 'react';

export interface Part {
  kind: 'on-gpu' | 'in-host' | 'others' | 'borrowed';
  amount: number;
}

/** How much of a whole is used, with a mark at what is guaranteed. */
export function UseBar(props: {
  label: string;
  text: string;
  whole: number;
  parts: Part[];
  mark?: number | null;
  warn?: boolean;
}): React.JSX.Element {
  const used = props.parts.reduce((sum, part) => sum + part.amount, 0);
  // Cards and hours may be less than one in all.
  const whole = Math.max(props.whole, used) || 1;
  return (
    <div
      className={props.warn === true ? 'sublet-bar sublet-warn' : 'sublet-bar'}
      role="meter"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={whole}
      aria-valuenow={used}
      aria-valuetext={props.text}
    >
      {props.parts.map(part => (
        <div
          key={part.kind}
          className={`sublet-bar-part sublet-${part.kind}`}
          style={{ width: share(part.amount, whole) }}
        />
      ))}
      {props.mark != null && props.mark > 0 && props.mark < whole && (
        <div className="sublet-bar-mark" style={{ left: share(props.mark, whole) }} />
      )}
    </div>
  );
}

/** How far something has come; without a fraction it only says that it goes on. */
export function ProgressBar(props: {
  label: string;
  text: string;
  fraction: number | null;
}): React.JSX.Element {
  const known = props.fraction !== null;
  return (
    <div
      className={known ? 'sublet-progress' : 'sublet-progress sublet-unknown'}
      role="progressbar"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(known ? { 'aria-valuenow': Math.round((props.fraction ?? 0) * 100) } : {})}
      aria-valuetext={props.text}
    >
      <div
        className="sublet-progress-part"
        style={known ? { width: share(props.fraction ?? 0, 1) } : {}}
      />
    </div>
  );
}

function share(part: number, whole: number): string {
  return `${Math.min(100, (100 * part) / whole).toFixed(2)}%`;
}
