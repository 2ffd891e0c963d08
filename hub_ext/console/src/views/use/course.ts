/** Hours by what became of them: added up, and in their course over time. */
import type { KindHours, UseRow } from '../../api/types';
import type { Choice, Times } from './choice';
import { slotsOf, type Slot } from './steps';

/** What held hours are the sum of, in the order in which they are stacked. */
export const KINDS = ['used', 'idle', 'lent', 'suspended'] as const;
export type Kind = (typeof KINDS)[number];

export interface Point extends Slot {
  readonly hours: KindHours;
}

export interface Energy {
  readonly energy_wh: number;
  /** `null`: no factors are set. */
  readonly carbon_g: number | null;
  /** In how many steps all cards in use had counters, of those in which something was held. */
  readonly told: number;
  readonly steps: number;
}

export const NO_HOURS: KindHours = {
  held: 0,
  used: 0,
  idle: 0,
  lent: 0,
  suspended: 0,
  borrowed: 0,
  charged: 0,
  credited: 0
};

export function plus(one: KindHours, other: KindHours): KindHours {
  return {
    held: one.held + other.held,
    used: one.used + other.used,
    idle: one.idle + other.idle,
    lent: one.lent + other.lent,
    suspended: one.suspended + other.suspended,
    borrowed: one.borrowed + other.borrowed,
    charged: one.charged + other.charged,
    credited: one.credited + other.credited
  };
}

export function sumOf(rows: readonly { readonly kinds: KindHours | null }[]): KindHours {
  return rows.reduce((sum, row) => (row.kinds === null ? sum : plus(sum, row.kinds)), NO_HOURS);
}

/** The rows of what was chosen; of a chosen owner alone the service tells by itself. */
export function chosenOf<T extends { readonly of: Readonly<Record<string, string>> }>(
  rows: readonly T[],
  choice: Pick<Choice, 'by' | 'of'>
): readonly T[] {
  const { by, of } = choice;
  return of === null || by === 'owner' ? rows : rows.filter(row => row.of[by] === of);
}

/** Every step of the time, also those in which nothing was held. */
export function courseOf(
  rows: readonly UseRow[],
  choice: Pick<Choice, 'by' | 'of' | 'step'>,
  times: Times
): Point[] {
  const { step } = choice;
  const found = new Map<string, KindHours>();
  for (const row of chosenOf(rows, choice)) {
    const label = row.of[step];
    if (label !== undefined) {
      found.set(label, plus(found.get(label) ?? NO_HOURS, row.kinds ?? NO_HOURS));
    }
  }
  return slotsOf(step, times.since, times.until, found.keys()).map(slot => ({
    ...slot,
    hours: found.get(slot.label) ?? NO_HOURS
  }));
}

/** What the cards took; `null` where it is told in no step. */
export function energyOf(rows: readonly UseRow[]): Energy | null {
  const steps = rows.filter(row => row.card_hours > 0 || row.energy_wh !== null);
  const told = steps.filter(row => row.energy_wh !== null);
  if (told.length === 0) {
    return null;
  }
  const carbon = told.map(row => row.carbon_g).filter(each => each !== null);
  return {
    energy_wh: told.reduce((sum, row) => sum + (row.energy_wh ?? 0), 0),
    carbon_g: carbon.length === 0 ? null : carbon.reduce((sum, each) => sum + each, 0),
    told: told.length,
    steps: steps.length
  };
}
