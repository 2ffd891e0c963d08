/** The first look: how many wait, of what, how long, and for which reasons. */
import { secondsBetween, span } from '@sublet-lab/format/quantities';

import type { Waits } from '../../api/types';
import { useNow } from '../../controls/useNow';
import { useConsole } from '../../model/console';
import type { Filter } from './filter';
import { codeWord, KINDS, kindsWord, kindWord } from './words';

const MOST_REASONS = 12;

export function WaitSummary(props: {
  waits: Waits;
  filter: Filter;
  onChange: (changed: Partial<Filter>) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { waits, filter } = props;
  const now = useNow();
  const count = (kind: string): number =>
    waits.sums.reduce((sum, each) => sum + (each.kind === kind ? each.count : 0), 0);
  const first = waits.waiting.reduce(
    (found, each) => (found === '' || each.since < found ? each.since : found),
    ''
  );
  const figures: [string, string][] = [
    [trans._n('waits', 'wait', waits.total_waiting), String(waits.total_waiting)],
    ...KINDS.map((kind): [string, string] => [kindsWord(kind, trans), String(count(kind))]),
    [
      trans.__('longest wait'),
      first === '' ? '–' : span(trans, secondsBetween(new Date(first), now))
    ],
    [trans._n('loan', 'loans', waits.total_loans), String(waits.total_loans)]
  ];
  return (
    <section className="summary" aria-label={trans.__('At a glance')} data-sublet="waits-summary">
      <dl>
        {figures.map(([word, figure]) => (
          <div key={word}>
            <dt>{word}</dt>
            <dd>{figure}</dd>
          </div>
        ))}
      </dl>
      {waits.sums.length > 0 && (
        <ul className="holders" aria-label={trans.__('Why, the most first')} data-sublet="reasons">
          {waits.sums.slice(0, MOST_REASONS).map(({ kind, code, count: many }) => {
            const chosen = filter.kind === kind && filter.code === code;
            return (
              <li key={`${kind} ${code}`}>
                <button
                  type="button"
                  aria-pressed={chosen}
                  data-sublet="reason-sum"
                  data-sublet-code={code}
                  onClick={() => {
                    const which = chosen ? { kind: '', code: '' } : { kind, code };
                    props.onChange({ ...which, part: 'waits' });
                  }}
                >
                  <b>{many}</b> {many === 1 ? kindWord(kind, trans) : kindsWord(kind, trans)}
                  <span className="quiet"> · {codeWord(code)}</span>
                </button>
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}
