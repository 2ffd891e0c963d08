/** The figures of past days as lines of a table: in force, under the draft, and what differs. */

import { decimal, span } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';

import type { PastFigures, PastGroup, PastPreview, PastWaits } from '../../api/types';
import { refusalWord } from '../use/words';

export interface PastLine {
  readonly what: string;
  /** In hours, seconds, or a number; `null`: nobody waited. */
  readonly before: number | null;
  readonly after: number | null;
  readonly unit: 'h' | 's' | '';
}

export function linesOf(group: PastGroup, trans: TranslationBundle): readonly PastLine[] {
  const hours = (what: string, of: (figures: PastFigures) => number): PastLine => ({
    what,
    before: of(group.before),
    after: of(group.after),
    unit: 'h'
  });
  return [
    hours(trans.__('held by notebooks'), each => each.held_h),
    hours(trans.__('used'), each => each.used_h),
    hours(trans.__('lent'), each => each.lent_h),
    hours(trans.__('idle'), each => each.idle_h),
    hours(trans.__('suspended'), each => each.suspended_h),
    hours(trans.__('computed by jobs'), each => each.jobs_h),
    ...waitLines(group, trans.__('servers'), each => each.servers, trans),
    ...waitLines(group, trans.__('cells'), each => each.cells, trans),
    ...waitLines(group, trans.__('jobs'), each => each.jobs, trans),
    ...refusalLines(group, trans)
  ];
}

function waitLines(
  group: PastGroup,
  what: string,
  of: (figures: PastFigures) => PastWaits,
  trans: TranslationBundle
): PastLine[] {
  const [before, after] = [of(group.before), of(group.after)];
  if (before.count + before.never + after.count + after.never === 0) {
    return [];
  }
  const wait = (words: string, part: 'half_s' | 'of_95_s' | 'of_99_s'): PastLine => ({
    what: words,
    before: before.count === 0 ? null : before[part],
    after: after.count === 0 ? null : after[part],
    unit: 's'
  });
  return [
    wait(trans.__('%1 wait: half no longer than', what), 'half_s'),
    wait(trans.__('%1 wait: 95 % no longer than', what), 'of_95_s'),
    wait(trans.__('%1 wait: 99 % no longer than', what), 'of_99_s'),
    {
      what: trans.__('%1 that never had it', what),
      before: before.never,
      after: after.never,
      unit: ''
    }
  ];
}

function refusalLines(group: PastGroup, trans: TranslationBundle): PastLine[] {
  const codes = new Set(
    [...group.before.refusals, ...group.after.refusals].map(each => `${each.what} ${each.reason}`)
  );
  const asked = (figures: PastFigures, code: string): number =>
    figures.refusals.find(each => `${each.what} ${each.reason}` === code)?.asked ?? 0;
  return [...codes].map(code => {
    const [what = '', reason = ''] = code.split(' ');
    const word =
      reason === 'left-line'
        ? trans.__('without a place from the line')
        : refusalWord(reason, trans);
    return {
      what:
        what === 'job' ? trans.__('jobs refused: %1', word) : trans.__('servers refused: %1', word),
      before: asked(group.before, code),
      after: asked(group.after, code),
      unit: ''
    };
  });
}

export function figure(
  value: number | null,
  unit: PastLine['unit'],
  trans: TranslationBundle
): string {
  if (value === null) {
    return '–';
  }
  if (unit === 'h') {
    return trans.__('%1 h', decimal(value));
  }
  return unit === 's' ? span(trans, value) : String(Math.round(value));
}

/** What is more or less, with its sign; empty where nothing is. */
export function difference(line: PastLine, trans: TranslationBundle): string {
  if (line.before === null || line.after === null) {
    return '';
  }
  const more = line.after - line.before;
  const shown = figure(Math.abs(more), line.unit, trans);
  if (Math.abs(more) < 1e-9 || shown === figure(0, line.unit, trans)) {
    return '';
  }
  return more > 0 ? `+${shown}` : `−${shown}`;
}

/** All groups' lines, for a spreadsheet: numbers as they are, in hours and seconds. */
export function csvOf(preview: PastPreview, trans: TranslationBundle): string {
  const rows = [preview.in_all, ...preview.groups].flatMap((group, at) =>
    linesOf(group, trans).map(line => [
      at === 0 ? trans.__('all') : (group.group ?? trans.__('no group')),
      line.what,
      line.unit,
      line.before,
      line.after
    ])
  );
  const head = ['group', 'what', 'unit', 'in force', 'draft'];
  return [head, ...rows].map(row => row.map(csvCell).join(',')).join('\r\n') + '\r\n';
}

/** A spreadsheet would reckon with what begins like a formula. */
function csvCell(value: string | number | null): string {
  if (typeof value === 'number') {
    return String(value);
  }
  const text = value ?? '';
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
