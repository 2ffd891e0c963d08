"""Cancels jobs: at once where they wait; where they run, their runner is asked to end them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sublet_quota.life_cycles.job_states import ENDED, JobMove, JobState
from sublet_quota.names.ids import UserName
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode

from sublet_hub.errors import ConflictError
from sublet_hub.jobs.changes import ended, who_cancelled, with_all_slices
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, JobRecord


def cancel_asked(job: JobRecord, by: UserName, now: datetime, why: str = "") -> Change:
    """Return the change by which a running job is to be cancelled, which its runner sees."""
    return Change(jobs=(_asked(job, by, now, why),))


def cancelled(job: JobRecord, by: UserName, now: datetime, why: str = "") -> Change:
    """Return the change by which a job that does not run is cancelled, and over at once."""
    asked = _asked(job, by, now, why)
    return ended(asked, JobMove.CANCEL, now, who_cancelled(asked))


def _asked(job: JobRecord, by: UserName, now: datetime, why: str) -> JobRecord:
    by_owner = by == job.owner
    code = JobReasonCode.CANCEL_ASKED if by_owner else JobReasonCode.CANCEL_ASKED_BY_ADMIN
    return replace(job, cancel_asked_at=now, cancel_asked_by=by, reason=JobReason(code, told=why))


class JobCancellation:
    """Cancels jobs, for owners and admins."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime], *, ends_jobs: bool) -> None:
        """``ends_jobs``: whether somebody here can end a job that has its place."""
        self._ledger = ledger
        self._now = now
        self._ends_jobs = ends_jobs

    def check(self, job: JobRecord) -> None:
        """Raise ``ConflictError`` for a job that is over, or that nobody could end."""
        if job.state in ENDED:
            message = f"job {job.job_id} is {job.state.value} already"
            raise ConflictError(message)
        if job.slice_id is not None and not self._ends_jobs:
            message = (
                f"job {job.job_id} is {job.state.value}, and cannot be cancelled: training jobs "
                "are switched off here, and this service may not delete its pod. Ask an "
                "administrator to switch them on, or to delete the pod."
            )
            raise ConflictError(message)

    def cancel(self, job: JobRecord, by: UserName, why: str = "") -> JobRecord:
        """Cancel a job, and return it after that; a running one is ended by its runner.

        ``by`` is its owner, or else an admin; ``why`` is told behind that. ``ConflictError`` where
        it is over, or where nobody could end it.
        """
        self.check(job)
        ledger, now = self._ledger, self._now()
        if job.state is JobState.RUNNING:
            if job.cancel_asked_at is None:
                ledger.apply(cancel_asked(job, by, now, why), now)
        else:
            change = cancelled(job, by, now, why)
            ledger.apply(with_all_slices(ledger, job, change), now)
        return ledger.jobs[job.job_id]
