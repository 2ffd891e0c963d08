/** Who of all that wait is shown, and which loans, in which order; all of it stands in the address. */
import type { Loan, Waiting } from '../../api/types';
import { oneOf } from '../cards/filter';

export const PARTS = ['waits', 'loans'] as const;
export type Part = (typeof PARTS)[number];

export const SORTS = ['line', 'longest', 'expected', 'owner'] as const;
export type Sort = (typeof SORTS)[number];

export const LOAN_SORTS = ['largest', 'oldest', 'borrower', 'lender'] as const;
export type LoanSort = (typeof LOAN_SORTS)[number];

export interface Filter {
  readonly part: Part;
  readonly text: string;
  readonly kind: string;
  /** The reason, by its code. */
  readonly code: string;
  readonly group: string;
  readonly type: string;
  readonly sort: Sort;
  readonly loans: LoanSort;
}

export function filterOf(query: URLSearchParams): Filter {
  return {
    part: oneOf(PARTS, query.get('part'), 'waits'),
    text: query.get('q') ?? '',
    kind: query.get('kind') ?? '',
    code: query.get('why') ?? '',
    group: query.get('group') ?? '',
    type: query.get('type') ?? '',
    sort: oneOf(SORTS, query.get('sort'), 'line'),
    loans: oneOf(LOAN_SORTS, query.get('loans'), 'largest')
  };
}

export function queryOf(filter: Filter): URLSearchParams {
  const query = new URLSearchParams();
  const set = (name: string, value: string, usual: string): void => {
    if (value !== usual) {
      query.set(name, value);
    }
  };
  set('part', filter.part, 'waits');
  set('q', filter.text, '');
  set('kind', filter.kind, '');
  set('why', filter.code, '');
  set('group', filter.group, '');
  set('type', filter.type, '');
  set('sort', filter.sort, 'line');
  set('loans', filter.loans, 'largest');
  return query;
}

export function cardOf(place: { node: string | null; gpu_index: number | null }): string | null {
  return place.node === null || place.gpu_index === null
    ? null
    : `${place.node}:${String(place.gpu_index)}`;
}

/** What is one and the same from one answer to the next. */
export function keyOf(waiting: Waiting): string {
  const { kind, owner, server, job_id, slice_id } = waiting;
  return JSON.stringify([kind, owner, server, job_id, slice_id]);
}

export function keyOfLoan({ kind, borrower, lender, node, gpu_index }: Loan): string {
  const sides = [borrower, lender].map(each => each.slice_id ?? each.group ?? each.words);
  return JSON.stringify([kind, ...sides, node, gpu_index]);
}

const haystacks = new WeakMap<Waiting | Loan, string>();

/** All that can be searched for, made once for each word about it. */
function haystackOf<T extends Waiting | Loan>(
  one: T,
  parts: (one: T) => (string | null)[]
): string {
  let found = haystacks.get(one);
  if (found === undefined) {
    found = parts(one).join('\n').toLocaleLowerCase();
    haystacks.set(one, found);
  }
  return found;
}

function partsOf(one: Waiting): (string | null)[] {
  return [
    one.owner,
    one.server,
    one.job_name,
    one.job_id,
    one.slice_id,
    one.group,
    one.gpu_type,
    cardOf(one),
    one.kind,
    one.code,
    one.reason,
    one.expected_why,
    ...one.waits_for,
    ...one.helps.map(each => each.words)
  ];
}

function partsOfLoan(one: Loan): (string | null)[] {
  const sides = [one.borrower, one.lender].flatMap(each => [
    each.words,
    each.owner,
    each.group,
    each.slice_id,
    each.job_id
  ]);
  return [...sides, one.kind, one.gpu_type, cardOf(one)];
}

function wordsOf(text: string): string[] {
  return text.toLocaleLowerCase().split(/\s+/).filter(Boolean);
}

/** Those who fit, in order; all words of the text must be found. */
export function filtered(waiting: readonly Waiting[], filter: Filter): readonly Waiting[] {
  const words = wordsOf(filter.text);
  const found = waiting.filter(
    each =>
      (filter.kind === '' || each.kind === filter.kind) &&
      (filter.code === '' || each.code === filter.code) &&
      (filter.group === '' || each.group === filter.group) &&
      (filter.type === '' || each.gpu_type === filter.type) &&
      words.every(word => haystackOf(each, partsOf).includes(word))
  );
  const order = ORDERS[filter.sort];
  // The service's own order is by kind and place in line, and is kept among equals.
  return order === null ? found : found.sort(order);
}

export function filteredLoans(loans: readonly Loan[], filter: Filter): readonly Loan[] {
  const words = wordsOf(filter.text);
  const found = loans.filter(each =>
    words.every(word => haystackOf(each, partsOfLoan).includes(word))
  );
  const order = LOAN_ORDERS[filter.loans];
  return order === null ? found : found.sort(order);
}

const names = new Intl.Collator();
/** Behind all times. */
const NEVER = '~';

type Order<T> = ((one: T, other: T) => number) | null;

const ORDERS: Readonly<Record<Sort, Order<Waiting>>> = {
  line: null,
  longest: (one, other) => compare(one.since, other.since),
  expected: (one, other) => compare(one.expected_at ?? NEVER, other.expected_at ?? NEVER),
  owner: (one, other) => names.compare(one.owner, other.owner)
};

const LOAN_ORDERS: Readonly<Record<LoanSort, Order<Loan>>> = {
  largest: null,
  oldest: (one, other) => compare(sinceOf(one), sinceOf(other)),
  borrower: (one, other) => names.compare(one.borrower.words, other.borrower.words),
  lender: (one, other) => names.compare(one.lender.words, other.lender.words)
};

/** Moments are told in UTC, so their texts are in the order of time. */
function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** Since when it is lent, or what is nearest to that. */
export function sinceOf(loan: Loan): string {
  return loan.since ?? loan.held_since;
}

export function valuesOf<T>(all: readonly T[], of: (one: T) => string | null): string[] {
  const found = new Set(all.map(of));
  return [...found].filter(each => each !== null).sort(names.compare);
}
