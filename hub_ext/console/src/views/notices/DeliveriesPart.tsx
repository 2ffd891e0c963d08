/** What became of the notices that go out by mail and webhook, where that is set. */
import { useCallback } from 'react';

import type { Deliveries } from '../../api/types';
import { Moment } from '../../controls/Moment';
import { Tag } from '../../controls/Tag';
import { useAnswer } from '../../model/answer';
import { useConsole } from '../../model/console';

type Way = Deliveries['channels'][number];

export function DeliveriesPart(): React.JSX.Element | null {
  const { trans, client } = useConsole();
  const asked = useAnswer(useCallback(() => client.get('/deliveries'), [client]));
  const told = asked.value;
  if (asked.problem !== null) {
    return <p className="why">{asked.problem}</p>;
  }
  if (told === null || told.channels.length === 0) {
    return null;
  }
  return (
    <section className="part" aria-labelledby="deliveries" data-sublet="deliveries">
      <h2 id="deliveries">{trans.__('By mail and webhook')}</h2>
      {told.is_full && (
        <p className="why">{trans.__('So many wait to be sent that no more are taken in.')}</p>
      )}
      <ul className="plain">
        {told.channels.map(each => (
          <OneWay key={each.channel} way={each} />
        ))}
      </ul>
      {told.reports !== null && <Reports told={told.reports} />}
    </section>
  );
}

function OneWay({ way }: { way: Way }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <li data-sublet="way">
      <b>{way.channel}</b>{' '}
      {way.failed > 0 && <Tag tone="bad">{trans.__('%1 given up', way.failed)}</Tag>}{' '}
      <span className="quiet">{trans.__('%1 sent, %2 waiting', way.sent, way.waiting)}</span>
      {way.problem !== null && (
        <p className="why">
          {way.problem_at !== null && (
            <>
              <Moment at={way.problem_at} />:{' '}
            </>
          )}
          {way.problem}
        </p>
      )}
    </li>
  );
}

function Reports({ told }: { told: NonNullable<Deliveries['reports']> }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <div data-sublet="reports-out">
      <p>
        <b>{trans.__('Weekly reports')}</b>{' '}
        <span className="quiet">
          {trans.__('to %1 users', told.receivers)}
          {told.week !== null && <> · {trans.__('last: %1', told.week)}</>}
          {told.next_at !== null && (
            <>
              {' '}
              · {trans.__('next:')} <Moment at={told.next_at} dated />
            </>
          )}
        </span>
      </p>
      {told.without.length > 0 && (
        <p className="quiet" data-sublet="reports-without">
          {trans.__('Nobody is told of: %1', told.without.join(', '))}
          {told.more_without > 0 && <> {trans.__('and %1 more', told.more_without)}</>}
        </p>
      )}
      {told.problem !== null && <p className="why">{told.problem}</p>}
    </div>
  );
}
