/** The words for what slices do, where no part of the service says them. */

import { gib, percent } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';

import type { Slice } from '../../api/types';
import { holdingOf, type Holding } from '../../model/holding';
import { nameOfSlice } from './deeds';
import type { Show, Sort } from './filter';

export function whereWord(holding: Holding, trans: TranslationBundle): string {
  switch (holding.where) {
    case 'resident':
      return holding.computes ? trans.__('computing') : trans.__('resident, not computing');
    case 'paused':
      return trans.__('paused');
    case 'suspended':
      return trans.__('suspended');
    case 'unknown':
      return trans.__('not told');
  }
}

/** One slice in a sentence: for who hears the bar, or points at it. */
export function sliceWords(slice: Slice, trans: TranslationBundle): string {
  const holding = holdingOf(slice);
  const who = holding.isJob ? trans.__('a job of %1', slice.lease.owner) : nameOfSlice(slice);
  const parts = [
    trans.__('%1: %2 of a cap of %3', who, gib(holding.on_card_mib), gib(holding.cap_mib)),
    percent(slice.lease.compute_milli),
    whereWord(holding, trans),
    ...(slice.rank === null ? [] : [slice.rank.word]),
    ...(holding.lent ? [trans.__('lent to %1', slice.lent_to.join(', '))] : [])
  ];
  return parts.join(', ');
}

export function showWord(show: Show, trans: TranslationBundle): string {
  return {
    all: trans.__('all cards'),
    computing: trans.__('somebody computes'),
    'not-computing': trans.__('held, and nobody computes'),
    lent: trans.__('lent to jobs'),
    borrowed: trans.__('borrowed slices'),
    paused: trans.__('paused slices'),
    suspended: trans.__('suspended slices'),
    'share-lacking': trans.__('a compute share cannot be kept'),
    free: trans.__('held by nobody')
  }[show];
}

export function sortWord(sort: Sort, trans: TranslationBundle): string {
  return {
    place: trans.__('node and index'),
    used: trans.__('memory used'),
    promised: trans.__('memory promised'),
    utilisation: trans.__('utilisation'),
    power: trans.__('power'),
    temperature: trans.__('temperature'),
    health: trans.__('health, the worst first')
  }[sort];
}
