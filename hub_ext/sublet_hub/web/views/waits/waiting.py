"""Who waits: owners at work, slices without their place, notebooks in line, and jobs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sublet_quota.life_cycles.job_states import ENDED, JobState
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.queue_helps import queue_helps
from sublet_quota.reasons.ranks import RankCode
from sublet_quota.reasons.server_queue import expected_words
from sublet_quota.reasons.waiting import WaitReason, wait_clause
from sublet_quota.server_queue.waits import QueueWait
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.decision import tell_help
from sublet_quota.wire.waits import WaiterKind, Waiting

from sublet_hub.ledger.records import JobRecord, SliceRecord
from sublet_hub.slices.server_queue import ServerQueue
from sublet_hub.state.stores import Stores
from sublet_hub.usage.job_stops import stop_in
from sublet_hub.web.views.jobs import JobTimes, JobViews, SeenJob
from sublet_hub.web.views.server_queue import wait_body
from sublet_hub.web.views.slices import Views
from sublet_hub.web.views.waits.found import FoundWait

_Expected = tuple[datetime | None, str]
_UNKNOWN: Final[_Expected] = None, ""
_LONGEST_MOVE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WaitParts:
    """What waits are found in."""

    stores: Stores
    views: Views
    jobs: JobViews
    times: JobTimes
    line: ServerQueue


class FindWaits:
    """Finds who waits, one by one."""

    def __init__(self, parts: WaitParts) -> None:
        self._ledger, self._fleet = parts.stores.ledger, parts.stores.fleet
        self._capacity = parts.stores.capacity
        self._now = parts.stores.now
        self._views, self._jobs, self._times, self._line = (
            parts.views,
            parts.jobs,
            parts.times,
            parts.line,
        )

    def slice(self, record: SliceRecord) -> FoundWait | None:
        """Return how an owner's slice waits; ``None`` where it does not, and for a job's."""
        if record.is_job:
            return None
        is_silent = self._fleet.is_silent(record.gpu.node)
        report = None if is_silent else self._fleet.report(record.slice_id)
        if report is not None and report.active and report.wait is not None:
            return self._cell(record, report)
        rank = None if record.called_back_since is None else self._views.rank(record)
        if rank is None or record.called_back_since is None or rank.code != RankCode.CALLED_BACK:
            return None
        for_whom = record.called_back_for
        told: dict[str, Any] = {
            "since": record.called_back_since,
            "code": rank.code,
            "reason": rank.meaning,
            "waits_for": () if for_whom is None else (for_whom,),
            "rank": rank,
        }
        return FoundWait(Waiting(kind=WaiterKind.SLICE.value, **self._facts(record), **told))

    def _cell(self, record: SliceRecord, report: SliceReport) -> FoundWait | None:
        wait = report.wait
        if wait is None:
            return None
        at, why = self._expected_of_cell(record, report)
        told: dict[str, Any] = {
            "since": report.since,
            "code": wait.reason.value,
            "reason": wait_clause(wait.reason),
            "place": wait.place,
            "expected_at": at,
            "expected_why": why,
            "rank": self._views.rank(record),
        }
        found = Waiting(kind=WaiterKind.CELL.value, **self._facts(record), **told)
        return FoundWait(found, wait.waits_for)

    def _facts(self, record: SliceRecord) -> dict[str, Any]:
        return {
            "owner": record.owner,
            "server": record.server,
            "slice_id": record.slice_id,
            "group": record.group,
            "gpu_type": self._capacity.holdings.type_of(record.gpu.gpu_id) or record.gpu.type,
            "node": record.gpu.node,
            "gpu_index": record.gpu.index,
        }

    def _expected_of_cell(self, record: SliceRecord, report: SliceReport) -> _Expected:
        """Return when a slice goes on: at the end of a turn, or of its own way back."""
        if report.wait is None:
            return _UNKNOWN
        if report.wait.turn_ends is not None:
            return self._to_come(report.wait.turn_ends, "")
        move, seen_at = report.move, self._fleet.seen_at(record.gpu.node)
        if report.wait.reason is not WaitReason.COMING_BACK or move is None or seen_at is None:
            return _UNKNOWN
        if move.kind != "resuming" or move.elapsed_s is None:
            return _UNKNOWN
        left_s = min(max(0.0, move.expected_s - move.elapsed_s), _LONGEST_MOVE.total_seconds())
        return self._to_come(seen_at + timedelta(seconds=left_s), "")

    def job(self, job: JobRecord) -> FoundWait | None:
        """Return how a job waits; ``None`` where it runs, or is over."""
        if job.state in ENDED:
            return None
        seen = self._jobs.seen(job)
        if job.state is JobState.RUNNING and (seen.report is None or stop_in(seen.report) is None):
            return None
        record, report = seen.record, seen.report
        wait = None if report is None else report.wait
        place = seen.wait.place if seen.wait is not None else None
        at, why = self._expected_of_job(job, seen)
        on_card = {} if record is None else self._facts(record)
        helps = () if seen.wait is None else queue_helps(seen.wait.why, job.compute_milli)
        facts: dict[str, Any] = {
            "gpu_type": job.gpu_type,
            **on_card,
            "owner": job.owner,
            "group": job.group,
            "job_id": job.job_id,
            "job_name": job.name,
            "since": self._since(job, report),
            "code": seen.why.code.value,
            "reason": seen.why.words,
            "place": place if wait is None else wait.place,
            "expected_at": at,
            "expected_why": why,
            "helps": tuple(map(tell_help, helps)),
        }
        found = Waiting(kind=WaiterKind.JOB.value, **facts)
        return FoundWait(found, () if wait is None else wait.waits_for)

    def _since(self, job: JobRecord, report: SliceReport | None) -> datetime:
        if job.state is not JobState.RUNNING or report is None:
            return job.submitted_at
        stands_since = self._times.stops.since(SliceId(report.slice_id))
        return stands_since or job.started_at or job.submitted_at

    def _expected_of_job(self, job: JobRecord, seen: SeenJob) -> _Expected:
        kept = None if seen.wait is None else seen.wait.why.kept
        if kept is not None and kept.at is not None:
            return self._to_come(kept.at, "")
        if seen.report is not None and seen.report.wait is not None:
            ends = seen.report.wait.turn_ends
            return _UNKNOWN if ends is None else self._to_come(ends, "")
        usual = self._times.waits.usual_wait() if job.state is JobState.WAITING else None
        if usual is None:
            return _UNKNOWN
        return self._to_come(job.submitted_at + usual.length, usual.basis)

    def _to_come(self, at: datetime, why: str) -> _Expected:
        """Return what is expected; nothing is that should have been by now."""
        return (at, why) if at > self._now() else _UNKNOWN

    def notebook(self, wait: QueueWait) -> FoundWait:
        """Return how a notebook stands in line."""
        told, why = wait_body(self._line, wait), wait.why
        groups = told.waits_for
        return FoundWait(
            Waiting(
                kind=WaiterKind.NOTEBOOK.value,
                owner=told.owner,
                server=told.server,
                group=told.group,
                gpu_type=wait.server.wish.gpu_type,
                since=told.since,
                code=wait.expected.by.value if why is None else why.reason.value,
                reason=expected_words(wait.expected) if why is None else why.message,
                place=told.place,
                waits_for=groups,
                expected_at=told.expected_at,
                expected_why=told.expected_why,
                helps=() if why is None else tuple(map(tell_help, why.helps)),
            )
        )
