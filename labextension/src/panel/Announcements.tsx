/** What admins, and Sublet itself, tell me, until it ends. */
import { inLocalTime, moment } from '@sublet-lab/format/quantities';
import * as React from 'react';

import { warningIcon } from '../controls/icons';
import { Sign, type PageContext } from '../controls/pageContext';
import { aheadApart } from './AheadPart';

export function Announcements(props: { page: PageContext; now: Date }): React.JSX.Element {
  const { page, now } = props;
  const { trans, model } = page;
  // That this server is ended stands with its slice, beside the button that puts it off.
  const ownEnd = model.slice?.idle_end == null ? null : `idle-${model.slice.lease.slice_id}`;
  const apart = new Set(aheadApart(model).map(each => each.notice_id));
  const shown = model
    .announcements(now)
    .filter(each => each.announcement_id !== ownEnd && !apart.has(each.announcement_id));
  return (
    <>
      {shown.map(each => (
        <div
          key={each.announcement_id}
          className="sublet-note sublet-warn"
          role="status"
          data-sublet="announcement"
        >
          <Sign icon={warningIcon}>
            {trans.__(
              '%1, %2:',
              each.from_admin ? trans.__('From an admin') : trans.__('From Sublet'),
              each.made_at === null ? trans.__('lately') : moment(each.made_at, now)
            )}{' '}
            {each.from_admin ? each.text : inLocalTime(each.text, now)}
          </Sign>
        </div>
      ))}
    </>
  );
}
