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

export class CardStore {
  readonly store = new Store<Cards>({ list: null, whole: false, power_w: new Map() });
  private cards = new Map<string, Card>();
  /** Of the word that is not whole yet, after the stream was opened anew. */
  private fresh: Map<string, Card> | null = new Map();
  private readonly power_w = new Map<string, number>();

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
      this.power_w.delete(gpu_id);
    }
    if (changed.complete && this.fresh !== null) {
      this.cards = this.fresh;
      this.fresh = null;
      for (const gpu_id of this.power_w.keys()) {
        if (!this.cards.has(gpu_id)) {
          this.power_w.delete(gpu_id);
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

  private measure(card: Card): void {
    const before = this.cards.get(card.report.gpu_id);
    const energy = card.report.energy_mj;
    const earlier = before?.report.energy_mj;
    if (energy == null || earlier == null || card.seen_at == null || before?.seen_at == null) {
      return;
    }
    const passed_s = (Date.parse(card.seen_at) - Date.parse(before.seen_at)) / MS_PER_S;
    // A driver that was loaded anew counts from the beginning.
    if (passed_s > 0 && energy >= earlier) {
      this.power_w.set(card.report.gpu_id, (energy - earlier) / MJ_PER_J / passed_s);
    }
  }
}

export function byPlace(one: Card, other: Card): number {
  return one.node.localeCompare(other.node) || one.report.index - other.report.index;
}
