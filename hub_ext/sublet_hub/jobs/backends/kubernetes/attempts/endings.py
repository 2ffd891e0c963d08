"""How a job that is over, or must be over, ends: pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sublet_quota.life_cycles.job_states import JobMove, JobState

from sublet_hub.jobs import changes
from sublet_hub.jobs.backends.kubernetes.attempts.status import Failed, JobStatus, Lost, Succeeded
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings
from sublet_hub.ledger.records import Change, JobRecord

_SLACK = timedelta(seconds=15)
"""The runner itself ends a job that runs too long; only when it fails to, the service does."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What becomes of a job, once its pods are gone."""

    move: JobMove
    why: str
    exit_code: int | None = None
    may_retry: bool = False


def ending_of(job: JobRecord, seen: JobStatus, settings: KubeJobSettings) -> Ending | None:
    """The end that the cluster tells of; nothing while the job goes on."""
    match seen:
        case Succeeded():
            return Ending(JobMove.FINISH, "", 0)
        case Failed():
            if job.cancel_asked_at is not None:
                return Ending(JobMove.CANCEL, changes.who_cancelled(job), seen.exit_code)
            return Ending(JobMove.FAIL, seen.why, seen.exit_code, seen.may_retry)
        case Lost():
            if job.cancel_asked_at is not None:
                return Ending(JobMove.CANCEL, changes.who_cancelled(job))
            return back_or_failed(job, seen.why, settings)
        case _:
            return None


def wish_to_end(
    job: JobRecord, log_bytes: int, settings: KubeJobSettings, now: datetime
) -> Ending | None:
    """Why a job that runs must end: its owner's or an admin's wish, or a limit."""
    if job.cancel_asked_at is not None:
        return Ending(JobMove.CANCEL, changes.who_cancelled(job))
    if job.max_run_s is not None and job.started_at is not None:
        limit = timedelta(seconds=job.max_run_s)
        if now - job.started_at > limit + _SLACK:
            return Ending(JobMove.FAIL, f"ran for longer than {job.max_run_s} s")
    if log_bytes > settings.log_bytes:
        most = f"{settings.log_bytes // 2**20} MiB"
        why = f"its log, with the time of each line, grew beyond {most}: print less"
        return Ending(JobMove.FAIL, why)
    return None


def back_or_failed(job: JobRecord, why: str, settings: KubeJobSettings) -> Ending:
    """A job that was lost goes back to the queue, a few times."""
    if job.attempts - job.failed_attempts < settings.most_attempts:
        return Ending(JobMove.GO_BACK, why)
    said = f"{why}; it was begun {job.attempts} times, and is not tried again"
    return Ending(JobMove.FAIL, said)


def change_of(job: JobRecord, ending: Ending, now: datetime) -> Change:
    """What the ledger says then."""
    if ending.may_retry and job.state is not JobState.RUNNING:
        # It never began, but an attempt it was: the next one's object has a name of its own.
        job = replace(job, attempts=job.attempts + 1)
    goes_on = ending.move is JobMove.GO_BACK or ending.may_retry
    if goes_on and job.state is JobState.WAITING:
        # The cluster had taken it, and the ledger did not know where to.
        job = replace(job, state=JobState.PLACED)
    if ending.move is JobMove.GO_BACK:
        return changes.went_back(job, ending.why, now)
    if ending.may_retry and job.failed_attempts < job.retries:
        return changes.begins_anew(job, ending.why, now)
    return changes.ended(job, ending.move, now, ending.why, ending.exit_code)
