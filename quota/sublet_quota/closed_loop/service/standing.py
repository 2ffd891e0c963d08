"""Simulated jobs that stand still: which go to another card says ``jobs.standing_jobs``.

As in production one that has begun moves on its node, and one that has not waits in line again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from sublet_quota.closed_loop.clock import Phase
from sublet_quota.closed_loop.service.parts import Parts
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.standing_jobs import StandingJob, jobs_that_leave, leaves_from
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, SliceId

JobsOf = Callable[[Iterable[SliceId]], Iterable[tuple[SliceId, WaitingJob]]]
"""Tells the jobs on one card that these slices are of, with their rights."""


class Standing:
    """The jobs that stand still, and when each moved last."""

    def __init__(
        self, parts: Parts, send_back: Callable[[SliceId], None], look_again: Callable[[], None]
    ) -> None:
        """``send_back``: has a job wait again. ``look_again``: looks at the queue."""
        self._parts = parts
        self._send_back = send_back
        self._look_again = look_again
        self._moved: dict[SliceId, datetime] = {}
        self._looks_at: datetime | None = None

    def lendable_mib(self, among: Iterable[GpuId] | None = None) -> Mapping[GpuId, int]:
        """Return how large a job could begin on each card now, beside those on their way there.

        ``among``: on these alone.
        """
        lendable = dict(self._parts.cards.lendable_mib(among))
        for slice_id, to in self._parts.cards.changes.to.items():
            served = self._parts.cards.slice(slice_id)
            if served.is_job and to in lendable:
                lendable[to] = max(0, lendable[to] - served.amount.memory_mib)
        return lendable

    def look(self, jobs_of: JobsOf, gpus: Callable[[], Iterable[LendableGpu]]) -> None:
        """Let jobs go elsewhere that stand still. ``gpus``: what lends, and is kept for nobody."""
        self._let_stay()
        now = self._parts.clock.now
        due = self.due(jobs_of)
        for each in jobs_that_leave(due, gpus(), now) if due else ():
            if each.has_begun:
                self._moved[each.slice_id] = now
                self._parts.go_home(each.slice_id, each.to)
            else:
                self._send_back(each.slice_id)
        self._plan(min((at for _, at in self._stops() if at > now), default=None))

    def due(self, jobs_of: JobsOf) -> tuple[StandingJob, ...]:
        """Return the jobs that have stood still for long enough."""
        cards, holdings, now = self._parts.cards, self._parts.holdings, self._parts.clock.now
        due = [slice_id for slice_id, at in self._stops() if at <= now]
        found = []
        for slice_id, job in jobs_of(due) if due else ():
            served, holding = cards.slice(slice_id), holdings.slice(slice_id)
            if holding is not None and served.off_since is not None:
                has_begun, moved_at = served.has_bytes, self._moved.get(slice_id)
                where, since = holding.gpu_id, served.off_since
                found.append(StandingJob(job, slice_id, where, since, has_begun, moved_at))
        return tuple(found)

    def forget(self, slice_id: SliceId) -> None:
        """Forget a job that has left its card."""
        self._moved.pop(slice_id, None)

    def _let_stay(self) -> None:
        """Let those stay that run again where they are, or would stand where they are to be."""
        parts = self._parts
        for slice_id, to in tuple(parts.cards.changes.to.items()):
            served, holding = parts.cards.slice(slice_id), parts.holdings.slice(slice_id)
            is_barred = parts.holdings.rest_of(to) is None
            if served.is_job and holding is not None and (served.off_since is None or is_barred):
                parts.cards.changes.stay(slice_id)
                parts.holdings.put(replace(holding, gpu_id=parts.cards.where(slice_id)))

    def _stops(self) -> Iterator[tuple[SliceId, datetime]]:
        """Yield the slices of jobs that stand still, and from when on each may go elsewhere."""
        cards, holdings = self._parts.cards, self._parts.holdings
        for slice_id in sorted(cards.stand_still - cards.changes.to.keys()):
            since, holding = cards.slice(slice_id).off_since, holdings.slice(slice_id)
            if since is not None and holding is not None and not holding.held_back:
                yield slice_id, leaves_from(since, self._moved.get(slice_id))

    def _plan(self, first: datetime | None) -> None:
        if first is not None and first != self._looks_at:
            self._looks_at = first
            self._parts.clock.at(first, Phase.ROUND, "standing", self._look_again)
