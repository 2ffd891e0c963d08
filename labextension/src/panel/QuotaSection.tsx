/** What my group and I may hold, what I could have now, and what I used this week. */
import * as React from 'react';

import type { Offer } from '../api/share';
import { UseBar } from '../controls/bar';
import { Section, Sign, type PageContext } from '../controls/pageContext';
import { decimal, gib, percent } from '../format/quantities';
import { doneIcon, failedIcon } from '../controls/icons';

interface Account {
  who: string;
  used_mib: number;
  guaranteed_mib: number;
  limit_mib: number | null;
}

export function QuotaSection({ page }: { page: PageContext }): React.JSX.Element | null {
  const { trans, model } = page;
  const quota = model.share?.value.quota ?? null;
  if (quota === null) {
    return null;
  }
  const mine: Account = { who: trans.__('You'), ...quota };
  const accounts = [mine];
  if (quota.group !== null && quota.group_used_mib !== null) {
    accounts.push({
      who: trans.__('Group %1', quota.group),
      used_mib: quota.group_used_mib,
      guaranteed_mib: quota.group_guaranteed_mib ?? 0,
      limit_mib: quota.group_limit_mib
    });
  }
  const slices =
    quota.most_slices === null
      ? null
      : trans.__('%1 of %2 slices', quota.slices, quota.most_slices);
  return (
    <Section
      name="quota"
      title={trans.__('Quota')}
      stale={model.share?.fresh !== true}
      aside={slices !== null && <span className="sublet-quiet">{slices}</span>}
    >
      {accounts.map(account => (
        <AccountBar key={account.who} page={page} account={account} />
      ))}
    </Section>
  );
}

function AccountBar({ page, account }: { page: PageContext; account: Account }): React.JSX.Element {
  const { trans } = page;
  const { used_mib, guaranteed_mib, limit_mib } = account;
  const used =
    limit_mib === null
      ? trans.__('%1, no limit', gib(used_mib))
      : trans.__('%1 of at most %2', gib(used_mib), gib(limit_mib));
  const text = guaranteed_mib > 0 ? trans.__('%1, %2 guaranteed', used, gib(guaranteed_mib)) : used;
  return (
    <div className="sublet-account" data-sublet="account">
      <div className="sublet-account-head">
        <span className="sublet-cut" title={account.who}>
          {account.who}
        </span>
        <span className="sublet-number">{used}</span>
      </div>
      {limit_mib !== null && (
        <UseBar
          label={trans.__('Quota of %1', account.who)}
          text={text}
          whole={limit_mib}
          parts={[{ kind: 'on-gpu', amount: used_mib }]}
          mark={guaranteed_mib}
        />
      )}
      {guaranteed_mib > 0 && (
        <span className="sublet-quiet">{trans.__('%1 guaranteed', gib(guaranteed_mib))}</span>
      )}
    </div>
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
  const word = offer.allowed ? trans.__('available') : trans.__('not now');
  return (
    <li className="sublet-offer" data-sublet="offer" data-sublet-allowed={offer.allowed}>
      <span className="sublet-grow">
        {offer.title}{' '}
        <span className="sublet-quiet sublet-number">
          {gib(offer.memory_mib)} · {percent(offer.compute_milli)}
        </span>
      </span>
      <Sign
        icon={offer.allowed ? doneIcon : failedIcon}
        className={offer.allowed ? 'sublet-good' : 'sublet-quiet'}
      >
        {word}
      </Sign>
      {offer.why_not !== null && <span className="sublet-why">{offer.why_not}</span>}
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
