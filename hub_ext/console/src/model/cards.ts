/** The cards as the stream tells them, with what follows from two words about the same card. */
import type { Card, CardsChanged } from '../api/types';
import { Store } from './store';

export interface Cards {
  /** By node and index; `null` until the first word. */
  readonly list: readonly Card[] | null;
  /** Whether these are all that there are: else the others are on their way. */
  readonly whole: boolean;
  /** What each card draws, in watts, where its counter was told twice. */
  readonly power_w: ReadonlyMap<string, number>;
}

const MJ_PER_J = 1000;
const MS_PER_S = 1000;
/** Counters are read now and then, and reports come at any time: a shorter span tells no power. */
const SHORTEST_SPAN_S = 10;

/** What a card's counter said, and when. */
interface Counted {
  readonly energy_mj: number;
  readonly at_ms: number;
}

export class CardStore {
  readonly store = new Store<Cards>({ list: null, whole: false, power_w: new Map() });
  private cards = new Map<string, Card>();
  /** Of the word that is not whole yet, after the stream was opened anew. */
  private fresh: Map<string, Card> | null = new Map();
  private readonly power_w = new Map<string, number>();
  private readonly counted = new Map<string, Counted>();

  /** What comes next is all that there is: what it does not name is gone. */
  restart(): void {
    this.fresh = new Map();
  }

  take(changed: CardsChanged): void {
    const into = this.fresh ?? this.cards;
    for (const card of changed.cards) {
      this.measure(card);
      into.set(card.report.gpu_id, card);
    }
    for (const gpu_id of changed.gone) {
      into.delete(gpu_id);
      this.forget(gpu_id);
    }
    if (changed.complete && this.fresh !== null) {
      this.cards = this.fresh;
      this.fresh = null;
      for (const gpu_id of [...this.counted.keys()]) {
        if (!this.cards.has(gpu_id)) {
          this.forget(gpu_id);
        }
      }
    }
    // Where there was nothing before, the first ones are shown while the others come.
    const isFirst = !this.store.value.whole;
    if (changed.complete || isFirst) {
      this.show(isFirst ? (this.fresh ?? this.cards) : this.cards, changed.complete);
    }
  }

  private show(cards: ReadonlyMap<string, Card>, whole: boolean): void {
    this.store.set({
      list: [...cards.values()].sort(byPlace),
      whole,
      power_w: new Map(this.power_w)
    });
  }

  private forget(gpu_id: string): void {
    this.power_w.delete(gpu_id);
    this.counted.delete(gpu_id);
  }

  private measure(card: Card): void {
    const { gpu_id, energy_mj } = card.report;
    if (energy_mj == null || card.seen_at == null) {
      return;
    }
    const now: Counted = { energy_mj, at_ms: Date.parse(card.seen_at) };
    const before = this.counted.get(gpu_id);
    // A driver that was loaded anew counts from the beginning.
    if (before === undefined || energy_mj < before.energy_mj) {
      this.counted.set(gpu_id, now);
      return;
    }
    const passed_s = (now.at_ms - before.at_ms) / MS_PER_S;
    if (passed_s >= SHORTEST_SPAN_S) {
      this.counted.set(gpu_id, now);
      this.power_w.set(gpu_id, (energy_mj - before.energy_mj) / MJ_PER_J / passed_s);
    }
  }
}

export function byPlace(one: Card, other: Card): number {
  return one.node.localeCompare(other.node) || one.report.index - other.report.index;
}
