/** What is mine: slices, quota and where that comes from, budgets, jobs, and what admins say. */
import { useConsole } from '../../model/console';
import { useStore } from '../../model/store';
import { AheadPart } from './AheadPart';
import { Announcements } from './Announcements';
import { JobsPart } from './JobsPart';
import { OffersPart } from './OffersPart';
import { QuotaPart } from './QuotaPart';
import { SlicesPart } from './SlicesPart';

export function ShareView(): React.JSX.Element {
  const { trans, share, jobs } = useConsole();
  const asked = useStore(share.store);
  const askedJobs = useStore(jobs.store);
  if (asked.value === null) {
    return <p role="status">{asked.problem ?? trans.__('Asking for your share …')}</p>;
  }
  const mine = asked.value;
  const isAhead = new Set(mine.ahead.map(each => each.notice_id));
  return (
    <div className="parts">
      {asked.problem !== null && (
        <p className="note note-warn" role="status" data-sublet="stale">
          {trans.__('This is how it was before: %1', asked.problem)}
        </p>
      )}
      <AheadPart ahead={mine.ahead} />
      <Announcements told={mine.announcements.filter(each => !isAhead.has(each.announcement_id))} />
      <SlicesPart share={mine} />
      <QuotaPart quota={mine.quota} groupsKnown={mine.groups_known} />
      <OffersPart offers={mine.offers} />
      <JobsPart asked={askedJobs} />
    </div>
  );
}
