/** All views, in the order of the bar: a new one has a folder here, and a line below. */
import type { Session } from '../model/session';
import type { TranslationBundle } from '../words/translation';
import { CardsView } from './cards/CardsView';
import { NoticesView } from './notices/NoticesView';
import { Quotas } from './quotas/Quotas';
import { ShareView } from './share/ShareView';
import { UseView } from './use/UseView';
import { WaitsView } from './waits/WaitsView';

export interface View {
  /** In the address, after `view/`. */
  readonly name: string;
  readonly title: (trans: TranslationBundle) => string;
  readonly forAdmins: boolean;
  readonly Body: () => React.JSX.Element;
}

const VIEWS: readonly View[] = [
  { name: 'cards', title: trans => trans.__('Cards'), forAdmins: true, Body: CardsView },
  { name: 'share', title: trans => trans.__('My share'), forAdmins: false, Body: ShareView },
  {
    name: 'waits',
    title: trans => trans.__('Who waits for whom'),
    forAdmins: false,
    Body: WaitsView
  },
  { name: 'use', title: trans => trans.__('Use'), forAdmins: false, Body: UseView },
  { name: 'quotas', title: trans => trans.__('Quotas'), forAdmins: true, Body: Quotas },
  { name: 'notices', title: trans => trans.__('Notices'), forAdmins: true, Body: NoticesView }
];

/** What is for admins is refused to others by the service; here it is only not offered. */
export function viewsFor(session: Session): readonly View[] {
  return VIEWS.filter(view => session.admin || !view.forAdmins);
}
