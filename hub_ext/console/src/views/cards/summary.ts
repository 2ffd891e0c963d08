/** Who holds the cards, and do they use them: the figures of the first look. */
import type { Card } from '../../api/types';
import { holdingOf } from '../../model/holding';
import { healthOf } from './health';

export interface Holder {
  readonly owner: string;
  readonly slices: number;
  readonly computing: number;
  readonly lent: number;
  readonly cap_mib: number;
  /** Of slices of notebooks: what jobs have is beside it. */
  readonly on_card_mib: number;
  readonly of_jobs_mib: number;
}

export interface Summary {
  readonly cards: number;
  readonly troubled: number;
  readonly memory_mib: number;
  readonly used_mib: number;
  readonly slices: number;
  readonly computing: number;
  readonly lent: number;
  readonly suspended: number;
  readonly jobs: number;
  /** Of those cards that tell it, which are so many. */
  readonly power_w: number | null;
  readonly power_told: number;
  /** The mean of those cards that tell it. */
  readonly utilisation_percent: number | null;
  /** Who holds most first. */
  readonly holders: readonly Holder[];
}

export function summaryOf(cards: readonly Card[], power_w: ReadonlyMap<string, number>): Summary {
  const holders = new Map<string, { -readonly [K in keyof Holder]: Holder[K] }>();
  let jobs = 0;
  let suspended = 0;
  for (const { slice, holding } of cards.flatMap(each =>
    each.slices.map(slice => ({ slice, holding: holdingOf(slice) }))
  )) {
    const owner = slice.lease.owner;
    const holder = holders.get(owner) ?? {
      owner,
      slices: 0,
      computing: 0,
      lent: 0,
      cap_mib: 0,
      on_card_mib: 0,
      of_jobs_mib: 0
    };
    holder.slices += 1;
    holder.computing += Number(holding.computes);
    holder.lent += Number(holding.lent);
    // A job lies in room that was promised to others.
    holder.cap_mib += holding.isJob ? 0 : holding.cap_mib;
    holder.on_card_mib += holding.isJob ? 0 : holding.on_card_mib;
    holder.of_jobs_mib += holding.isJob ? holding.on_card_mib : 0;
    holders.set(owner, holder);
    jobs += Number(holding.isJob);
    suspended += Number(holding.where === 'suspended');
  }
  const all = [...holders.values()];
  const told = cards.flatMap(each => each.report.utilisation_percent ?? []);
  return {
    cards: cards.length,
    troubled: cards.filter(each => healthOf(each) !== 'open').length,
    memory_mib: total(cards, each => each.report.memory_mib),
    used_mib: total(cards, each => each.report.used_mib),
    slices: total(all, each => each.slices),
    computing: total(all, each => each.computing),
    lent: total(all, each => each.lent),
    suspended,
    jobs,
    power_told: power_w.size,
    power_w: power_w.size === 0 ? null : total([...power_w.values()], each => each),
    utilisation_percent: told.length === 0 ? null : total(told, each => each) / told.length,
    holders: all.sort(
      (a, b) =>
        b.cap_mib - a.cap_mib ||
        b.on_card_mib + b.of_jobs_mib - a.on_card_mib - a.of_jobs_mib ||
        a.owner.localeCompare(b.owner)
    )
  };
}

function total<T>(list: readonly T[], of: (each: T) => number): number {
  return list.reduce((sum, each) => sum + of(each), 0);
}
