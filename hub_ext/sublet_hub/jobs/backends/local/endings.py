"""What a job's process is while it is watched, and what its end means for the job."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sublet_quota.life_cycles.job_states import JobMove

from sublet_hub.jobs.backends.local.processes import Child, JobTree
from sublet_hub.jobs.changes import who_cancelled
from sublet_hub.jobs.progress import ProgressFile
from sublet_hub.ledger.records import JobRecord

_FAILS_AGAIN = frozenset({"NotebookError", "TooLong"})


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a job's processes are being ended, and what becomes of it then."""

    move: JobMove
    why: str
    grace: timedelta
    may_retry: bool = False
    """A failure that another attempt may not meet."""


@dataclass(slots=True)
class Run:
    """A job's process that this service watches."""

    tree: JobTree
    progress: ProgressFile
    child: Child | None
    """``None``: it was adopted, so its exit code is nobody's."""
    stop_watch: Callable[[], None]
    exited_at: datetime | None = None
    agent_heard_at: datetime | None = None
    """Since when, after the exit, its node's agent reports."""
    ending: Ending | None = None
    """What it is being ended for: also when that has to be tried again."""
    task: asyncio.Task[None] | None = None


def may_try_again(job: JobRecord, most_attempts: int) -> bool:
    """Whether a job that was lost through no fault of its own is started once more."""
    return job.attempts - job.failed_attempts < most_attempts


def verdict(job: JobRecord, run: Run, most_attempts: int) -> Ending:
    """What an exit means, from what the job said last and from how it ended."""
    said = run.progress.read_end().ended
    if job.cancel_asked_at is not None:
        return Ending(JobMove.CANCEL, who_cancelled(job), timedelta())
    if said is not None and said.ok:
        return Ending(JobMove.FINISH, "", timedelta())
    if said is not None and not _never_began(run):
        why = "failed without saying why" if said.error is None else str(said.error)
        may_retry = said.error is None or said.error.name not in _FAILS_AGAIN
        return Ending(JobMove.FAIL, why, timedelta(), may_retry)
    return _verdict_of_the_silent(job, run, most_attempts)


def _verdict_of_the_silent(job: JobRecord, run: Run, most_attempts: int) -> Ending:
    rebooted = run.tree.rebooted
    if (rebooted or _never_began(run)) and may_try_again(job, most_attempts):
        why = "its machine was restarted" if rebooted else "it was lost before it began"
        return Ending(JobMove.GO_BACK, why, timedelta())
    why = f"its process ended {_how(run.child)}"
    return Ending(JobMove.FAIL, why, timedelta(), may_retry=True)


def _never_began(run: Run) -> bool:
    """Whether the service before this one died before it had handed over the request."""
    return run.child is None and run.progress.progress.cells_total is None


def was_told_to_end(run: Run) -> bool:
    """Whether it looks as if somebody had ended the job by a signal."""
    said = run.progress.read_end().ended
    if said is not None:
        return said.error is not None and said.error.name == "Terminated"
    return run.child is None or (run.child.poll() or 0) < 0


def _how(child: Child | None) -> str:
    if child is None:
        return "while the service was away"
    code = child.poll()
    if code is None:
        return "and nobody knows how"
    return f"by signal {-code} before it was done" if code < 0 else f"with exit status {code}"
