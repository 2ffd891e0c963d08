/** What admins, and the service itself, tell me now. */
import { inLocalTime } from '@sublet-lab/format/quantities';

import type { Share } from '../../api/types';
import { Moment } from '../../controls/Moment';
import { useConsole } from '../../model/console';

export function Announcements(props: { told: Share['announcements'] }): React.JSX.Element | null {
  const { trans } = useConsole();
  if (props.told.length === 0) {
    return null;
  }
  return (
    <section className="part" aria-labelledby="announcements">
      <h2 id="announcements">{trans.__('Notices')}</h2>
      {props.told.map(each => (
        <p key={each.announcement_id} className="note note-warn" data-sublet="announcement">
          {inLocalTime(each.text, new Date())}{' '}
          <span className="quiet">
            <Moment at={each.made_at} />
            {each.from_admin && (
              <>
                {' · '}
                {trans.__('until')} <Moment at={each.until} />
              </>
            )}
          </span>
        </p>
      ))}
    </section>
  );
}
