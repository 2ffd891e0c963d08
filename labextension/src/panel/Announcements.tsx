/** What I am told, by admins or of a budget, until it ends. */
import * as React from 'react';

import { warningIcon } from '../controls/icons';
import { Sign, type PageContext } from '../controls/pageContext';
import { moment } from '../format/quantities';

export function Announcements(props: { page: PageContext; now: Date }): React.JSX.Element {
  const { page, now } = props;
  const { trans, model } = page;
  return (
    <>
      {model.announcements(now).map(each => (
        <div
          key={each.announcement_id}
          className="sublet-note sublet-warn"
          role="status"
          data-sublet="announcement"
        >
          <Sign icon={warningIcon}>
            {!each.from_admin
              ? ''
              : each.made_at === null
                ? `${trans.__('From an admin:')} `
                : `${trans.__('From an admin, %1:', moment(each.made_at, now))} `}
            {each.text}
          </Sign>
        </div>
      ))}
    </>
  );
}
