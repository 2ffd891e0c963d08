"""What a job's process is while it is watched, and what can be seen of its end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode

from sublet_hub.jobs.backends.local.processes import Child, JobTree
from sublet_hub.jobs.endings import Ending, Failed, Lost, Seen, Succeeded
from sublet_hub.jobs.progress import ProgressFile

_FAILS_AGAIN = frozenset({"NotebookError", "TooLong"})


@dataclass(slots=True)
class Run:
    """A job's process that this service watches."""

    tree: JobTree
    progress: ProgressFile
    child: Child | None
    """The process as our child; ``None``: it was adopted, so nobody gets its exit code."""
    stop_watch: Callable[[], None]
    exited_at: datetime | None = None
    agent_heard_at: datetime | None = None
    """Since when, after the exit, its node's agent reports."""
    ending: Ending | None = None
    """What the job is being ended for: also when that has to be tried again."""
    grace: timedelta = timedelta()
    """How long the job's processes may take to end."""
    task: asyncio.Task[None] | None = None


def seen_of(run: Run) -> Seen:
    """Return what a job's exit means, from what the job said last and from how it ended."""
    said = run.progress.read_end().ended
    if said is not None and said.ok:
        return Succeeded()
    if said is not None and not _never_began(run):
        if said.error is None:
            return Failed(JobReason(JobReasonCode.SILENTLY_FAILED))
        return Failed(said.error.reason, may_retry=said.error.name not in _FAILS_AGAIN)
    silent = Failed(_how_ended(run.child))
    if run.tree.rebooted:
        return Lost(JobReason(JobReasonCode.MACHINE_RESTARTED), at_last=silent)
    if _never_began(run):
        return Lost(JobReason(JobReasonCode.LOST_UNBEGUN), at_last=silent)
    return silent


def _never_began(run: Run) -> bool:
    """Whether the service before this one died before it had handed over the request."""
    return run.child is None and run.progress.progress.cells_total is None


def was_told_to_end(run: Run) -> bool:
    """Whether an exit looks as if somebody had ended the job by a signal."""
    said = run.progress.read_end().ended
    if said is not None:
        return said.error is not None and said.error.name == "Terminated"
    return run.child is None or (run.child.poll() or 0) < 0


def _how_ended(child: Child | None) -> JobReason:
    if child is None:
        return JobReason(JobReasonCode.ENDED_UNSEEN)
    code = child.poll()
    if code is None:
        return JobReason(JobReasonCode.ENDED_UNKNOWN)
    if code < 0:
        return JobReason(JobReasonCode.KILLED_BY_SIGNAL, {"signal": -code})
    return JobReason(JobReasonCode.EXITED, {"exit_status": code})
