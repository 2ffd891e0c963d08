/** What an admin can do to cards and slices, several at once; what came of each is told. */
import { inTurn, messageOf, type Client } from '../../api/client';
import type { Card, Slice } from '../../api/types';

export interface Outcome {
  readonly done: number;
  /** What was refused or failed: of which, and why. */
  readonly failed: readonly { readonly what: string; readonly why: string }[];
}

export function nameOf(card: Card): string {
  return `${card.node}:${String(card.report.index)}`;
}

export function nameOfSlice({ lease }: Slice): string {
  return lease.server === '' ? lease.owner : `${lease.owner}/${lease.server}`;
}

export interface Closing {
  readonly reason: string;
  readonly until: Date | null;
  readonly drain: boolean;
  /** When it begins; `null`: now. */
  readonly begins_at: Date | null;
}

export function close(client: Client, cards: readonly Card[], how: Closing): Promise<Outcome> {
  return each(cards, nameOf, card =>
    client.post('/closings', {
      where: card.report.gpu_id,
      reason: how.reason,
      until: how.until === null ? null : how.until.toISOString(),
      drain: how.drain,
      begins_at: how.begins_at === null ? null : how.begins_at.toISOString()
    })
  );
}

export function open(client: Client, cards: readonly Card[], reason: string): Promise<Outcome> {
  return each(cards, nameOf, card =>
    client.post('/closings/open', { where: card.report.gpu_id, reason })
  );
}

export function giveBack(client: Client, slices: readonly Slice[]): Promise<Outcome> {
  return each(slices, nameOfSlice, slice =>
    client.post('/slices/{slice_id}/wake', undefined, { slice_id: slice.lease.slice_id })
  );
}

export interface Eviction {
  readonly reason: string;
  readonly grace_s: number;
  /** Whether jobs are over, and do not go back to the queue. */
  readonly cancel: boolean;
}

export function evict(client: Client, slices: readonly Slice[], how: Eviction): Promise<Outcome> {
  return each(slices, nameOfSlice, slice => {
    const isJob = slice.lease.holder === 'job';
    return client.post('/evictions', {
      what: slice.lease.slice_id,
      reason: how.reason,
      grace_s: isJob ? null : how.grace_s,
      cancel: isJob && how.cancel
    });
  });
}

export function ownersOf(slices: readonly Slice[]): readonly string[] {
  return [...new Set(slices.map(each => each.lease.owner))];
}

export interface Notice {
  readonly text: string;
  readonly until: string | null;
}

/** Tell the owners of the chosen slices; where none is, whoever has a slice on the chosen cards. */
export function tell(
  client: Client,
  chosen: { readonly cards: readonly Card[]; readonly slices: readonly Slice[] },
  notice: Notice
): Promise<Outcome> {
  if (chosen.slices.length > 0) {
    return each(
      ownersOf(chosen.slices),
      owner => owner,
      name => client.post('/announcements', { ...notice, audience: 'owner', name })
    );
  }
  return each(chosen.cards, nameOf, card =>
    client.post('/announcements', { ...notice, audience: 'card', name: card.report.gpu_id })
  );
}

const MOST_TRIES = 5;

/** One after the other: a refusal of one keeps nothing from the others. */
async function each<T>(
  list: readonly T[],
  name: (each: T) => string,
  deed: (each: T) => Promise<unknown>
): Promise<Outcome> {
  const failed: { what: string; why: string }[] = [];
  for (const one of list) {
    try {
      await inTurn(() => deed(one), MOST_TRIES);
    } catch (error) {
      failed.push({ what: name(one), why: messageOf(error) });
    }
  }
  return { done: list.length - failed.length, failed };
}
