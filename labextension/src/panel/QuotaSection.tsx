/** What my group and I may hold and spend, what I could have now, and what I used this week. */
import { decimal, gib, percent } from '@sublet-lab/format/quantities';
import * as React from 'react';

import type { Offer } from '../api/share';
import { Section, Sign, type PageContext } from '../controls/pageContext';
import { doneIcon, failedIcon, waitingIcon } from '../controls/icons';
import { Account } from './Account';
import { BudgetBar } from './BudgetBar';
import { RankSign } from './RankSign';

export function QuotaSection(props: { page: PageContext; now: Date }): React.JSX.Element | null {
  const { page, now } = props;
  const { trans, model } = page;
  const quota = model.share?.value.quota ?? null;
  if (quota === null) {
    return null;
  }
  const { own } = quota;
  const slices =
    own.most_slices === null ? null : trans.__('%1 of %2 slices', own.slices, own.most_slices);
  const accounts = [own, ...quota.groups.filter(each => each.group !== null)];
  return (
    <Section
      name="quota"
      title={trans.__('Quota')}
      stale={model.share?.fresh !== true}
      aside={slices !== null && <span className="sublet-quiet">{slices}</span>}
    >
      {accounts.map(account => (
        <Account
          key={account.path.join('/')}
          page={page}
          share={account}
          rights={quota.rights.filter(each => each.group === account.group)}
        />
      ))}
      {quota.budgets.map(each => (
        <BudgetBar key={`${each.group}/${each.owner ?? ''}`} page={page} budget={each} now={now} />
      ))}
    </Section>
  );
}

export function OfferSection({ page }: { page: PageContext }): React.JSX.Element | null {
  const { trans, model } = page;
  const offers = model.share?.value.offers ?? [];
  if (offers.length === 0) {
    return null;
  }
  return (
    <Section
      name="offers"
      title={trans.__('What I could have now')}
      stale={model.share?.fresh !== true}
    >
      <ul className="sublet-list">
        {offers.map(offer => (
          <OfferItem key={`${offer.pool} ${offer.size}`} page={page} offer={offer} />
        ))}
      </ul>
    </Section>
  );
}

function OfferItem({ page, offer }: { page: PageContext; offer: Offer }): React.JSX.Element {
  const { trans } = page;
  const waits = offer.waits && !offer.allowed;
  const word = offer.allowed
    ? trans.__('available')
    : waits
      ? trans.__('in line')
      : trans.__('not now');
  const icon = offer.allowed ? doneIcon : waits ? waitingIcon : failedIcon;
  return (
    <li
      className="sublet-offer"
      data-sublet="offer"
      data-sublet-allowed={offer.allowed}
      data-sublet-waits={waits}
    >
      <span className="sublet-grow">
        {offer.title}{' '}
        <span className="sublet-quiet sublet-number">
          {[gib(offer.memory_mib), percent(offer.compute_milli), offer.gpu_type]
            .filter(each => each !== null)
            .join(' · ')}
        </span>
      </span>
      <Sign icon={icon} className={offer.allowed ? 'sublet-good' : 'sublet-quiet'}>
        {word}
      </Sign>
      {waits && (
        <span className="sublet-why">
          {trans.__(
            'No room now: a server that you start with it waits in line, and starts by itself when its turn comes.'
          )}
        </span>
      )}
      {offer.why_not !== null && <span className="sublet-why">{offer.why_not}</span>}
      {offer.allowed && offer.rank !== null && (
        <span className="sublet-why">
          <RankSign trans={trans} rank={offer.rank} explained />
        </span>
      )}
    </li>
  );
}

export function WeekSection({ page }: { page: PageContext }): React.JSX.Element | null {
  const { trans, model } = page;
  const week = model.share?.value.week ?? null;
  if (week === null) {
    return null;
  }
  const energy =
    week.energy_wh === null
      ? trans.__('not measured')
      : week.energy_wh >= 1000
        ? trans.__('%1 kWh', decimal(week.energy_wh / 1000))
        : trans.__('%1 Wh', decimal(week.energy_wh));
  return (
    <Section name="week" title={trans.__('Last seven days')} stale={model.share?.fresh !== true}>
      <dl className="sublet-figures">
        <div>
          <dd>{decimal(week.gpu_hours)}</dd>
          <dt>{trans.__('GPU-hours used')}</dt>
        </div>
        <div>
          <dd>{energy}</dd>
          <dt>{trans.__('energy')}</dt>
        </div>
        <div>
          <dd>{decimal(week.lent_hours)}</dd>
          <dt>{trans.__('hours lent to jobs')}</dt>
        </div>
      </dl>
    </Section>
  );
}
