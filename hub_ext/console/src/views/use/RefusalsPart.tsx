/** How often something was refused, and why. */
import { useMemo, useState } from 'react';

import type { RefusalSum } from '../../api/types';
import { LongTable, type Column } from '../../controls/LongTable';
import { Moment } from '../../controls/Moment';
import { useConsole } from '../../model/console';
import type { Answer } from '../../model/answer';
import { Part } from './Part';
import type { Refusals as Told } from './queries';
import { refusalWord } from './words';

export function RefusalsPart(props: { answer: Answer<Told>; csv: string }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <Part
      name="use-refusals"
      title={trans.__('Refusals by reason')}
      answer={props.answer}
      csv={props.csv}
    >
      {({ sums, by, of }) => (
        <>
          {of !== null && by !== 'owner' && (
            <p className="quiet">{trans.__('Of all: refusals are known by user alone.')}</p>
          )}
          {sums.length === 0 ? (
            <p>{trans.__('Nothing was refused in this time.')}</p>
          ) : (
            <Refusals sums={sums} />
          )}
        </>
      )}
    </Part>
  );
}

function Refusals({ sums }: { sums: readonly RefusalSum[] }): React.JSX.Element {
  const { trans, session } = useConsole();
  const [sort, setSort] = useState('times');
  const columns = useMemo(
    (): Column<RefusalSum>[] => [
      {
        name: 'code',
        title: trans.__('why'),
        of: row => refusalWord(row.code, trans),
        shown: row => (
          <>
            {refusalWord(row.code, trans)} <span className="quiet">{row.code}</span>
          </>
        )
      },
      { name: 'times', title: trans.__('how often'), of: row => row.times },
      ...(session.sees_all
        ? [{ name: 'owners', title: trans.__('users'), of: (row: RefusalSum) => row.owners }]
        : []),
      {
        name: 'last_at',
        title: trans.__('last'),
        of: row => row.last_at,
        shown: row => <Moment at={row.last_at} />
      }
    ],
    [trans, session.sees_all]
  );
  return (
    <LongTable
      name="use-refusals-table"
      label={trans.__('Refusals by reason')}
      columns={columns}
      rows={sums}
      keyOf={row => row.code}
      sort={sort}
      onSort={setSort}
    />
  );
}
