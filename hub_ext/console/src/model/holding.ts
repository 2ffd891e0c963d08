/** What one slice does on its card: the one decision that bar, table, figures and filter share. */
import type { Slice } from '../api/types';

/** Where its memory is, and whether it may run. */
export type Where = 'resident' | 'paused' | 'suspended' | 'unknown';

export interface Holding {
  readonly where: Where;
  /** Whether it uses the GPU now, as far as its agent tells. */
  readonly computes: boolean;
  readonly isJob: boolean;
  readonly lent: boolean;
  readonly borrowed: boolean;
  readonly called_back: boolean;
  readonly on_card_mib: number;
  readonly in_host_mib: number;
  readonly cap_mib: number;
}

export function holdingOf(slice: Slice): Holding {
  const { lease, report } = slice;
  const rank = slice.rank?.code;
  return {
    where: report?.state ?? 'unknown',
    computes: !slice.silent && report?.state === 'resident' && isBusy(slice),
    isJob: lease.holder === 'job',
    lent: slice.lent_to.length > 0,
    borrowed: rank === 'borrowed' || rank === 'called-back',
    called_back: rank === 'called-back',
    on_card_mib: report?.memory_mib ?? 0,
    in_host_mib: report?.host_mib ?? 0,
    cap_mib: lease.memory_mib
  };
}

/** Whether the slice's share of the card's compute cannot be kept now. */
export function lacksShare(slice: Slice): boolean {
  return slice.compute_kept?.holds === 'cannot';
}

/** By what the card measures; where that tells nothing of each, by whether somebody is at work. */
function isBusy(slice: Slice): boolean {
  const used = slice.report?.utilisation_percent;
  return used == null ? slice.report?.active === true : used > 0;
}
