/** One card: its name, how it stands, its bar and its figures; folded out, who holds what. */
import { ofGib } from '@sublet-lab/format/quantities';

import type { Card } from '../../api/types';
import { Moment } from '../../controls/Moment';
import { Tag } from '../../controls/Tag';
import { useConsole } from '../../model/console';
import { CardBar } from './CardBar';
import { nameOf } from './deeds';
import { typeOf } from './filter';
import { healthOf, healthWord, reasonsOf, TONE } from './health';
import type { Selection } from './selection';
import { SliceTable } from './SliceTable';

export function CardRow(props: {
  card: Card;
  power_w: number | undefined;
  /** `null`: nothing is chosen here. */
  selection: Selection | null;
  open: boolean;
  onOpen: (open: boolean) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { card, power_w, selection, open } = props;
  const { report } = card;
  const name = nameOf(card);
  const health = healthOf(card);
  const reasons = reasonsOf(card, trans, new Date());
  const utilisation = report.utilisation_percent;
  return (
    <article
      className={`card ${card.silent ? 'is-silent' : ''}`}
      aria-label={name}
      data-sublet="card"
      data-sublet-name={name}
      data-sublet-health={health}
    >
      <div className="card-head">
        {selection !== null && (
          <input
            type="checkbox"
            aria-label={trans.__('Choose the card %1', name)}
            checked={selection.hasCard(card)}
            onChange={event => {
              selection.chooseCards([card], event.target.checked);
            }}
          />
        )}
        <button
          type="button"
          className="card-name"
          aria-expanded={open}
          onClick={() => {
            props.onOpen(!open);
          }}
        >
          {name}
        </button>
        <span className="quiet" title={report.gpu_id}>
          {typeOf(card)} · {card.pool}
          {report.simulated ? ` · ${trans.__('simulated')}` : ''}
        </span>
        <Tag tone={TONE[health]} name="health">
          {healthWord(health, card, trans)}
        </Tag>
        <span className="figures">
          <span title={trans.__('Memory used')}>
            {ofGib(trans, report.used_mib, report.memory_mib)}
          </span>
          <span title={trans.__('Utilisation')}>
            {utilisation === null ? '– %' : `${String(utilisation)} %`}
          </span>
          <span title={trans.__('Power, since it was told before')}>
            {power_w === undefined ? '– W' : `${power_w.toFixed(0)} W`}
          </span>
          <span title={trans.__('Temperature')} data-sublet="temperature">
            {report.temperature_c === null ? '– °C' : `${String(report.temperature_c)} °C`}
          </span>
        </span>
      </div>
      <CardBar card={card} />
      {reasons.map(each => (
        <p key={each} className="why" data-sublet="reason">
          {each}
        </p>
      ))}
      {open && (
        <>
          <SliceTable card={card} selection={selection} />
          {card.seen_at !== null && (
            <p className="quiet">
              {trans.__('Seen')} <Moment at={card.seen_at} />
            </p>
          )}
        </>
      )}
    </article>
  );
}
