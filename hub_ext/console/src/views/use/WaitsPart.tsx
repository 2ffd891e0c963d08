/** How long turns in line, jobs and cells were waited for. */
import { span } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { useMemo, useState } from 'react';

import type { WaitedRow } from '../../api/types';
import { LongTable, type Column } from '../../controls/LongTable';
import { useConsole } from '../../model/console';
import type { Answer } from '../../model/answer';
import type { Choice } from './choice';
import { chosenOf } from './course';
import { Part } from './Part';
import type { Waits as Told } from './queries';
import { byWord, nameWord, waitedWord } from './words';

export function WaitsPart(props: { answer: Answer<Told>; csv: string }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <Part name="use-waits" title={trans.__('Waits')} answer={props.answer} csv={props.csv}>
      {told => <Waits told={told} />}
    </Part>
  );
}

function Waits({ told }: { told: Told }): React.JSX.Element {
  const { trans } = useConsole();
  const { by } = told;
  const [sort, setSort] = useState('');
  const columns = useMemo(() => columnsOf(by, trans), [by, trans]);
  const rows = useMemo(
    // By type waits are not known: they are told of all.
    () => (by === 'type' ? told.report.rows : chosenOf(told.report.rows, told)),
    [told, by]
  );
  return (
    <>
      {by === 'type' && (
        <p className="quiet">{trans.__('Of all types: waits are not known by type.')}</p>
      )}
      {rows.length === 0 ? (
        <p>
          {trans.__('No wait ended in this time. What waits now stands in “Who waits for whom”.')}
        </p>
      ) : (
        <LongTable
          name="use-waits-table"
          label={trans.__('Waits')}
          columns={columns}
          rows={rows}
          keyOf={row => `${row.kind} ${row.of[by] ?? ''}`}
          sort={sort}
          onSort={setSort}
        />
      )}
    </>
  );
}

function columnsOf(by: Choice['by'], trans: TranslationBundle): Column<WaitedRow>[] {
  const wait = (name: 'median_s' | 'p95_s' | 'longest_s', title: string): Column<WaitedRow> => ({
    name,
    title,
    of: row => row[name],
    shown: row => span(trans, row[name])
  });
  return [
    { name: 'kind', title: trans.__('for'), of: row => waitedWord(row.kind, trans) },
    ...(by === 'type'
      ? []
      : [
          {
            name: 'name',
            title: byWord(by, trans),
            of: (row: WaitedRow) => nameWord(by, row.of[by] ?? '', trans)
          }
        ]),
    { name: 'count', title: trans.__('how many'), of: row => row.count },
    { name: 'at_once', title: trans.__('at once'), of: row => row.at_once },
    wait('median_s', trans.__('median')),
    wait('p95_s', trans.__('95th percentile')),
    wait('longest_s', trans.__('longest'))
  ];
}
