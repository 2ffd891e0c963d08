/** How a card stands: the same four words as the command `sublet gpus` has, and why. */

import { inLocalTime } from '@sublet-lab/format/quantities';
import type { TranslationBundle } from '@sublet-lab/format/translation';

import type { Card } from '../../api/types';
import type { Tone } from '../../controls/Tag';

export type Health = 'open' | 'pause-only' | 'closed' | 'silent';
export const HEALTHS: readonly Health[] = ['open', 'pause-only', 'closed', 'silent'];

export const TONE: Readonly<Record<Health, Tone>> = {
  open: 'good',
  'pause-only': 'warn',
  closed: 'bad',
  silent: 'bad'
};

export function healthOf(card: Card): Health {
  if (card.silent) {
    return 'silent';
  }
  if (card.closing !== null || card.report.closed !== null || card.kept_out !== null) {
    return 'closed';
  }
  const unfit = (card.report.unfit ?? []).length > 0;
  return unfit || card.report.foreign_processes !== null ? 'pause-only' : 'open';
}

export function healthWord(health: Health, card: Card, trans: TranslationBundle): string {
  switch (health) {
    case 'open':
      return trans.__('open');
    case 'pause-only':
      return trans.__('pause only');
    case 'closed':
      return card.closing?.drains === true ? trans.__('drained') : trans.__('closed');
    case 'silent':
      return trans.__('silent');
  }
}

/** Why it stands like that, a sentence each; none where all is well. */
export function reasonsOf(card: Card, trans: TranslationBundle, now: Date): string[] {
  const { closing, planned_closing, report, kept_out } = card;
  const reasons: string[] = [];
  if (card.silent) {
    reasons.push(trans.__('Its agent does not report: this is how it was seen last.'));
  }
  for (const each of [closing, planned_closing]) {
    if (each !== null) {
      reasons.push(reasonOf(each, trans, now));
    }
  }
  if (report.closed !== null) {
    reasons.push(trans.__('Closed by its agent: %1', report.closed));
  }
  if (kept_out !== null) {
    reasons.push(kept_out);
  }
  for (const each of report.unfit ?? []) {
    const why = each.why.replaceAll('-', ' ');
    reasons.push(
      trans.__('Not fit to be lent: %1', each.detail === '' ? why : `${why} (${each.detail})`)
    );
  }
  if (report.foreign_processes !== null) {
    const { count, utilisation_percent: used } = report.foreign_processes;
    reasons.push(
      trans._n(
        '%1 process of no slice uses the card: nothing is suspended beside it.',
        '%1 processes of no slice use the card: nothing is suspended beside them.',
        count
      ) +
        (used === null || used === 0
          ? ''
          : ` ${trans.__("That uses %1 % of the card's time.", used)}`)
    );
  }
  return reasons;
}

function reasonOf(
  closing: NonNullable<Card['closing']>,
  trans: TranslationBundle,
  now: Date
): string {
  const at = (time: string): string => inLocalTime(utcWords(time), now);
  const what = closing.drains ? trans.__('Drained') : trans.__('Closed');
  const begins = closing.begins_at === null ? '' : ` ${trans.__('from %1', at(closing.begins_at))}`;
  const until = closing.until === null ? '' : ` ${trans.__('until %1', at(closing.until))}`;
  return (
    trans.__('%1 by %2%3: %4', what, closing.closed_by, begins + until, closing.reason) +
    (closing.gpu_id === null ? ` (${trans.__('the whole node')})` : '')
  );
}

function utcWords(at: string): string {
  const utc = new Date(at).toISOString();
  return `${utc.slice(0, 10)} ${utc.slice(11, 16)} UTC`;
}
