/** Of which time, by what and in which steps use is shown; all of it stands in the address. */
import { oneOf, queryFrom } from '../../model/query';
import { dayOf, midnightOf, shiftedBy, STEPS, type Step } from './steps';

export const SPANS = ['7', '30', '90', 'dates'] as const;
export type SpanName = (typeof SPANS)[number];

export const BYS = ['group', 'owner', 'type'] as const;
export type By = (typeof BYS)[number];

export const PERCENTS = ['1', '2', '5', '10'] as const;
export type Percent = (typeof PERCENTS)[number];

export interface Choice {
  readonly span: SpanName;
  /** First and last day, by this browser's clock, where `span` is `dates`: `2026-11-24`. */
  readonly from: string;
  readonly to: string;
  readonly by: By;
  readonly step: Step;
  /** Of which group, owner or type alone; `null`: of all. */
  readonly of: string | null;
  /** What is looked for in the table. */
  readonly text: string;
  /** By which column; empty: as the service sends it. */
  readonly sort: string;
  /** How much of the hours a limit would have refused. */
  readonly percent: Percent;
}

/** By what a user's own hours are added up: there is one owner. */
export function bysFor(isOfMany: boolean): readonly By[] {
  return isOfMany ? BYS : BYS.filter(each => each !== 'owner');
}

export function choiceOf(query: URLSearchParams, isOfMany: boolean): Choice {
  return {
    span: oneOf(SPANS, query.get('span'), '7'),
    from: query.get('from') ?? '',
    to: query.get('to') ?? '',
    by: oneOf(bysFor(isOfMany), query.get('by'), 'group'),
    step: oneOf(STEPS, query.get('step'), 'day'),
    of: query.get('of'),
    text: query.get('q') ?? '',
    sort: query.get('sort') ?? '',
    percent: oneOf(PERCENTS, query.get('percent'), '1')
  };
}

export function queryOf(choice: Choice): URLSearchParams {
  const isOfDates = choice.span === 'dates';
  return queryFrom([
    ['span', choice.span, '7'],
    ['from', isOfDates ? choice.from : '', ''],
    ['to', isOfDates ? choice.to : '', ''],
    ['by', choice.by, 'group'],
    ['step', choice.step, 'day'],
    ['of', choice.of, null],
    ['q', choice.text, ''],
    ['sort', choice.sort, ''],
    ['percent', choice.percent, '1']
  ]);
}

export interface Times {
  readonly since: Date;
  readonly until: Date;
}

/** Whole days of this browser's clock, the last of which may be under way. */
export function timesOf(choice: Pick<Choice, 'span' | 'from' | 'to'>, now: Date): Times {
  const today = dayOf(now);
  if (choice.span !== 'dates') {
    return { since: midnightOf(shiftedBy(today, 1 - Number(choice.span))), until: now };
  }
  const to = isDay(choice.to) ? choice.to : today;
  const from = isDay(choice.from) ? choice.from : shiftedBy(to, -6);
  const end = midnightOf(shiftedBy(to, 1));
  return { since: midnightOf(from), until: end < now ? end : now };
}

function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(midnightOf(text).getTime());
}
