/** What is spent of a budget, what is left, and when there are hours again. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { decimal, moment } from '@sublet-lab/format/quantities';
import * as React from 'react';

import type { BudgetShare } from '../api/quota';
import { UseBar } from '../controls/bar';
import { warningIcon } from '../controls/icons';
import { Sign, type PageContext } from '../controls/pageContext';

export function BudgetBar(props: {
  page: PageContext;
  budget: BudgetShare;
  now: Date;
}): React.JSX.Element {
  const { budget, now } = props;
  const { trans } = props.page;
  const name =
    budget.owner === null
      ? trans.__('Budget of %1', budget.group)
      : trans.__('Your budget in %1', budget.group);
  const spent = Math.max(0, budget.charged - budget.credited);
  const ends = budget.is_over || spent >= budget.warn;
  const text = figures(trans, budget, spent);
  const more = follows(trans, budget, now);
  return (
    <div className="sublet-account" data-sublet="budget" data-sublet-over={budget.is_over}>
      <div className="sublet-account-head">
        <span className="sublet-cut" title={budget.source}>
          {name}
        </span>
        <span className="sublet-quiet sublet-number">{text}</span>
      </div>
      <UseBar
        label={name}
        text={text}
        whole={budget.hours}
        parts={[{ kind: 'on-gpu', amount: spent }]}
        mark={budget.warn}
        warn={ends}
      />
      {ends && (
        <Sign icon={warningIcon} className="sublet-warn">
          {budget.is_over ? trans.__('spent') : trans.__('ends soon')}
        </Sign>
      )}
      {more !== null && <span className="sublet-why">{more}</span>}
    </div>
  );
}

function figures(trans: TranslationBundle, budget: BudgetShare, spent: number): string {
  const hours = trans.__(
    '%1 of %2 h spent, %3 h left',
    decimal(spent),
    decimal(budget.hours),
    decimal(budget.left)
  );
  return budget.credited > 0
    ? `${hours}, ${trans.__('%1 h credited', decimal(budget.credited))}`
    : hours;
}

/** What the end of the hours means, and when there are some again. */
function follows(trans: TranslationBundle, budget: BudgetShare, now: Date): string | null {
  const at = budget.renews_at === null ? null : moment(budget.renews_at, now);
  if (!budget.is_over) {
    return at === null ? null : trans.__('A new period begins at %1.', at);
  }
  const again = at === null ? null : trans.__('There are hours again at %1.', at);
  const end =
    budget.at_end === 'no-new'
      ? trans.__('Nothing new is let in; what runs counts as borrowed and is not ended.')
      : trans.__('What runs counts as borrowed and makes way for others; nothing is ended.');
  return again === null ? end : `${end} ${again}`;
}
