/** Who has whose room, a pair a line, of which only those in sight are drawn. */
import { cards, gib } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useRef } from 'react';

import type { Loan } from '../../api/types';
import { Moment } from '../../controls/Moment';
import { Room, roomAround } from '../../controls/Room';
import { useTop } from '../../controls/useTop';
import { useConsole } from '../../model/console';
import { cardOf, keyOfLoan, sinceOf } from './filter';
import { loanWord } from './words';

const ESTIMATED_PX = 33;
const BEYOND = 12;
const COLUMNS = 6;

export function LoanTable({ loans }: { loans: readonly Loan[] }): React.JSX.Element {
  const { trans } = useConsole();
  const body = useRef<HTMLTableSectionElement>(null);
  const top = useTop(body);
  const virtualizer = useWindowVirtualizer({
    count: loans.length,
    estimateSize: () => ESTIMATED_PX,
    overscan: BEYOND,
    scrollMargin: top,
    getItemKey: index => {
      const loan = loans[index];
      return loan === undefined ? index : keyOfLoan(loan);
    }
  });
  const { above_px, below_px } = roomAround(virtualizer, top);
  return (
    <table
      className="loans"
      aria-label={trans.__('Who has whose room')}
      aria-rowcount={loans.length + 1}
      data-sublet="loans"
    >
      <thead>
        <tr>
          {headsOf(trans).map(each => (
            <th key={each}>{each}</th>
          ))}
        </tr>
      </thead>
      <tbody ref={body}>
        <Room height_px={above_px} columns={COLUMNS} />
        {virtualizer.getVirtualItems().map(item => {
          const loan = loans[item.index];
          return loan === undefined ? null : (
            <tr
              key={item.key}
              ref={virtualizer.measureElement}
              data-index={item.index}
              aria-rowindex={item.index + 2}
              data-sublet="loan"
              data-sublet-kind={loan.kind}
            >
              <Cells loan={loan} />
            </tr>
          );
        })}
        <Room height_px={below_px} columns={COLUMNS} />
      </tbody>
    </table>
  );
}

function headsOf(trans: TranslationBundle): [string, string, string, string, string, string] {
  return [
    trans.__('Who has it'),
    trans.__('From whom'),
    trans.__('What'),
    trans.__('How much'),
    trans.__('Where'),
    trans.__('Since')
  ];
}

function Cells({ loan }: { loan: Loan }): React.JSX.Element {
  const { trans } = useConsole();
  const [borrower, lender, what, amount, where, since] = headsOf(trans);
  // One box in each cell: on a narrow page its head stands beside it.
  return (
    <>
      <th scope="row" data-head={borrower}>
        <div>
          <Side party={loan.borrower} />
        </div>
      </th>
      <td data-head={lender}>
        <div>
          <Side party={loan.lender} />
        </div>
      </td>
      <td data-head={what}>
        <div>{loanWord(loan, trans)}</div>
      </td>
      <td data-head={amount}>
        <div>
          <span className="number">{cards(trans, loan.cards)}</span>{' '}
          <span className="number quiet">{gib(loan.memory_mib)}</span>
        </div>
      </td>
      <td data-head={where}>
        <div>
          {cardOf(loan)} <span className="quiet">{loan.gpu_type}</span>
        </div>
      </td>
      <td data-head={since}>
        <div>
          {loan.since === null && <span className="quiet">{trans.__('held since')} </span>}
          <Moment at={sinceOf(loan)} />
        </div>
      </td>
    </>
  );
}

function Side({ party }: { party: Loan['borrower'] }): React.JSX.Element {
  return (
    <>
      {party.words}
      {party.group !== null && party.group !== party.words && (
        <span className="quiet"> · {party.group}</span>
      )}
    </>
  );
}
