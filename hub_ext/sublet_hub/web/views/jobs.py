"""What callers are shown of jobs: how far they are, for whom they wait, and why they failed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Final

from sublet_quota.jobs.job_queue import JobWait
from sublet_quota.life_cycles.job_states import ENDED, JobState
from sublet_quota.names.ids import JobId, NodeId, SliceId
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode, job_clause
from sublet_quota.reasons.jobs_off import JobsOff, jobs_off_clause
from sublet_quota.reasons.waiting import (
    QueueReason,
    WaitReason,
    queue_clause,
    wait_clause,
)
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.jobs import JobFailure, JobInfo

from sublet_hub.jobs.progress import last_failure
from sublet_hub.jobs.queue import WaitingReasons
from sublet_hub.ledger.records import JobRecord, SliceRecord
from sublet_hub.state.stores import Stores
from sublet_hub.usage.job_stops import JobStops, stop_in
from sublet_hub.usage.queue_waits import QueueTimes
from sublet_hub.web.views.slices import Viewer, Views

_MOST_TEXT: Final = 4000
_FAILURES_KEPT: Final = 128
"""Each with a traceback of up to 80 KiB in memory."""


@dataclass(frozen=True, slots=True)
class ToldReason:
    """Why a job is as it is: for programs, and for people."""

    code: JobReasonCode | QueueReason | JobsOff | WaitReason
    words: str


@dataclass(frozen=True, slots=True)
class SeenJob:
    """A job as queue and agents see it now."""

    record: SliceRecord | None
    """Its slice, or the first of several."""
    report: SliceReport | None
    """What its agent says of that; ``None`` also: a node of the job is silent."""
    wait: JobWait | None
    """Why it waits in the queue, as the last round found."""
    why: ToldReason


@dataclass(frozen=True, slots=True)
class JobTimes:
    """How long jobs wait, and since when some stand still."""

    waits: QueueTimes
    stops: JobStops


class JobViews:
    """Puts jobs together with their slices, their places in the queue and their files."""

    def __init__(
        self,
        stores: Stores,
        waiting: WaitingReasons,
        times: JobTimes,
        views: Views,
        why_untouched: Callable[[JobRecord], JobsOff | None],
    ) -> None:
        """``why_untouched``: of a live job, why nobody here does anything for it."""
        self._ledger = stores.ledger
        self._fleet = stores.fleet
        self._waiting = waiting
        self._times = times.waits
        self._stops = times.stops
        self._accounts = stores.accounts
        self._views = views
        self._why_untouched = why_untouched
        files = stores.files
        # What a process said at its end does not change any more.
        self._failure = lru_cache(_FAILURES_KEPT)(
            lambda job_id, attempt: last_failure(files.progress_path(job_id, attempt))
        )

    def place(self, job_id: JobId) -> int | None:
        """Return a waiting job's place in the queue; ``None`` where none is known."""
        wait = self._waiting.find(job_id)
        return None if wait is None else wait.place

    def job(self, job: JobRecord, viewer: Viewer) -> JobInfo:
        """Return a job as a viewer is shown it, with its slice and why it waits."""
        seen = self.seen(job)
        record, report, wait, why = seen.record, seen.report, seen.wait, seen.why
        running = job.state is JobState.RUNNING
        # Rows of before may tell of more cells than there are.
        done = job.cells_done if job.cells_total is None else min(job.cells_done, job.cells_total)
        usual = self._times.usual_wait() if job.state is JobState.WAITING else None
        return JobInfo(
            job_id=job.job_id,
            owner=job.owner,
            name=job.name,
            notebook=job.notebook,
            parameters=job.parameters.values(),
            state=job.state,
            reason=why.words[:_MOST_TEXT],
            reason_code=why.code,
            place=None if wait is None else wait.place,
            priority=job.priority,
            memory_mib=job.memory_mib or (0 if record is None else record.memory_mib),
            slice=None if record is None else self._views.slice(record, viewer),
            submitted_at=job.submitted_at,
            started_at=job.started_at,
            ended_at=job.ended_at,
            cells_done=done,
            cells_total=job.cells_total,
            output_notebook=job.output_notebook,
            exit_code=job.exit_code,
            output_path=self._output_path(job),
            current_cell=job.current_cell if running else None,
            progress=done / job.cells_total if job.cells_total else None,
            stopped=stop_in(report) if running and report is not None else None,
            stopped_since=self._stops.since(SliceId(report.slice_id))
            if running and report
            else None,
            suspended_for=self._suspended_for(report, viewer) if running else None,
            failure=self._failure_of(job),
            attempts=job.attempts,
            retries=job.retries,
            failed_attempts=job.failed_attempts,
            gpus=job.gpus,
            group=job.group,
            max_run_s=job.max_run_s,
            stood_s=self._stops.stood(job.slice_id).total_seconds(),
            take_along=job.take_along,
            cancelled_by=job.cancel_asked_by if _may_know_who(job, viewer) else None,
            expected_start=None if usual is None else job.submitted_at + usual.length,
        )

    def seen(self, job: JobRecord) -> SeenJob:
        """Return how a job is seen now, and why it is so."""
        record = None if job.slice_id is None else self._ledger.slices.get(job.slice_id)
        wait = self._waiting.find(job.job_id) if job.state is JobState.WAITING else None
        silent = self._silent_node(job)
        report = None if record is None or silent else self._fleet.report(record.slice_id)
        return SeenJob(record, report, wait, self._why(job, wait, report, silent))

    def _silent_node(self, job: JobRecord) -> NodeId | None:
        """Return a node of a job whose agent does not report."""
        held = () if job.slice_id is None else self._ledger.slices_of_owner(job.owner)
        nodes = (r.gpu.node for r in held if r.job_id == job.job_id)
        return next(filter(self._fleet.is_silent, nodes), None)

    def _why(
        self,
        job: JobRecord,
        wait: JobWait | None,
        report: SliceReport | None,
        silent: NodeId | None,
    ) -> ToldReason:
        """Return why a job is as it is, by the queue, by a placed job's agent, or by the ledger.

        ``report``: what is said of the job's slice now, where no node of it is ``silent``.
        """
        if wait is not None:
            return ToldReason(wait.why.reason, queue_clause(wait.why))
        untouched = None if job.state in ENDED else self._why_untouched(job)
        if untouched is not None:
            return ToldReason(untouched, jobs_off_clause(untouched))
        if silent is not None and job.cancel_asked_at is None:
            reason = JobReason(JobReasonCode.AGENT_SILENT, {"node": silent})
            return ToldReason(reason.code, job_clause(reason))
        known = ToldReason(job.reason.code, job_clause(job.reason))
        if report is None or report.wait is None:
            return known
        code = report.wait.reason
        if job.state is JobState.PLACED:
            return ToldReason(code, f"{known.words}: {wait_clause(code)}")
        return ToldReason(code, wait_clause(code)) if job.cancel_asked_at is None else known

    def _suspended_for(self, report: SliceReport | None, viewer: Viewer) -> str | None:
        wait = None if report is None else report.wait
        if wait is None or wait.reason is not WaitReason.OWNERS_ACTIVE:
            return None
        return f"for {self._owners(wait.waits_for, viewer)} cell"

    def _owners(self, slice_ids: Iterable[str], viewer: Viewer) -> str:
        """Return whose cell is waited for: the first owner's that may be named, or "an owner's"."""
        for slice_id in slice_ids:
            record = self._ledger.slices.get(SliceId(slice_id))
            if record is not None and record.owner == viewer.name:
                return "your own"
            if record is not None and self._views.shows_name(
                record.owner, record.member_of, viewer
            ):
                return f"{record.owner}'s"
        return "an owner's"

    def _failure_of(self, job: JobRecord) -> JobFailure | None:
        waits_again = job.state is JobState.WAITING and job.failed_attempts > 0
        if job.state is not JobState.FAILED and not waits_again:
            return None
        found: JobFailure | None = self._failure(job.job_id, job.attempts)
        if found is None and job.state in ENDED:
            return JobFailure(name="", message=job_clause(job.reason)[:_MOST_TEXT])
        return found

    def _output_path(self, job: JobRecord) -> str | None:
        """Return the path of a job's result below the notebook folder; ``None``: not there."""
        account = self._accounts.find(job.owner)
        if job.output_notebook is None or account is None:
            return None
        output = PurePosixPath(job.output_notebook)
        folder = PurePosixPath(account.template.notebook_dir)
        if not output.is_relative_to(folder):
            return None
        return str(output.relative_to(folder))[:1000]


def _may_know_who(job: JobRecord, viewer: Viewer) -> bool:
    """Whether a viewer may know who cancelled a job: an admin's name is for admins."""
    return viewer.sees_all or job.cancel_asked_by in {viewer.name, job.owner}
