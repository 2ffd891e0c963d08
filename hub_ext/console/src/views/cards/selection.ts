/** Which cards and slices are chosen, by their ids: those that go away are chosen no more. */
import { useMemo, useState } from 'react';

import type { Card, Slice } from '../../api/types';

export interface Selection {
  readonly cards: readonly Card[];
  readonly slices: readonly Slice[];
  hasCard: (card: Card) => boolean;
  hasSlice: (slice: Slice) => boolean;
  chooseCards: (cards: readonly Card[], chosen: boolean) => void;
  chooseSlice: (slice: Slice, chosen: boolean) => void;
  clear: () => void;
}

const NONE: ReadonlySet<string> = new Set();

export function useSelection(all: readonly Card[]): Selection {
  const [cardIds, setCards] = useState(NONE);
  const [sliceIds, setSlices] = useState(NONE);
  return useMemo(
    () => ({
      cards: all.filter(each => cardIds.has(each.report.gpu_id)),
      slices: all.flatMap(card => card.slices.filter(each => sliceIds.has(each.lease.slice_id))),
      hasCard: card => cardIds.has(card.report.gpu_id),
      hasSlice: slice => sliceIds.has(slice.lease.slice_id),
      chooseCards: (cards, chosen) => {
        setCards(before =>
          changed(
            before,
            cards.map(each => each.report.gpu_id),
            chosen
          )
        );
      },
      chooseSlice: (slice, chosen) => {
        setSlices(before => changed(before, [slice.lease.slice_id], chosen));
      },
      clear: () => {
        setCards(NONE);
        setSlices(NONE);
      }
    }),
    [all, cardIds, sliceIds]
  );
}

function changed(
  before: ReadonlySet<string>,
  ids: readonly string[],
  chosen: boolean
): ReadonlySet<string> {
  const after = new Set(before);
  for (const id of ids) {
    if (chosen) {
      after.add(id);
    } else {
      after.delete(id);
    }
  }
  return after;
}
