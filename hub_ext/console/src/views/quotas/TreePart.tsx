/** Every group with what it holds of its guarantee and its limits, and who has more than they may. */
import { decimal } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { memo, useCallback, useMemo, useState } from 'react';

import type { Excess, GroupNode, QuotaTree } from '../../api/types';
import { Meter } from '../../controls/Meter';
import { ShareMeters } from '../../controls/ShareMeters';
import { Tag } from '../../controls/Tag';
import { usePolling } from '../../controls/usePolling';
import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import type { Quotas } from './model';
import { foundIn, isOver, keyOf, MOST_SHOWN } from './nodes';
import { showLine } from './parts';

export function TreePart({ quotas }: { quotas: Quotas }): React.JSX.Element {
  const { trans } = useConsole();
  const asked = useStore(quotas.tree.store);
  const ask = useCallback(() => {
    void quotas.tree.refresh();
  }, [quotas]);
  usePolling(ask);
  if (asked.value === null) {
    return <p role="status">{asked.problem ?? trans.__('Asking who holds what …')}</p>;
  }
  return (
    <>
      {asked.problem !== null && <p className="why">{asked.problem}</p>}
      <Tree tree={asked.value} />
    </>
  );
}

/** Drawn anew where the tree is another: it is asked for again and again, and seldom is. */
const Tree = memo(function Tree({ tree }: { tree: QuotaTree }): React.JSX.Element {
  const { trans } = useConsole();
  const [text, setText] = useState('');
  const [over, setOver] = useState(false);
  const { shown, found } = useMemo(() => foundIn(tree, { text, over }), [tree, text, over]);
  return (
    <>
      <OverPart tree={tree} />
      <div className="above-list">
        <input
          type="search"
          aria-label={trans.__('Look for groups')}
          placeholder={trans.__('Group, hub’s group, GPU type')}
          data-sublet="search-groups"
          value={text}
          onChange={event => {
            setText(event.target.value);
          }}
        />
        <label className="check">
          <input
            type="checkbox"
            checked={over}
            onChange={event => {
              setOver(event.target.checked);
            }}
          />
          {trans.__('Only those that are over')}
        </label>
        <span className="quiet" role="status" data-sublet="groups-found">
          {trans.__('%1 of %2 groups', found, tree.groups.length)}
        </span>
      </div>
      {tree.groups.length === 0 && (
        <p>{trans.__('The document has no groups: each person has what it says of everyone.')}</p>
      )}
      <ul className="plain tree" aria-label={trans.__('Groups')}>
        {shown.map(each => (
          <Group key={keyOf(each)} node={each} />
        ))}
      </ul>
      {shown.length >= MOST_SHOWN && (
        <p>{trans.__('More groups are there: look for the one you mean.')}</p>
      )}
      {tree.outside.slices > 0 && (
        <section className="part" aria-label={trans.__('In no group')} data-sublet="outside">
          <h2>{trans.__('In no group')}</h2>
          <p className="quiet">
            {trans._n('%1 slice', '%1 slices', tree.outside.slices)}
            {' · '}
            {trans.__('nothing of it is guaranteed')}
          </p>
          <ShareMeters share={tree.outside} />
        </section>
      )}
    </>
  );
});

function Group({ node }: { node: GroupNode }): React.JSX.Element {
  const { trans } = useConsole();
  const { share, budget, line } = node;
  const depth = share.path.length - 1;
  const name = share.path.at(-1) ?? '';
  return (
    <li
      className="part group"
      style={{ marginInlineStart: `${String(Math.min(depth, 8) * 1.5)}rem` }}
      data-sublet="group"
      data-sublet-group={name}
      data-sublet-over={String(isOver(node))}
    >
      <header>
        <b>{name}</b>{' '}
        {depth > 0 && (
          <span className="quiet">{trans.__('in %1', share.path.slice(0, -1).join(' / '))}</span>
        )}{' '}
        {node.over.length > 0 && <Tag tone="bad">{trans.__('over its limit')}</Tag>}{' '}
        {budget?.is_over === true && <Tag tone="warn">{trans.__('budget is over')}</Tag>}{' '}
        <span className="quiet">
          {share.most_slices === null
            ? trans._n('%1 slice', '%1 slices', share.slices)
            : trans.__('%1 of %2 slices', share.slices, share.most_slices)}
          {' · '}
          {trans.__('weight %1', node.weight)}
          {' · '}
          {node.members.length === 0
            ? trans.__('nobody directly')
            : trans.__('hub’s groups: %1', node.members.join(', '))}
        </span>{' '}
        {line !== null && (
          <button
            type="button"
            className="to-line"
            onClick={() => {
              showLine(line);
            }}
          >
            {trans.__('line %1', line)}
          </button>
        )}
      </header>
      <ShareMeters share={share} />
      {share.jobs_apart !== null && (
        <p className="quiet">
          {trans._n(
            '%1 job runs, counted apart',
            '%1 jobs run, counted apart',
            share.jobs_apart.running
          )}
        </p>
      )}
      {node.over.map(each => (
        <p key={`${each.beyond} ${each.held}`} className="bad">
          {excessWords(each, trans)}
        </p>
      ))}
      {budget !== null && (
        <Meter
          label={trans.__('Budget')}
          words={trans.__(
            '%1 of %2 h spent, %3 h left',
            decimal(Math.max(0, budget.charged - budget.credited)),
            decimal(budget.hours),
            decimal(budget.left)
          )}
          used={Math.max(0, budget.charged - budget.credited)}
          whole={budget.hours}
          mark={budget.warn}
          warn={budget.is_over}
        />
      )}
    </li>
  );
}

function OverPart({ tree }: { tree: QuotaTree }): React.JSX.Element | null {
  const { trans } = useConsole();
  if (tree.over.length === 0 && tree.unmet.length === 0) {
    return null;
  }
  return (
    <section className="note note-warn" aria-label={trans.__('To look at')} data-sublet="over">
      {tree.over.length > 0 && (
        <>
          <h2>{trans.__('People with more than they may have')}</h2>
          <ul>
            {tree.over.map(each => (
              <li key={`${each.owner ?? ''} ${each.beyond} ${each.held}`}>
                <b>{each.owner}</b> {excessWords(each, trans)}
              </li>
            ))}
          </ul>
        </>
      )}
      {tree.unmet.length > 0 && (
        <>
          <h2>{trans.__('Guarantees that cannot be met now')}</h2>
          <ul>
            {tree.unmet.map(each => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </>
      )}
      {tree.left_out > 0 && <p>{trans.__('%1 more are left out.', tree.left_out)}</p>}
    </section>
  );
}

export function excessWords(excess: Excess, trans: TranslationBundle): string {
  switch (excess.beyond) {
    case 'guarantee':
      return trans.__('%1 held, %2 guaranteed', excess.held, excess.most);
    case 'job-limit':
      return trans.__('running jobs have %1, and may have %2', excess.held, excess.most);
    default:
      return trans.__('%1 held, and may have %2', excess.held, excess.most);
  }
}
