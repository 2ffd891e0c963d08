/** What is another between two texts, line by line. */
import { useMemo } from 'react';

import { useConsole } from '../../model/console';
import { difference, type LineKind } from './lines';

const MOST_LINES = 2000;
const SIGNS: Record<LineKind, string> = { same: ' ', removed: '−', added: '+' };

export function Difference(props: {
  label: string;
  before: string;
  after: string;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { label, before, after } = props;
  const lines = useMemo(() => difference(before, after), [before, after]);
  const words: Record<LineKind, string> = {
    same: trans.__('as before'),
    removed: trans.__('removed'),
    added: trans.__('added')
  };
  if (lines.length === 0) {
    return <p className="quiet">{trans.__('Nothing is another.')}</p>;
  }
  return (
    <div
      className="difference"
      role="group"
      aria-label={label}
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- who has keys alone scrolls it, too
      tabIndex={0}
      data-sublet="difference"
    >
      <ol className="plain">
        {lines.slice(0, MOST_LINES).map((each, place) =>
          each === null ? (
            <li key={place} className="diff-gap">
              ⋯
            </li>
          ) : (
            <li key={place} className={`diff-${each.kind}`}>
              <span className="diff-line">{each.line}</span>
              <span className="diff-sign" aria-hidden="true">
                {SIGNS[each.kind]}
              </span>
              <span className="unseen">{words[each.kind]}</span>
              <code>{each.text}</code>
            </li>
          )
        )}
      </ol>
      {lines.length > MOST_LINES && (
        <p>{trans.__('%1 more lines are left out.', lines.length - MOST_LINES)}</p>
      )}
    </div>
  );
}
