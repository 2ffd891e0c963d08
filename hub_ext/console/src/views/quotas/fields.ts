/** What stands in the forms beside a quota document, and the change that is meant by it. */
import type { Path } from './place';
import { namesOf, type Wish } from './wishes';

export type Kind = 'exception' | 'group' | 'each' | 'guarantee' | 'everyone' | 'reservation';

/** Those whose change an admin of a group may make: below it, and for nobody alone. */
export const KINDS_WITHIN: readonly Kind[] = ['exception', 'group', 'each', 'guarantee'];
export const KINDS: readonly Kind[] = [...KINDS_WITHIN, 'everyone', 'reservation'];

export interface Fields {
  readonly kind: Kind;
  readonly group: string;
  readonly who: string;
  readonly groups: string;
  readonly what: string;
  readonly amount: string;
  readonly until: string;
  readonly why: string;
  readonly name: string;
  readonly gpu_type: string;
  readonly at: string;
  readonly zone: string;
}

export const EMPTY: Fields = {
  kind: 'exception',
  group: '',
  who: '',
  groups: '',
  what: 'limit.cards',
  amount: '',
  until: '',
  why: '',
  name: '',
  gpu_type: '',
  at: '',
  zone: Intl.DateTimeFormat().resolvedOptions().timeZone
};

export function wishOf(fields: Fields): Wish {
  const what: Path = fields.what.split('.');
  const { kind, amount, until } = fields;
  switch (kind) {
    case 'everyone':
      return { kind, what, amount };
    case 'group':
      return { kind, group: fields.group.trim(), what, amount };
    case 'each':
      return { kind: 'group', group: fields.group.trim(), what: ['each', ...what], amount };
    case 'guarantee':
      return {
        kind: 'group',
        group: fields.group.trim(),
        what: ['guaranteed', fields.gpu_type.trim()],
        amount
      };
    case 'exception':
      return {
        kind,
        who: namesOf(fields.who),
        groups: namesOf(fields.groups),
        what,
        amount,
        until,
        why: fields.why.trim()
      };
    case 'reservation':
      return {
        kind,
        name: fields.name.trim(),
        group: fields.group.trim(),
        gpu_type: fields.gpu_type.trim(),
        cards: amount,
        at: fields.at.trim(),
        zone: fields.zone.trim(),
        until
      };
  }
}
