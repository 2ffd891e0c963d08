/** All views, in the order of the bar: a new one has a folder here, and a line below. */
import type { TranslationBundle } from '@sublet-lab/format/translation';

import type { Session } from '../model/session';
import { CardsView } from './cards/CardsView';
import { NoticesView } from './notices/NoticesView';
import { Quotas } from './quotas/Quotas';
import { ShareView } from './share/ShareView';
import { UseView } from './use/UseView';
import { WaitsView } from './waits/WaitsView';

/** Everybody; who sees all; or these, and admins of groups. */
export type Audience = 'all' | 'who-sees-all' | 'admins-of-groups';

export interface View {
  /** In the address, after `view/`. */
  readonly name: string;
  readonly title: (trans: TranslationBundle) => string;
  readonly isFor: Audience;
  readonly Body: () => React.JSX.Element;
}

const VIEWS: readonly View[] = [
  { name: 'cards', title: trans => trans.__('Cards'), isFor: 'who-sees-all', Body: CardsView },
  { name: 'share', title: trans => trans.__('My share'), isFor: 'all', Body: ShareView },
  {
    name: 'waits',
    title: trans => trans.__('Who waits for whom'),
    isFor: 'all',
    Body: WaitsView
  },
  { name: 'use', title: trans => trans.__('Use'), isFor: 'all', Body: UseView },
  {
    name: 'quotas',
    title: trans => trans.__('Quotas'),
    isFor: 'admins-of-groups',
    Body: Quotas
  },
  {
    name: 'notices',
    title: trans => trans.__('Notices'),
    isFor: 'admins-of-groups',
    Body: NoticesView
  }
];

/** What is not theirs is refused to them by the service; here it is only not offered. */
export function viewsFor(session: Session, groups: readonly string[]): readonly View[] {
  const isOpen: Readonly<Record<Audience, boolean>> = {
    all: true,
    'who-sees-all': session.sees_all,
    'admins-of-groups': session.sees_all || groups.length > 0
  };
  return VIEWS.filter(view => isOpen[view.isFor]);
}

/** The view of a name, whoever it is for. */
export function viewNamed(name: string): View | undefined {
  return VIEWS.find(each => each.name === name);
}
