/** Which cards are shown, and in which order; all of it stands in the address. */
import type { Card } from '../../api/types';
import { byPlace } from '../../model/cards';
import { holdingOf, lacksShare } from '../../model/holding';
import { oneOf, queryFrom } from '../../model/query';
import { HEALTHS, healthOf, type Health } from './health';

export const SHOWS = [
  'all',
  'computing',
  'not-computing',
  'lent',
  'borrowed',
  'paused',
  'suspended',
  'share-lacking',
  'free'
] as const;
export type Show = (typeof SHOWS)[number];

export const SORTS = [
  'place',
  'used',
  'promised',
  'utilisation',
  'power',
  'temperature',
  'health'
] as const;
export type Sort = (typeof SORTS)[number];

export interface Filter {
  readonly text: string;
  readonly show: Show;
  readonly health: Health | '';
  readonly pool: string;
  readonly type: string;
  readonly sort: Sort;
}

export function filterOf(query: URLSearchParams): Filter {
  return {
    text: query.get('q') ?? '',
    show: oneOf(SHOWS, query.get('show'), 'all'),
    health: oneOf<Health | ''>(HEALTHS, query.get('health'), ''),
    pool: query.get('pool') ?? '',
    type: query.get('type') ?? '',
    sort: oneOf(SORTS, query.get('sort'), 'place')
  };
}

export function queryOf(filter: Filter): URLSearchParams {
  return queryFrom([
    ['q', filter.text, ''],
    ['show', filter.show, 'all'],
    ['health', filter.health, ''],
    ['pool', filter.pool, ''],
    ['type', filter.type, ''],
    ['sort', filter.sort, 'place']
  ]);
}

export function typeOf(card: Card): string {
  return card.type_name ?? card.report.type;
}

const haystacks = new WeakMap<Card, string>();

/** All that can be searched for of a card, once for each word about it. */
function haystackOf(card: Card): string {
  let found = haystacks.get(card);
  if (found === undefined) {
    const slices = card.slices.flatMap(({ lease, group, lent_to }) => [
      lease.owner,
      lease.server,
      lease.slice_id,
      lease.size ?? '',
      group ?? '',
      ...lent_to
    ]);
    found = [
      `${card.node}:${String(card.report.index)}`,
      card.report.gpu_id,
      card.pool,
      typeOf(card),
      card.report.type,
      card.closing?.reason ?? '',
      card.planned_closing?.reason ?? '',
      ...slices
    ]
      .join('\n')
      .toLocaleLowerCase();
    haystacks.set(card, found);
  }
  return found;
}

function shows(card: Card, show: Show): boolean {
  const holdings = card.slices.map(holdingOf);
  switch (show) {
    case 'all':
      return true;
    case 'computing':
      return holdings.some(each => each.computes);
    case 'not-computing':
      return holdings.length > 0 && !holdings.some(each => each.computes);
    case 'lent':
      return holdings.some(each => each.lent);
    case 'borrowed':
      return holdings.some(each => each.borrowed);
    case 'paused':
    case 'suspended':
      return holdings.some(each => each.where === show);
    case 'share-lacking':
      return card.slices.some(lacksShare);
    case 'free':
      return holdings.length === 0;
  }
}

/** The cards that fit, in order; all words of the text must be found. */
export function filtered(
  cards: readonly Card[],
  filter: Filter,
  power_w: ReadonlyMap<string, number>
): Card[] {
  const words = filter.text.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const found = cards.filter(
    card =>
      (filter.pool === '' || card.pool === filter.pool) &&
      (filter.type === '' || typeOf(card) === filter.type) &&
      (filter.health === '' || healthOf(card) === filter.health) &&
      words.every(word => haystackOf(card).includes(word)) &&
      shows(card, filter.show)
  );
  const order = ORDERS[filter.sort];
  return filter.sort === 'place'
    ? found
    : found.sort((a, b) => order(b, power_w) - order(a, power_w) || byPlace(a, b));
}

/** By what they are ordered, the largest first. */
const ORDERS: Readonly<Record<Sort, (card: Card, power_w: ReadonlyMap<string, number>) => number>> =
  {
    place: () => 0,
    used: card => card.report.used_mib,
    promised: card => card.overcommit,
    utilisation: card => card.report.utilisation_percent ?? -1,
    power: (card, power_w) => power_w.get(card.report.gpu_id) ?? -1,
    temperature: card => card.report.temperature_c ?? -Infinity,
    health: card => HEALTHS.indexOf(healthOf(card))
  };

export function valuesOf(cards: readonly Card[], of: (card: Card) => string): string[] {
  return [...new Set(cards.map(of))].sort((a, b) => a.localeCompare(b));
}
