/** Who had how many hours, and what became of them: one line for each group, user or type. */
import { decimal } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { useMemo } from 'react';

import type { KindHours, UseReport, UseRow } from '../../api/types';
import { LongTable, type Column } from '../../controls/LongTable';
import { useConsole } from '../../model/console';
import type { Answer } from '../../model/answer';
import type { By, Choice } from './choice';
import { G_PER_KG, NO_HOURS, WH_PER_KWH } from './course';
import { Part } from './Part';
import type { Totals as Told } from './queries';
import { byWord, kindWord, nameWord } from './words';

export function TotalsPart(props: {
  answer: Answer<Told>;
  choice: Choice;
  csv: string;
  onChange: (choice: Choice) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { choice, onChange } = props;
  return (
    <Part
      name="use-totals"
      title={trans.__('Hours on cards by %1', byWord(choice.by, trans))}
      answer={props.answer}
      csv={props.csv}
    >
      {told =>
        told.report.rows.length === 0 ? (
          <p>{trans.__('Nothing was held in this time.')}</p>
        ) : (
          <Totals told={told} choice={choice} onChange={onChange} />
        )
      }
    </Part>
  );
}

function Totals(props: {
  told: Told;
  choice: Choice;
  onChange: (choice: Choice) => void;
}): React.JSX.Element {
  const { trans } = useConsole();
  const { choice, onChange } = props;
  const { report, by } = props.told;
  const columns = useMemo(
    () => [
      nameColumn(by, trans, name => {
        onChange({ ...choice, of: choice.of === name ? null : name });
      }),
      ...columnsOf(report, trans)
    ],
    [report, by, trans, choice, onChange]
  );
  const wanted = choice.text.toLocaleLowerCase();
  const rows = useMemo(
    () =>
      wanted === ''
        ? report.rows
        : report.rows.filter(row =>
            nameWord(by, row.of[by] ?? '', trans)
              .toLocaleLowerCase()
              .includes(wanted)
          ),
    [report, by, trans, wanted]
  );
  return (
    <>
      <div className="filter">
        <input
          type="search"
          aria-label={trans.__('Search')}
          placeholder={byWord(by, trans)}
          value={choice.text}
          data-sublet="use-search"
          onChange={event => {
            onChange({ ...choice, text: event.target.value });
          }}
        />
        <span className="quiet" role="status" data-sublet="use-found">
          {trans.__('%1 of %2', rows.length, report.rows.length)}
        </span>
      </div>
      <LongTable
        name="use-table"
        label={trans.__('Hours by %1', byWord(by, trans))}
        columns={columns}
        rows={rows}
        keyOf={row => row.of[by] ?? ''}
        isChosen={row => row.of[by] === choice.of}
        sort={choice.sort}
        onSort={sort => {
          onChange({ ...choice, sort });
        }}
      />
    </>
  );
}

function nameColumn(
  by: By,
  trans: TranslationBundle,
  onChoose: (name: string) => void
): Column<UseRow> {
  return {
    name: 'name',
    title: byWord(by, trans),
    of: row => nameWord(by, row.of[by] ?? '', trans),
    shown: row => {
      const name = nameWord(by, row.of[by] ?? '', trans);
      return (
        <button
          type="button"
          className="link"
          title={trans.__('Show the course of %1 alone, or of all again', name)}
          onClick={() => {
            onChoose(row.of[by] ?? '');
          }}
        >
          {name}
        </button>
      );
    }
  };
}

const HOURS: readonly (keyof KindHours)[] = [
  'held',
  'used',
  'idle',
  'lent',
  'suspended',
  'borrowed',
  'charged',
  'credited'
];

function columnsOf(report: UseReport, trans: TranslationBundle): Column<UseRow>[] {
  const hours = HOURS.map((kind): Column<UseRow> => ({
    name: kind,
    title: kindWord(kind, trans),
    of: row => (row.kinds ?? NO_HOURS)[kind],
    shown: row => decimal((row.kinds ?? NO_HOURS)[kind])
  }));
  const amount = (name: string, title: string, of: (row: UseRow) => number | null) => ({
    name,
    title,
    of,
    shown: (row: UseRow) => {
      const value = of(row);
      return value === null ? null : decimal(value);
    }
  });
  return [
    ...hours,
    amount('kwh', trans.__('kWh'), row =>
      row.energy_wh === null ? null : row.energy_wh / WH_PER_KWH
    ),
    ...(report.carbon === null
      ? []
      : [
          amount('co2', trans.__('kg CO₂'), row =>
            row.carbon_g === null ? null : row.carbon_g / G_PER_KG
          )
        ])
  ];
}
