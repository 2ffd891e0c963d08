"""How a job's attempt ends, and what becomes of the job then: on processes as on pods. Pure.

A backend says what it has seen of an attempt; what that means is decided here alone.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sublet_quota.life_cycles.job_states import JobMove, JobState
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode

from sublet_hub.jobs import changes
from sublet_hub.ledger.records import Change, JobRecord


@dataclass(frozen=True, slots=True)
class Succeeded:
    """An attempt is done."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt ended by itself, and not well."""

    why: JobReason
    exit_code: int | None = None
    may_retry: bool = True
    """Another attempt may not meet this failure."""


@dataclass(frozen=True, slots=True)
class Lost:
    """An attempt was ended from outside, through no fault of its own."""

    why: JobReason
    at_last: Failed | None = None
    """What the loss counts as once a job was lost too often; ``None``: it failed for good."""


Seen = Succeeded | Failed | Lost


@dataclass(frozen=True, slots=True)
class Ending:
    """What becomes of a job once nothing of its attempt runs any more."""

    move: JobMove
    why: JobReason
    exit_code: int | None = None
    may_retry: bool = False
    """A failure after which the job begins anew while it has retries left."""


@dataclass(frozen=True, slots=True)
class PrintedLog:
    """How much an attempt has printed, and how much it may."""

    printed_bytes: int
    most_bytes: int
    is_stamped: bool = False
    """Whether the times of the lines are in the log, and count."""


def evicted(why: str) -> Lost:
    """Return the loss of an attempt that its agent ended, as an owner needs the room."""
    return Lost(JobReason(JobReasonCode.EVICTED, told=why))


def lost_gpu_state(why: str) -> Lost:
    """Return the loss of an attempt whose GPU memory can never come back."""
    return Lost(JobReason(JobReasonCode.GPU_STATE_LOST, told=why))


def ending_of(job: JobRecord, seen: Seen, most_attempts: int) -> Ending:
    """Return what is to become of a job whose attempt was seen to end.

    A job is lost ``most_attempts`` times before that is a failure; attempts that failed by
    themselves do not count among these.
    """
    if isinstance(seen, Succeeded):
        return Ending(JobMove.FINISH, JobReason(JobReasonCode.DONE), 0)
    if job.cancel_asked_at is not None:
        code = seen.exit_code if isinstance(seen, Failed) else None
        return Ending(JobMove.CANCEL, changes.who_cancelled(job), code)
    if job.reason.code is JobReasonCode.MORE_THAN_ASKED:
        code = seen.exit_code if isinstance(seen, Failed) else None
        return Ending(JobMove.FAIL, job.reason, code)
    if isinstance(seen, Lost):
        if job.attempts - job.failed_attempts < most_attempts:
            return Ending(JobMove.GO_BACK, seen.why)
        seen = seen.at_last or Failed(seen.why.under(begun_times=job.attempts), may_retry=False)
    return Ending(JobMove.FAIL, seen.why, seen.exit_code, seen.may_retry)


def wish_to_end(job: JobRecord, log: PrintedLog, stood: timedelta, now: datetime) -> Ending | None:
    """Return why a running job must end: an owner's or admin's wish, or a limit; else ``None``.

    ``stood``: for how long it stood still since it began, which counts in no limit. One that is
    over its cap for too long has that as its reason already (``slices.over_caps``).
    """
    if job.cancel_asked_at is not None:
        return Ending(JobMove.CANCEL, changes.who_cancelled(job))
    if job.reason.code is JobReasonCode.MORE_THAN_ASKED:
        return Ending(JobMove.FAIL, job.reason)
    ran = timedelta() if job.started_at is None else now - job.started_at - stood
    if job.max_run_s is not None and ran > timedelta(seconds=job.max_run_s):
        why = JobReason(JobReasonCode.RAN_TOO_LONG, {"limit_s": job.max_run_s})
        return Ending(JobMove.FAIL, why)
    if log.printed_bytes > log.most_bytes:
        code = JobReasonCode.STAMPED_LOG_TOO_LONG if log.is_stamped else JobReasonCode.LOG_TOO_LONG
        return Ending(JobMove.FAIL, JobReason(code, {"limit_mib": log.most_bytes // 2**20}))
    return None


def change_of(job: JobRecord, ending: Ending, now: datetime) -> Change:
    """Return what an ending changes in the ledger."""
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
