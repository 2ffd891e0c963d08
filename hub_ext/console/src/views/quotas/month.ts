/** The days of a month as a calendar shows them, by this browser's clock, and what is on each. */
import type { ExceptionInfo, ReservationInfo } from '../../api/types';

const DAYS_OF_A_WEEK = 7;
const WEEKS = 6;

/** Forty-two days from a Monday on: the whole month, and what of its first and last week is not in it. */
export function daysOf(month: Date): readonly Date[] {
  const first = new Date(month.getFullYear(), month.getMonth(), 1);
  const before = (first.getDay() + DAYS_OF_A_WEEK - 1) % DAYS_OF_A_WEEK;
  return Array.from(
    { length: WEEKS * DAYS_OF_A_WEEK },
    (_, place) => new Date(first.getFullYear(), first.getMonth(), 1 - before + place)
  );
}

/** From the first of these days to the end of the last. */
export function spanOf(days: readonly Date[]): readonly [Date, Date] {
  const first = days[0] ?? new Date();
  const last = days.at(-1) ?? first;
  return [first, new Date(last.getFullYear(), last.getMonth(), last.getDate() + 1)];
}

export function monthBeside(month: Date, steps: number): Date {
  return new Date(month.getFullYear(), month.getMonth() + steps, 1);
}

/** `2026-12`, as the address has it. */
export function monthName(month: Date): string {
  return `${String(month.getFullYear())}-${String(month.getMonth() + 1).padStart(2, '0')}`;
}

export function monthOf(name: string | null, now: Date): Date {
  const found = /^(\d{4})-(\d{2})$/.exec(name ?? '');
  const [year, month] = [Number(found?.[1]), Number(found?.[2])];
  return year >= 2000 && month >= 1 && month <= 12
    ? new Date(year, month - 1, 1)
    : new Date(now.getFullYear(), now.getMonth(), 1);
}

export interface OnDay {
  readonly reserved: readonly {
    readonly what: ReservationInfo;
    readonly from: Date;
    readonly to: Date;
  }[];
  /** Those that end on the day. */
  readonly ending: readonly ExceptionInfo[];
}

export function onDay(
  day: Date,
  reservations: readonly ReservationInfo[],
  exceptions: readonly ExceptionInfo[]
): OnDay {
  const next = new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1);
  return {
    reserved: reservations
      .flatMap(what =>
        what.times.map(each => ({
          what,
          from: new Date(each.begins_at),
          to: new Date(each.ends_at)
        }))
      )
      .filter(each => each.from < next && each.to > day)
      .sort((one, other) => one.from.getTime() - other.from.getTime()),
    // What ends at midnight ends with the day before.
    ending: exceptions.filter(({ until }) => {
      const end = until === null ? null : new Date(until);
      return end !== null && end > day && end <= next;
    })
  };
}
