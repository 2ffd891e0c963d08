"""The jobs that were promoted from a notebook server: it is not ended while one of them goes on.

One that has not begun yet may wait for ever: it is none of them. One that has begun may stand still
for as long, in line again or held back, and its owner can bring that about: it spares a server for
as long as that may be idle, and no longer. Since when one waits to go on is not in the ledger: from
a start of the service on it does so since then.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from sublet_quota.life_cycles.job_states import ENDED, JobState
from sublet_quota.names.ids import JobId, UserName

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, JobRecord


class PromotedJobs:
    """What has become of the jobs that were promoted from servers."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now
        self._waits_since: dict[JobId, datetime] = {}
        """Since when those that have begun wait to go on."""
        self._note(ledger.live_jobs.values())
        ledger.listen(self._ledger_changed)

    def sparing(self, owner: UserName, server: str, since: datetime) -> tuple[JobRecord, ...]:
        """Return the jobs promoted from an owner's server for which it is not ended.

        Those that have begun, and have not stood still from ``since`` on.
        """
        return tuple(
            job
            for job in self._ledger.live_jobs_of_owner(owner)
            if job.server == server and not self._stands_still(job, since)
        )

    def _stands_still(self, job: JobRecord, since: datetime) -> bool:
        """Whether a job has stood still since then, or for longer, or has not begun yet."""
        if job.state is not JobState.RUNNING:
            return self._waits_since.get(job.job_id, since) <= since
        own = (
            each for each in self._ledger.slices_of_owner(job.owner) if each.job_id == job.job_id
        )
        held_back = [each.held_back_since for each in own if each.held_back_since is not None]
        return bool(held_back) and min(held_back) <= since

    def _note(self, jobs: Iterable[JobRecord]) -> None:
        for job in jobs:
            if job.server is None or job.state in ENDED or job.state is JobState.RUNNING:
                self._waits_since.pop(job.job_id, None)
            elif job.attempts > 0:
                self._waits_since.setdefault(job.job_id, self._now())

    def _ledger_changed(self, change: Change) -> None:
        self._note(change.jobs)
