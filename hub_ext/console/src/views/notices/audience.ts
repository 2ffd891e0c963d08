/** To whom something can be told, and the words for that. */
import type { TranslationBundle } from '@sublet-lab/format/translation';

import type { Announcement, AnnouncementRequest, Card } from '../../api/types';
import { nameOf } from '../cards/deeds';

export type Audience = AnnouncementRequest['audience'];

export const AUDIENCES: readonly Audience[] = ['owner', 'group', 'card', 'node', 'all'];

/** Whom an admin of groups may mean, within theirs. */
export const AUDIENCES_OF_GROUPS: readonly Audience[] = ['group', 'owner'];

export function audienceWord(audience: Audience, trans: TranslationBundle): string {
  return {
    owner: trans.__('one user'),
    group: trans.__('a group, with all below it'),
    card: trans.__('all on a card'),
    node: trans.__('all on a node'),
    all: trans.__('everybody')
  }[audience];
}

/** To whom a notice was told; a newer service may tell others. */
export function toWhom(
  told: Announcement,
  cards: readonly Card[],
  trans: TranslationBundle
): string {
  const name = told.name ?? '';
  switch (told.audience) {
    case 'all':
      return trans.__('everybody');
    case 'owner':
      return name;
    case 'group':
      return trans.__('group %1', name);
    case 'node':
      return trans.__('all on node %1', name);
    case 'card': {
      const card = cards.find(each => each.report.gpu_id === name);
      return trans.__('all on card %1', card === undefined ? name : nameOf(card));
    }
    default:
      return `${told.audience} ${name}`;
  }
}

/** The names that may be meant, to be proposed while one is typed. */
export function proposed(
  audience: Audience,
  cards: readonly Card[],
  groups: readonly string[]
): readonly string[] {
  switch (audience) {
    case 'owner':
      return sorted(cards.flatMap(card => card.slices.map(each => each.lease.owner)));
    case 'group':
      return sorted(groups);
    case 'card':
      return cards.map(nameOf);
    case 'node':
      return sorted(cards.map(each => each.node));
    case 'all':
      return [];
  }
}

function sorted(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}
