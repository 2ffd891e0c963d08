/** A card as a bar drawn to scale: owners' slices in one lane, jobs in another. */
import type { Card, Slice } from '../../api/types';
import { holdingOf, type Holding } from '../../model/holding';

export interface Segment {
  readonly slice: Slice;
  readonly holding: Holding;
  /** Both in parts of the bar, between 0 and 1. */
  readonly from: number;
  readonly width: number;
  /** How much of the cap lies on the card now, between 0 and 1. */
  readonly filled: number;
}

export interface Bar {
  readonly owners: readonly Segment[];
  readonly jobs: readonly Segment[];
  /** Where the card's own memory ends: before 1 where more was promised than it has. */
  readonly end: number;
}

export function barOf(card: Card): Bar {
  const owners = card.slices.filter(each => each.lease.holder !== 'job');
  const jobs = card.slices.filter(each => each.lease.holder === 'job');
  const whole_mib = Math.max(card.report.memory_mib, capOf(owners), capOf(jobs), 1);
  return {
    owners: laneOf(owners, whole_mib),
    jobs: laneOf(jobs, whole_mib),
    end: card.report.memory_mib / whole_mib
  };
}

function capOf(slices: readonly Slice[]): number {
  return slices.reduce((sum, each) => sum + each.lease.memory_mib, 0);
}

function laneOf(slices: readonly Slice[], whole_mib: number): Segment[] {
  let from_mib = 0;
  return slices.map(slice => {
    const holding = holdingOf(slice);
    const segment = {
      slice,
      holding,
      from: from_mib / whole_mib,
      width: holding.cap_mib / whole_mib,
      filled: holding.cap_mib > 0 ? Math.min(1, holding.on_card_mib / holding.cap_mib) : 0
    };
    from_mib += holding.cap_mib;
    return segment;
  });
}
