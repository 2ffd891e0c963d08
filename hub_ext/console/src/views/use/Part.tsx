/** A part of the view: its title, its table as a file, and why nothing is shown. */
import { useId, type ReactNode } from 'react';

import { useConsole } from '../../model/console';
import type { Answer } from '../../model/answer';

export function Part<T>(props: {
  name: string;
  title: string;
  answer: Answer<T>;
  /** Where the same is to be had as CSV. */
  csv?: string;
  children: (value: T) => ReactNode;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { answer } = props;
  const title = useId();
  return (
    <section
      className="part"
      aria-labelledby={title}
      aria-busy={answer.asking}
      data-sublet={props.name}
    >
      <div className="part-head">
        <h2 id={title}>{props.title}</h2>
        {props.csv !== undefined && (
          <a href={props.csv} download aria-label={trans.__('Download CSV: %1', props.title)}>
            {trans.__('Download CSV')}
          </a>
        )}
      </div>
      {answer.problem !== null && (
        <p className="why" role="alert">
          {answer.problem}
        </p>
      )}
      {answer.value === null
        ? answer.problem === null && <p role="status">{trans.__('Asking …')}</p>
        : props.children(answer.value)}
    </section>
  );
}
