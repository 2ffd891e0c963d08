/** The first look: who holds the cards, and do they use them. */
import { gib, ofGib } from '@sublet-lab/format/quantities';

import { useConsole } from '../../model/console';
import type { Summary } from './summary';

const MOST_HOLDERS = 8;

export function SummaryPart(props: {
  summary: Summary;
  onHolder: (owner: string) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { summary } = props;
  const figures: [string, string][] = [
    [trans._n('card', 'cards', summary.cards), String(summary.cards)],
    [trans.__('not open'), String(summary.troubled)],
    [trans.__('memory used'), ofGib(trans, summary.used_mib, summary.memory_mib)],
    [
      trans.__('mean utilisation'),
      summary.utilisation_percent === null ? '–' : `${summary.utilisation_percent.toFixed(0)} %`
    ],
    [
      summary.power_told === 0 || summary.power_told >= summary.cards
        ? trans.__('power')
        : trans.__('power of %1 of %2 cards', summary.power_told, summary.cards),
      summary.power_w === null ? '–' : `${summary.power_w.toFixed(0)} W`
    ],
    [trans.__('slices compute'), trans.__('%1 of %2', summary.computing, summary.slices)],
    [trans.__('lent to jobs'), String(summary.lent)],
    [trans.__('suspended'), String(summary.suspended)],
    [trans._n('job on a card', 'jobs on cards', summary.jobs), String(summary.jobs)]
  ];
  return (
    <section className="summary" aria-label={trans.__('At a glance')} data-sublet="summary">
      <dl>
        {figures.map(([word, figure]) => (
          <div key={word}>
            <dt>{word}</dt>
            <dd>{figure}</dd>
          </div>
        ))}
      </dl>
      {summary.holders.length > 0 && (
        <ul className="holders" aria-label={trans.__('Who holds most')} data-sublet="holders">
          {summary.holders.slice(0, MOST_HOLDERS).map(each => (
            <li key={each.owner}>
              <button
                type="button"
                title={trans.__('Show the cards of %1', each.owner)}
                onClick={() => {
                  props.onHolder(each.owner);
                }}
              >
                <b>{each.owner}</b> {gib(each.cap_mib)}
                <span className="quiet">
                  {' · '}
                  {trans.__('%1 on cards', gib(each.on_card_mib))}
                  {each.of_jobs_mib > 0
                    ? ` · ${trans.__('%1 by jobs', gib(each.of_jobs_mib))}`
                    : ''}
                  {' · '}
                  {each.computing > 0
                    ? trans.__('%1 of %2 compute', each.computing, each.slices)
                    : trans.__('not computing')}
                  {each.lent > 0 ? ` · ${trans.__('%1 lent', each.lent)}` : ''}
                </span>
              </button>
            </li>
          ))}
          {summary.holders.length > MOST_HOLDERS && (
            <li className="quiet">
              {trans._n('and %1 more', 'and %1 more', summary.holders.length - MOST_HOLDERS)}
            </li>
          )}
        </ul>
      )}
    </section>
  );
}
