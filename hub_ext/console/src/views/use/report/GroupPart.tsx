/** One group's week: hours, energy, waits, refusals, and whose slices were idle for the longest. */
import { decimal, span } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { useId } from 'react';

import type { GroupWeek, KindHours, WeekNumbers } from '../../../api/types';
import { useConsole } from '../../../model/console';
import { G_PER_KG, WH_PER_KWH } from '../course';
import { kindWord, nameWord, refusalWord, waitedWord } from '../words';
import { PlainTable } from './PlainTable';

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
const NOTHING = '–';

export function GroupPart(props: { told: GroupWeek; hasCarbon: boolean }): React.JSX.Element {
  const { trans } = useConsole();
  const { told } = props;
  const { week, before } = told;
  const title = useId();
  return (
    <section className="part report-group" aria-labelledby={title} data-sublet="report-group">
      <h3 id={title}>{nameWord('group', told.group, trans)}</h3>
      <PlainTable
        label={trans.__('Hours and energy')}
        columns={['', trans.__('this week'), trans.__('week before'), trans.__('change')]}
        rows={sumsOf(week, before, props.hasCarbon, trans)}
      />
      <PlainTable
        label={trans.__('Waits')}
        columns={[
          trans.__('waits'),
          trans.__('how many'),
          trans.__('median'),
          trans.__('95th percentile'),
          trans.__('week before'),
          trans.__('median'),
          trans.__('95th percentile')
        ]}
        rows={waitsOf(week, before, trans)}
      />
      <PlainTable
        label={trans.__('Refusals by reason')}
        columns={[
          trans.__('refusals'),
          trans.__('how often'),
          trans.__('users'),
          trans.__('week before')
        ]}
        rows={refusalsOf(week, before, trans)}
      />
      <PlainTable
        label={trans.__('Whose slices were idle for the longest')}
        columns={[trans.__('most idle'), trans.__('hours idle'), trans.__('hours held')]}
        rows={told.idle.map(each => [each.owner, decimal(each.idle), decimal(each.held)])}
      />
    </section>
  );
}

type Row = readonly string[];

function sumsOf(
  week: WeekNumbers,
  before: WeekNumbers,
  hasCarbon: boolean,
  trans: TranslationBundle
): Row[] {
  const row = (name: string, of: (numbers: WeekNumbers) => number | null): Row => {
    const [now, then] = [of(week), of(before)];
    return [name, shown(now), shown(then), changeOf(now, then)];
  };
  const scaled = (value: number | null, by: number): number | null =>
    value === null ? null : value / by;
  return [
    ...HOURS.map(kind =>
      row(trans.__('hours %1', kindWord(kind, trans)), numbers => numbers.hours[kind])
    ),
    row(trans.__('kWh'), numbers => scaled(numbers.energy_wh, WH_PER_KWH)),
    ...(hasCarbon ? [row(trans.__('kg CO₂'), each => scaled(each.carbon_g, G_PER_KG))] : [])
  ];
}

function waitsOf(week: WeekNumbers, before: WeekNumbers, trans: TranslationBundle): Row[] {
  return namesOf(week.waits, before.waits, each => each.kind).map(kind => [
    waitedWord(kind, trans),
    ...[week, before].flatMap(numbers => {
      const told = numbers.waits.find(each => each.kind === kind);
      return told === undefined
        ? ['0', NOTHING, NOTHING]
        : [String(told.count), span(trans, told.median_s), span(trans, told.p95_s)];
    })
  ]);
}

function refusalsOf(week: WeekNumbers, before: WeekNumbers, trans: TranslationBundle): Row[] {
  return namesOf(week.refusals, before.refusals, each => each.code).map(code => {
    const now = week.refusals.find(each => each.code === code);
    const then = before.refusals.find(each => each.code === code);
    return [
      refusalWord(code, trans),
      String(now?.times ?? 0),
      String(now?.owners ?? 0),
      String(then?.times ?? 0)
    ];
  });
}

/** All that one week or the other tells of, those of the first in their order. */
function namesOf<T>(now: readonly T[], then: readonly T[], nameOf: (each: T) => string): string[] {
  return [...new Set([...now, ...then].map(nameOf))];
}

function shown(value: number | null): string {
  return value === null ? NOTHING : decimal(value);
}

/** By how much there is more of it, in percent; where there was nothing, nothing is told. */
export function changeOf(now: number | null, then: number | null): string {
  if (now === null || then === null || then < 0.05) {
    return NOTHING;
  }
  const percent = Math.round((100 * (now - then)) / then);
  // Less than half a percent is neither more nor less.
  const sign = percent === 0 ? '' : percent < 0 ? '−' : '+';
  return `${sign}${Math.abs(percent).toString()} %`;
}
