/** All that wait, and all loans: for admins, and of a group for its admins. */
import { useMemo } from 'react';

import type { Waits } from '../../api/types';
import { useConsole } from '../../model/console';
import { setQuery, useQuery } from '../../shell/router';
import { filtered, filteredLoans, filterOf, PARTS, queryOf, type Filter } from './filter';
import { LoanTable } from './LoanTable';
import { WaitFilterBar } from './WaitFilterBar';
import { WaitList } from './WaitList';
import { WaitSummary } from './WaitSummary';
import { partWord } from './words';

export function AllWaits({ waits }: { waits: Waits }): React.JSX.Element {
  const { trans } = useConsole();
  const query = useQuery().toString();
  const filter = useMemo(() => filterOf(new URLSearchParams(query)), [query]);
  const { waiting, loans } = waits;
  const found = useMemo(() => filtered(waiting, filter), [waiting, filter]);
  const foundLoans = useMemo(() => filteredLoans(loans, filter), [loans, filter]);
  const show = (changed: Partial<Filter>): void => {
    setQuery(queryOf({ ...filter, ...changed }));
  };
  const totals = { waits: waits.total_waiting, loans: waits.total_loans };
  const isWaits = filter.part === 'waits';
  const told = isWaits ? waiting.length : loans.length;
  const total = totals[filter.part];
  return (
    <>
      <WaitSummary waits={waits} filter={filter} onChange={show} />
      <div className="switch" role="group" aria-label={trans.__('What is shown')}>
        {PARTS.map(part => (
          <button
            key={part}
            type="button"
            aria-pressed={part === filter.part}
            data-sublet={`part-${part}`}
            onClick={() => {
              show({ part });
            }}
          >
            {trans.__('%1 (%2)', partWord(part, trans), totals[part])}
          </button>
        ))}
      </div>
      <WaitFilterBar waits={waits} filter={filter} onChange={show} />
      <div className="above-list">
        <span className="quiet" role="status" data-sublet="found">
          {isWaits
            ? trans.__('%1 of %2 who wait', found.length, total)
            : trans.__('%1 of %2 loans', foundLoans.length, total)}
          {told < total ? ` ${trans.__('(looked for among the first %1)', told)}` : ''}
        </span>
      </div>
      {isWaits ? (
        total === 0 ? (
          <p data-sublet="nobody">{trans.__('Nobody waits.')}</p>
        ) : (
          <WaitList waiting={found} />
        )
      ) : total === 0 ? (
        <p>{trans.__('Nobody has anybody’s room.')}</p>
      ) : (
        <LoanTable loans={foundLoans} />
      )}
    </>
  );
}
