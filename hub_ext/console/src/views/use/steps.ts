/**
 * Hours, days and weeks by this browser's clock, named as the service names them:
 * `2026-11-24T09:00+01:00`, `2026-11-24`, `2026-W48` (ISO 8601: from Monday).
 */

export const STEPS = ['hour', 'day', 'week'] as const;
export type Step = (typeof STEPS)[number];

export interface Slot {
  readonly label: string;
  readonly begin: Date;
  readonly end: Date;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const WEEK = /^(\d{4})-W(\d\d)$/;
const DAYS_OF_WEEK = 7;
const MOST_SLOTS = 400 * 24;

export function zoneName(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export function dayOf(at: Date): string {
  return shifted(at).toISOString().slice(0, 10);
}

export function midnightOf(day: string): Date {
  return new Date(`${day}T00:00:00`);
}

/** So many days later. */
export function shiftedBy(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
}

export function isWeek(label: string): boolean {
  return WEEK.test(label);
}

export function labelOf(step: Step, at: Date): string {
  switch (step) {
    case 'hour':
      return `${shifted(beginOf('hour', at)).toISOString().slice(0, 16)}${offsetOf(at)}`;
    case 'day':
      return dayOf(at);
    case 'week':
      return weekOf(dayOf(at));
  }
}

export function beginOf(step: Step, at: Date): Date {
  if (step === 'hour') {
    // Not by setting the clock: where it goes back, there are two hours of one name.
    const offset = offsetMsOf(at);
    return new Date(Math.floor((at.getTime() + offset) / HOUR_MS) * HOUR_MS - offset);
  }
  return midnightOf(step === 'day' ? dayOf(at) : mondayOf(dayOf(at)));
}

export function beginOfLabel(step: Step, label: string): Date {
  if (step === 'hour') {
    return new Date(label);
  }
  const week = WEEK.exec(label);
  if (week === null) {
    return midnightOf(label);
  }
  // The week with the fourth of January is the first.
  const first = mondayOf(`${week[1] ?? ''}-01-04`);
  return midnightOf(shiftedBy(first, (Number(week[2]) - 1) * DAYS_OF_WEEK));
}

function afterOf(step: Step, begin: Date): Date {
  return step === 'hour'
    ? new Date(begin.getTime() + HOUR_MS)
    : midnightOf(shiftedBy(dayOf(begin), step === 'day' ? 1 : DAYS_OF_WEEK));
}

/** All that lie between two times, in whole or in part, and those that are named besides. */
export function slotsOf(
  step: Step,
  since: Date,
  until: Date,
  labels: Iterable<string> = []
): Slot[] {
  const begins = new Map<string, Date>();
  for (
    let begin = beginOf(step, since);
    begin < until && begins.size < MOST_SLOTS;
    begin = afterOf(step, begin)
  ) {
    begins.set(labelOf(step, begin), begin);
  }
  for (const label of labels) {
    if (!begins.has(label)) {
      begins.set(label, beginOfLabel(step, label));
    }
  }
  return [...begins]
    .map(([label, begin]) => ({ label, begin, end: afterOf(step, begin) }))
    .sort((one, other) => one.begin.getTime() - other.begin.getTime());
}

/** As people read it: `Tue, Nov 24, 09:00`, `Tue, Nov 24`, `2026-W48 (Nov 23 …)`. */
export function slotWords(step: Step, slot: Slot): string {
  const day = slot.begin.toLocaleDateString([], {
    ...(step === 'week' ? {} : { weekday: 'short' }),
    month: 'short',
    day: 'numeric'
  });
  switch (step) {
    case 'hour':
      return `${day}, ${slot.begin.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}`;
    case 'day':
      return day;
    case 'week':
      return `${slot.label} (${day} …)`;
  }
}

function mondayOf(day: string): string {
  const weekday = new Date(`${day}T00:00:00Z`).getUTCDay();
  return shiftedBy(day, -((weekday + 6) % DAYS_OF_WEEK));
}

function weekOf(day: string): string {
  // A week is of the year that its Thursday is of.
  const thursday = shiftedBy(mondayOf(day), 3);
  const year = thursday.slice(0, 4);
  const days = (Date.parse(thursday) - Date.parse(`${year}-01-01`)) / DAY_MS;
  return `${year}-W${String(Math.floor(days / DAYS_OF_WEEK) + 1).padStart(2, '0')}`;
}

/** The moment at which UTC's clock stands as this browser's does at the given one. */
function shifted(at: Date): Date {
  return new Date(at.getTime() + offsetMsOf(at));
}

function offsetMsOf(at: Date): number {
  return -at.getTimezoneOffset() * MINUTE_MS;
}

function offsetOf(at: Date): string {
  const minutes = -at.getTimezoneOffset();
  const two = (value: number): string => String(Math.trunc(value)).padStart(2, '0');
  const whole = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(whole / 60)}:${two(whole % 60)}`;
}
