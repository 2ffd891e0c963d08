"""Jobs whose owners have left the group that pays: another of theirs is charged, or none.

A job that has its place counts as before for its slice's grace; one that waits is charged anew at
once. Both follow from the records alone, so that no restart forgets them.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sublet_quota.jobs.payers.left_group import payer_of_running, payer_of_waiting
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.quota_changes import QuotaChange, quota_change_words
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.jobs.order.waiting_jobs import WaitingJobs
from sublet_hub.ledger.events import job_event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, JobRecord, SliceRecord
from sublet_hub.state.capacity import Capacity


class LeftGroups:
    """Charges jobs to other groups, once the groups that pay are their owners' no more."""

    def __init__(
        self, ledger: Ledger, capacity: Capacity, jobs: WaitingJobs, now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._capacity = capacity
        self._jobs = jobs
        self._now = now

    def charge_elsewhere(self) -> bool:
        """Let other groups pay for jobs whose grace is over, or that have none.

        Return whether any is charged otherwise now. One after another: what one is charged to has
        less room for the next. ``LedgerWriteError``.
        """
        is_any = False
        left = [job for job in self._ledger.live_jobs.values() if _has_left(job)]
        for job in left:
            slices = self._slices_of(job)
            if any(record.before_until is not None for record in slices):
                continue
            group = self._payer(job)
            words = quota_change_words(
                QuotaChange.RECHARGED_AFTER_LEAVING, group=group, former=job.group
            )
            after = replace(job, group=group, named=False)
            charged = tuple(replace(record, group=group, named=False) for record in slices)
            told = job_event(EventKind.JOB_RECHARGED, after, self._now(), words)
            change = Change(jobs=(after,), slices=charged, events=(told,))
            self._ledger.apply(change, self._now())
            is_any = True
        return is_any

    def _payer(self, job: JobRecord) -> GroupName | None:
        kinds, holdings = self._jobs.kinds(), self._capacity.holdings
        free = replace(job, named=False)
        if job.slice_id is None:
            return payer_of_waiting(holdings, self._jobs.of(free, kinds), kinds)
        running = self._jobs.running(free, kinds)
        return None if running is None else payer_of_running(holdings, running)

    def _slices_of(self, job: JobRecord) -> tuple[SliceRecord, ...]:
        """Return the slices of a job; of one that runs in several pods all of them."""
        own = self._ledger.slices_of_owner(job.owner)
        return tuple(record for record in own if record.job_id == job.job_id)


def _has_left(job: JobRecord) -> bool:
    return job.group is not None and job.group not in job.member_of
