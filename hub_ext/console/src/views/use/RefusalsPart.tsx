/** How often something was refused, and why. */
import { useMemo, useState } from 'react';

import type { RefusalSum } from '../../api/types';
import { LongTable, type Column } from '../../controls/LongTable';
import { Moment } from '../../controls/Moment';
import { useConsole } from '../../model/console';
import type { Answer } from '../../model/answer';
import { Part } from './Part';
import type { Refusals as Told } from './queries';
import { nameWord, refusalWord } from './words';

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
          {of !== null && by === 'type' && (
            <p className="quiet">{trans.__('Of all types: refusals are of users and groups.')}</p>
          )}
          {by === 'group' && (
            <p className="quiet">
              {trans.__('By the groups of those who asked: who is in several counts in each.')}
            </p>
          )}
          <Refusals
            sums={by === 'group' && of !== null ? sums.filter(each => each.group === of) : sums}
            byGroup={by === 'group'}
          />
        </>
      )}
    </Part>
  );
}

function Refusals(props: { sums: readonly RefusalSum[]; byGroup: boolean }): React.JSX.Element {
  const { sums, byGroup } = props;
  const { trans, session } = useConsole();
  const [sort, setSort] = useState('times');
  const columns = useMemo(
    (): Column<RefusalSum>[] => [
      ...(byGroup
        ? [
            {
              name: 'group',
              title: trans.__('group'),
              of: (row: RefusalSum) => nameWord('group', row.group ?? '', trans)
            }
          ]
        : []),
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
    [trans, session.sees_all, byGroup]
  );
  if (sums.length === 0) {
    return <p>{trans.__('Nothing was refused in this time.')}</p>;
  }
  return (
    <LongTable
      name="use-refusals-table"
      label={trans.__('Refusals by reason')}
      columns={columns}
      rows={sums}
      keyOf={row => `${row.group ?? ''}/${row.code}`}
      sort={sort}
      onSort={setSort}
    />
  );
}
