/** Which week a report is of, and of which group: both stand in the address. */
import { queryFrom } from '../../../model/query';
import { beginOfLabel, isWeek, labelOf } from '../steps';

const HALF_DAY_MS = 43_200_000;
const DAYS_OF_WEEK = 7;

export interface WeekChoice {
  /** `2026-W48`. */
  readonly week: string;
  /** Of which group, with all below it; `null`: of all that one may see. */
  readonly group: string | null;
}

export function weekChoiceOf(query: URLSearchParams, now: Date): WeekChoice {
  const asked = query.get('week') ?? '';
  return { week: isWeek(asked) ? asked : lastWeek(now), group: query.get('group') };
}

export function queryOfWeek(choice: WeekChoice): URLSearchParams {
  return queryFrom([
    ['week', choice.week, ''],
    ['group', choice.group, null]
  ]);
}

/** The last one that is over. */
export function lastWeek(now: Date): string {
  return shiftedWeek(labelOf('week', now), -1);
}

/** So many weeks later; in the middle of a day, so that no change of clocks matters. */
export function shiftedWeek(week: string, weeks: number): string {
  const begin = beginOfLabel('week', week).getTime();
  return labelOf('week', new Date(begin + (weeks * DAYS_OF_WEEK * 2 + 1) * HALF_DAY_MS));
}
