/** Every card, for admins: who holds what, and what can be done about it. */
import { useMemo } from 'react';

import type { Card } from '../../api/types';
import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import { setQuery, useQuery } from '../../shell/router';
import { CardList } from './CardList';
import { Deeds } from './Deeds';
import { FilterBar } from './FilterBar';
import { filtered, filterOf, queryOf, type Filter } from './filter';
import { Legend } from './Legend';
import { useSelection } from './selection';
import { summaryOf } from './summary';
import { SummaryPart } from './SummaryPart';

const NO_CARDS: readonly Card[] = [];

export function CardsView(): React.JSX.Element {
  const { trans, session, cards } = useConsole();
  const told = useStore(cards.store);
  const all = told.list ?? NO_CARDS;
  const query = useQuery().toString();
  const filter = useMemo(() => filterOf(new URLSearchParams(query)), [query]);
  const found = useMemo(() => filtered(all, filter, told.power_w), [all, filter, told.power_w]);
  const summary = useMemo(() => summaryOf(all, told.power_w), [all, told.power_w]);
  const chosen = useSelection(all);
  // Who changes nothing has nothing to choose for.
  const selection = session.admin ? chosen : null;
  const show = (changed: Filter): void => {
    setQuery(queryOf(changed));
  };
  if (told.list === null) {
    return <p role="status">{trans.__('Asking for the cards …')}</p>;
  }
  if (all.length === 0 && told.whole) {
    return <p>{trans.__('No cards: no agent has connected yet.')}</p>;
  }
  return (
    <>
      <SummaryPart
        summary={summary}
        onHolder={owner => {
          show({ ...filter, text: owner });
        }}
      />
      <FilterBar cards={all} filter={filter} onChange={show} />
      <div className="above-list">
        {selection !== null && (
          <label className="check">
            <input
              type="checkbox"
              checked={found.length > 0 && found.every(selection.hasCard)}
              onChange={event => {
                selection.chooseCards(found, event.target.checked);
              }}
            />
            {trans.__('Choose all that are shown')}
          </label>
        )}
        <span className="quiet" role="status" data-sublet="found">
          {trans.__('%1 of %2 cards', found.length, all.length)}
          {told.whole ? '' : ` ${trans.__('(more are coming)')}`}
        </span>
        {selection !== null && <Deeds selection={selection} />}
        <Legend />
      </div>
      <CardList cards={found} power_w={told.power_w} selection={selection} />
    </>
  );
}
