/** What of one's own waits, who waits for what of one's own, and what one borrows and lends. */
import { secondsBetween, serverName, span } from '@sublet-lab/format/quantities';

import type { WaitForOwner, Waits } from '../../api/types';
import { Moment } from '../../controls/Moment';
import { Tag } from '../../controls/Tag';
import { useNow } from '../../controls/useNow';
import { useConsole } from '../../model/console';
import { cardOf } from './filter';
import { LoanTable } from './LoanTable';
import { WaitList } from './WaitList';
import { kindWord, toneOf } from './words';

export function OwnWaits({ waits }: { waits: Waits }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <>
      <section className="own-waits" aria-labelledby="mine-waits" data-sublet="mine-waits">
        <h2 id="mine-waits">{trans.__('What of mine waits')}</h2>
        {waits.waiting.length === 0 ? (
          <p>{trans.__('Nothing of yours waits.')}</p>
        ) : (
          <WaitList waiting={waits.waiting} />
        )}
      </section>
      <section className="own-waits" aria-labelledby="for-mine" data-sublet="for-mine">
        <h2 id="for-mine">{trans.__('Who waits for what of mine')}</h2>
        {waits.for_owner.length === 0 ? (
          <p>{trans.__('Nobody waits for anything of yours.')}</p>
        ) : (
          <ul className="plain">
            {waits.for_owner.map(each => (
              <ForMine key={`${each.who} ${each.since} ${each.slice_id}`} wait={each} />
            ))}
          </ul>
        )}
      </section>
      <section className="own-waits" aria-labelledby="my-loans" data-sublet="my-loans">
        <h2 id="my-loans">{trans.__('What I borrow and lend')}</h2>
        {waits.loans.length === 0 ? (
          <p>{trans.__('You borrow nothing of others, and others nothing of yours.')}</p>
        ) : (
          <LoanTable loans={waits.loans} />
        )}
      </section>
    </>
  );
}

function ForMine({ wait }: { wait: WaitForOwner }): React.JSX.Element {
  const { trans } = useConsole();
  const now = useNow();
  const mine =
    wait.job_id === null
      ? trans.__('the slice of your %1', serverName(trans, wait.server))
      : trans.__('the slice of your job %1', wait.job_id);
  const since_s = secondsBetween(new Date(wait.since), now);
  return (
    <li data-sublet="wait-for-mine">
      <Tag tone={toneOf(wait.kind)}>{kindWord(wait.kind, trans)}</Tag> <b>{wait.who}</b>{' '}
      {trans.__('waits for %1 on %2', mine, cardOf(wait) ?? '')}{' '}
      <span className="quiet">
        {trans.__('since')} <Moment at={wait.since} now={now} /> ({span(trans, since_s)})
      </span>
    </li>
  );
}
