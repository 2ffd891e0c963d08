"""Jobs that stand still while another card is free: they move there, or wait in the queue again.

Which do says ``sublet_quota``. One that has begun moves on its node as any slice does: its agent
brings it back on the other card, or says why it stays. One that has not begun has nothing to move.
When each moved last is forgotten with the service.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.standing_jobs import StandingJob, jobs_that_leave, leaves_from
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import GpuId, JobId, SliceId
from sublet_quota.reasons.quota_changes import QuotaChange, quota_change_words
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.jobs.order.waiting_jobs import WaitingJobs
from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.records import Change, JobRecord, SliceRecord
from sublet_hub.state.stores import Stores
from sublet_hub.usage.job_stops import stop_in

_LOOKS_EVERY: Final = timedelta(seconds=10)
"""There may be thousands that stand still for owners, and nothing is free for them."""


class StandingJobs:
    """The jobs that have their place, and stand still there."""

    def __init__(
        self, stores: Stores, jobs: WaitingJobs, stands_since: Callable[[SliceId], datetime | None]
    ) -> None:
        """``stands_since``: since when a job stands still that has begun; ``None``: it runs."""
        self._stores = stores
        self._jobs = jobs
        self._stands_since = stands_since
        self._looked_at: datetime | None = None
        self._moved: dict[SliceId, datetime] = {}
        self._moving: set[SliceId] = {
            record.slice_id
            for record in stores.ledger.slices.values()
            if record.is_job and record.moving_to is not None
        }

    def coming_mib(self) -> Mapping[GpuId, int]:
        """Return how much jobs take on cards that they are on their way to."""
        coming: Counter[GpuId] = Counter()
        for record in self._on_their_way():
            coming[record.moving_to or record.gpu.gpu_id] += record.memory_mib
        return coming

    def leave(
        self, ranks: Mapping[JobId, Rank], free: Callable[[], Iterable[LendableGpu]]
    ) -> Iterator[tuple[SliceId, str]]:
        """Let those move that have begun; yield who is to go back to the queue, and why.

        ``free``: asked for the cards that lend, and are kept for no job. ``LedgerWriteError``.
        """
        self._let_stay()
        now, words = self._stores.now(), quota_change_words(QuotaChange.BEGINS_ELSEWHERE)
        if self._looked_at is not None and now - self._looked_at < _LOOKS_EVERY:
            return
        self._looked_at = now
        due = tuple(self._due(ranks, now))
        for each in jobs_that_leave(due, free(), now) if due else ():
            if each.has_begun:
                self._move(each.slice_id, each.to, now)
            else:
                yield each.slice_id, words

    def _due(self, ranks: Mapping[JobId, Rank], now: datetime) -> Iterator[StandingJob]:
        """Yield the jobs that have stood still for long enough."""
        ledger, kinds = self._stores.ledger, self._jobs.kinds()
        for job in list(ledger.live_jobs.values()):
            record = ledger.slices.get(job.slice_id or SliceId(""))
            since = None if record is None else self._since(job, record)
            if record is None or since is None:
                continue
            moved_at = self._moved.get(record.slice_id)
            if leaves_from(since, moved_at) > now:
                continue
            rank = ranks.get(job.job_id, Rank.BORROWED)
            yield StandingJob(
                job=replace(self._jobs.of(job, kinds), rank=rank),
                slice_id=record.slice_id,
                gpu_id=record.gpu.gpu_id,
                since=since,
                has_begun=job.state is JobState.RUNNING,
                moved_at=moved_at,
            )

    def _since(self, job: JobRecord, record: SliceRecord) -> datetime | None:
        """Return since when a job stands still that could go elsewhere; ``None``: none does."""
        is_bound = record.moving_to is not None or record.held_back_since is not None
        if is_bound or job.cancel_asked_at is not None or job.gpus > 1 or record.pod is not None:
            return None
        if job.state is JobState.RUNNING:
            stays = self._stores.capacity.staying.keeps(record.slice_id)
            return None if stays else self._stands_since(record.slice_id)
        told = self._stores.fleet.report(record.slice_id)
        return None if told is None or told.gate_open else record.created_at

    def _move(self, slice_id: SliceId, to: GpuId, now: datetime) -> None:
        ledger = self._stores.ledger
        record, card = ledger.slices[slice_id], ledger.gpus[to].index
        self._moved = {each: at for each, at in self._moved.items() if each in ledger.slices}
        self._moved[slice_id] = now
        self._moving.add(slice_id)
        words = quota_change_words(QuotaChange.GOES_ELSEWHERE, card=card)
        self._apply(record.bound_for(to), words)

    def _on_their_way(self) -> tuple[SliceRecord, ...]:
        """Return the jobs' slices that are on their way to another card."""
        slices = self._stores.ledger.slices
        known = (slices.get(each) for each in self._moving)
        found = tuple(each for each in known if each is not None and each.moving_to is not None)
        self._moving = {each.slice_id for each in found}
        return found

    def _let_stay(self) -> None:
        """Let those stay that run again where they are, or would stand where they are to be.

        After a start both are known only once their agent is back.
        """
        holdings = self._stores.capacity.holdings
        for record in self._on_their_way():
            told = self._stores.fleet.report(record.slice_id)
            if told is None:
                continue
            if stop_in(told) is None:
                self._stay(record, QuotaChange.RUNS_AGAIN)
            elif record.moving_to is not None and holdings.rest_of(record.moving_to) is None:
                self._stay(record, QuotaChange.OWNER_AT_WORK_THERE)

    def _stay(self, record: SliceRecord, why: QuotaChange) -> None:
        words = quota_change_words(QuotaChange.STAYS, why=quota_change_words(why))
        self._apply(record.bound_for(None), words)

    def _apply(self, record: SliceRecord, words: str) -> None:
        now = self._stores.now()
        told = slice_event(EventKind.SLICE_PLACED, record, now, words)
        self._stores.ledger.apply(Change(slices=(record,), events=(told,)), now)
