/** What I and my groups hold of what is guaranteed and allowed, and which line says so. */
import { decimal } from '@sublet-lab/format/quantities';

import type { Budget, GroupShare, RightLine, Share } from '../../api/types';
import { Meter } from '../../controls/Meter';
import { Moment } from '../../controls/Moment';
import { ShareMeters } from '../../controls/ShareMeters';
import { useConsole } from '../../model/console';

export function QuotaPart(props: {
  quota: Share['quota'];
  groupsKnown: boolean;
}): React.JSX.Element | null {
  const { trans } = useConsole();
  const { quota } = props;
  if (quota === null) {
    return null;
  }
  const accounts = [quota.own, ...quota.groups.filter(each => each.group !== null)];
  return (
    <section className="part" aria-labelledby="quota" data-sublet="quota">
      <h2 id="quota">{trans.__('Quota')}</h2>
      {!props.groupsKnown && (
        <p className="why">{trans.__('The hub does not say which groups you are in.')}</p>
      )}
      {accounts.map(each => (
        <Account
          key={each.path.join('/')}
          share={each}
          rights={quota.rights.filter(right => right.group === each.group)}
        />
      ))}
      {quota.budgets.map(each => (
        <BudgetLine key={`${each.group}/${each.owner ?? ''}`} budget={each} />
      ))}
    </section>
  );
}

function Account(props: { share: GroupShare; rights: readonly RightLine[] }): React.JSX.Element {
  const { trans } = useConsole();
  const { share, rights } = props;
  const who = share.group === null ? trans.__('You') : trans.__('Group %1', share.path.join(' / '));
  return (
    <article className="mine" aria-label={who} data-sublet="account">
      <header>
        <b>{who}</b>{' '}
        <span className="quiet">
          {share.most_slices === null
            ? trans._n('%1 slice', '%1 slices', share.slices)
            : trans.__('%1 of %2 slices', share.slices, share.most_slices)}
        </span>
      </header>
      <ShareMeters share={share} />
      {rights.length > 0 && <Rights rights={rights} />}
    </article>
  );
}

function Rights({ rights }: { rights: readonly RightLine[] }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <details data-sublet="rights">
      <summary>{trans.__('Where that comes from')}</summary>
      <dl className="rights">
        {rights.map(each => (
          <div key={`${each.right} ${each.source}`}>
            <dt>
              {each.right}: {each.value}
            </dt>
            <dd className="quiet">
              {each.line === null ? each.source : trans.__('%1, line %2', each.source, each.line)}
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

function BudgetLine({ budget }: { budget: Budget }): React.JSX.Element {
  const { trans } = useConsole();
  const spent = Math.max(0, budget.charged - budget.credited);
  const name =
    budget.owner === null
      ? trans.__('Budget of %1', budget.group)
      : trans.__('Your budget in %1', budget.group);
  return (
    <article className="mine" aria-label={name} data-sublet="budget">
      <Meter
        label={name}
        words={trans.__(
          '%1 of %2 h spent, %3 h left',
          decimal(spent),
          decimal(budget.hours),
          decimal(budget.left)
        )}
        used={spent}
        whole={budget.hours}
        mark={budget.warn}
        warn={budget.is_over || spent >= budget.warn}
      />
      {budget.renews_at !== null && (
        <p className="quiet">
          {trans.__('A new period begins at')} <Moment at={budget.renews_at} />
        </p>
      )}
    </article>
  );
}
