"""Exchanges within one plan of the queue: a job leaves its place to one that finds no other.

A job that could begin on several GPUs is placed before it is known what those behind it need. Where
one of these finds no room, a job of the same plan makes some that begins all the same on another
GPU, of another type it takes, maybe as a third one leaves that, and so on. Nobody loses by it:
whoever had a place has one, and comes no later. What is entitled stays on its cards, and so does
what another job was charged elsewhere for.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.lent_room.lendable_room import Kinds, LendableRoom
from sublet_quota.jobs.payers.plan_bounds import PlanBounds
from sublet_quota.jobs.payers.recharged_jobs import RechargedJobs
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import JobId

_MOST_TRIED: Final = 128
"""So many places are looked at for one job, the last that were given away first."""
_MOST_TRIED_IN_PLAN: Final = 4000


@dataclass(slots=True)
class _Tries:
    """What was tried for one job."""

    left: int
    visited: set[GpuKind] = field(default_factory=set)
    """The kinds of GPU on which somebody was asked to leave already."""


class Exchanges:
    """The placements of a plan, of which some may still change."""

    def __init__(
        self,
        room: LendableRoom,
        bounds: PlanBounds,
        recharged: RechargedJobs | None,
        noted: Callable[[WaitingJob, LendableGpu], None],
    ) -> None:
        """``room``, ``bounds`` and ``recharged`` are those from which the plan gives away.

        ``noted`` is told of each GPU on which a job has its place, also where that is another than
        before.
        """
        self._noted = noted
        self._room = room
        self._bounds = bounds
        self._recharged = recharged
        self._placed: dict[JobId, JobPlacement] = {}
        self._may_leave: defaultdict[GpuKind, dict[JobId, int]] = defaultdict(dict)
        """By kind: who may be asked to leave, each with a number that grows."""
        self._sharing: defaultdict[tuple[GpuKind, object], dict[JobId, int]] = defaultdict(dict)
        """The same by kind and by the limit in which they count (``PlanBounds.shared_by``)."""
        self._numbers = count()
        self._in_vain: set[object] = set()
        """The wishes for which nobody could leave a place, since somebody did last."""
        self._tries_left = _MOST_TRIED_IN_PLAN
        self._changes = 0

    @property
    def changes(self) -> tuple[int, int]:
        """What is another whenever a placement is, or somebody was asked to leave in vain."""
        return self._changes, self._tries_left

    def placements(self) -> tuple[JobPlacement, ...]:
        """Return all placements, in the order in which jobs had theirs."""
        return tuple(self._placed.values())

    def note(self, placement: JobPlacement) -> None:
        """Take in a placement that was made."""
        self._changes += 1
        job = placement.job
        self._placed[job.job_id] = placement
        gpu = self._room.gpu(placement.gpu_id)
        is_bound = placement.calls_back or placement.recharged or job.entitled_on is not None
        if gpu is None or placement.holds_back or placement.fills_in_for:
            return
        for each in (gpu, *map(self._room.gpu, placement.beside)):
            if each is not None:
                self._noted(job, each)
        if not is_bound and job.gpus == 1:
            kind, number = gpu.facts.kind, next(self._numbers)
            self._may_leave[kind][job.job_id] = number
            for limit in self._bounds.shared_by(job):
                self._sharing[kind, limit][job.job_id] = number

    def make_room(self, job: WaitingJob) -> bool:
        """Have others leave a place to a job that has none; return whether they did."""
        if not self._may_leave or job.gpus != 1 or self._tries_left <= 0:
            return False
        kinds = self._room.fitting_kinds(job)
        is_limited = self._bounds.within(job, kinds) != kinds
        wish = job.memory_mib, job.gpu_type, job.node, job.kinds
        limited = (job.owner, job.hub_groups, job.group) if is_limited else None
        if (wish, limited) in self._in_vain:
            return False
        tries = _Tries(min(_MOST_TRIED, self._tries_left))
        tried = tries.left
        has_room = self._make_room(job, kinds, tries)
        self._tries_left -= tried - tries.left
        if has_room:
            self._in_vain.clear()
        else:
            self._in_vain.add((wish, limited))
        return has_room

    def _make_room(self, job: WaitingJob, kinds: Kinds, tries: _Tries) -> bool:
        for kind in kinds:
            if kind in tries.visited:
                continue
            tries.visited.add(kind)
            for name in self._asked(job, kind, kinds[kind]):
                if tries.left <= 0:
                    return False
                if self._leaves(self._placed[name], job, tries):
                    return True
        return False

    def _asked(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> Iterable[JobId]:
        """Return who may leave a GPU of a kind to a job, the last placed first.

        Where a limit is in the job's way, only who counts in one with it.
        """
        if not self._bounds.is_met(job, kind, gpu_type):
            return reversed(tuple(self._may_leave[kind]))
        found: dict[JobId, int] = {}
        for limit in self._bounds.shared_by(job):
            found.update(self._sharing.get((kind, limit), {}))
        return sorted(found, key=found.__getitem__, reverse=True)

    def _leaves(self, placement: JobPlacement, job: WaitingJob, tries: _Tries) -> bool:
        """Have a job go elsewhere, if its GPU then has room for another; return whether it does."""
        tries.left -= 1
        gpu = self._room.gpu(placement.gpu_id)
        if gpu is None or job.node not in {None, gpu.facts.node} or not self._room.lends(gpu):
            return False
        need = job.amount_on(gpu.facts.kind)
        if self._room.left(gpu) + placement.amount.memory_mib < need.memory_mib:
            return False
        if not self._may_go(placement.job, tries):
            return False
        self._give_back(placement, gpu)
        is_met = self._bounds.is_met(job, gpu.facts.kind, gpu.gpu_type)
        if is_met or self._room.left(gpu) < need.memory_mib:
            self._take(placement.job, gpu)
            return False
        # What the other is to have is nobody else's meanwhile.
        self._room.take(gpu, need)
        self._bounds.take(job, gpu)
        elsewhere = self._elsewhere(placement.job, tries)
        self._bounds.give_back(job, gpu)
        self._room.give_back(gpu, need)
        self._take(placement.job, elsewhere or gpu)
        if elsewhere is None:
            return False
        del self._may_leave[gpu.facts.kind][placement.job.job_id]
        for limit in self._bounds.shared_by(placement.job):
            del self._sharing[gpu.facts.kind, limit][placement.job.job_id]
        amount = placement.job.amount_on(elsewhere.facts.kind)
        self.note(
            replace(placement, gpu_id=elsewhere.facts.gpu_id, pool=elsewhere.pool, amount=amount)
        )
        return True

    def _may_go(self, job: WaitingJob, tries: _Tries) -> bool:
        """Whether there may be another GPU for a job: what is quickly seen."""
        kinds = self._room.kinds_for(job)
        return self._room.best_fit(job, kinds) is not None or any(
            kind not in tries.visited and self._may_leave.get(kind) for kind in kinds
        )

    def _elsewhere(self, job: WaitingJob, tries: _Tries) -> LendableGpu | None:
        """Return another GPU on which a job has room, or is left some."""
        kinds = self._room.fitting_kinds(job)
        found = self._room.best_fit(job, self._bounds.within(job, kinds))
        if found is None and self._make_room(job, kinds, tries):
            found = self._room.best_fit(job, self._bounds.within(job, kinds))
        return found

    def _give_back(self, placement: JobPlacement, gpu: LendableGpu) -> None:
        self._bounds.give_back(placement.job, gpu)
        self._room.give_back(gpu, placement.amount)
        self._fill(placement.job, gpu, -1)

    def _take(self, job: WaitingJob, gpu: LendableGpu) -> None:
        self._bounds.take(job, gpu)
        self._room.take(gpu, job.amount_on(gpu.facts.kind))
        self._fill(job, gpu, 1)

    def _fill(self, job: WaitingJob, gpu: LendableGpu, count: int) -> None:
        """Count a job in the guarantee that it comes before others in; less than none: no more."""
        if self._recharged is not None:
            cards = count * job.cards_on(gpu.facts.kind)
            self._recharged.comes_before(job, gpu.gpu_type, cards)
