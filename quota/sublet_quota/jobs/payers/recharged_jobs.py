"""Which running job may be charged to another group of its owner's, so that a waiting one starts.

That is below a limit, or within a guarantee that the running one has filled. Only whose owner named
no group, one job, one step; the newest first. None for which the other group's rights, or a limit,
say no, or whose hours there are over, and none that would be entitled less for it: that would let
others take what a group is guaranteed. What waits and is entitled comes before it, in both groups.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from heapq import merge
from itertools import islice
from typing import Final

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.payers.job_limits import JobLimits
from sublet_quota.jobs.payers.limit_rooms import amounts_of, asked_of
from sublet_quota.jobs.turns.job_order import Guarantees
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName, SliceId
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.lots import lot_of

_MOST_TRIED: Final = 16
"""For how many charges to other groups it is asked whether the waiting job then starts."""
_MOST_TRIED_BY_RIGHT: Final = 32
"""For how many it is asked in one plan whether a waiting job then is entitled."""


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that has its place, on one GPU, and those of its owner's groups that could pay."""

    job: WaitingJob
    """The job with who pays, its rank, and the same at the expense of others (``instead``)."""
    slice_id: SliceId
    kind: GpuKind
    gpu_type: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Recharge:
    """A running job, and the group that would pay for it."""

    running: RunningJob
    to: WaitingJob

    @property
    def told(self) -> tuple[SliceId, GroupName]:
        """The slice, and who pays for it then."""
        return self.running.slice_id, self.to.group or GroupName("")


def _newest_first(running: RunningJob) -> tuple[float, int]:
    return -running.since.timestamp(), lot_of(running.slice_id)


class RechargedJobs:
    """The running jobs, with those that one plan of the queue has charged to other groups."""

    def __init__(
        self, holdings: Holdings, limits: JobLimits, running: Iterable[RunningJob]
    ) -> None:
        self._holdings = holdings
        self._limits = limits
        self._filling = Guarantees(holdings, with_jobs=True)
        self._left_by_slices = Guarantees(holdings)
        newest_first = sorted(running, key=_newest_first)
        left = [each for each in newest_first if each.job.instead and each.job.gpus == 1]
        self._left = set(range(len(left)))
        """The places of those that are left among all, the newest first."""
        self._running = left
        self._place_of = {each.slice_id: place for place, each in enumerate(left)}
        self._by_limit: defaultdict[GroupName, list[int]] = defaultdict(list)
        """By group: the places of those that its limit counts."""
        self._by_top: defaultdict[NodeName, list[int]] = defaultdict(list)
        """By the group at the top: the places of those that are entitled below it."""
        for place, each in enumerate(left):
            for group in limits.groups_with_limits(each.job):
                self._by_limit[group].append(place)
            if each.job.rank is not Rank.BORROWED:
                self._by_top[self._top(each.job)].append(place)
        self._tries_left = _MOST_TRIED_BY_RIGHT

    @property
    def is_empty(self) -> bool:
        """Whether no running job could be charged to another group."""
        return not self._left

    @property
    def tries_left(self) -> int:
        """For how many changes it may still be asked whether a waiting job then is entitled."""
        return self._tries_left

    def comes_before(self, job: WaitingJob, gpu_type: str, cards: Fraction) -> None:
        """Let a guarantee be filled by a job that is entitled, or was placed, in this plan."""
        self._filling.count(gpu_type, self._leaf(job), cards)

    def tried(self, waiting: WaitingJob, kinds: Mapping[GpuKind, str]) -> Iterator[Recharge]:
        """Yield each change that makes room below a limit of a waiting job's payer, made already.

        ``kinds`` are those on which it fits; a change that frees too little on all of them is left
        out. The one that is yielded last stays, unless the next is asked for, or the iterator's
        end.
        """
        if not self._left:
            return iter(())
        groups = self._limits.groups_with_limits(waiting)
        near = self._those_left(merge(*(self._by_limit.get(group, ()) for group in groups)))
        changes = islice(_changes(near), _MOST_TRIED)
        return self._made(each for each in changes if self._may_let_in(each, waiting, kinds))

    def tried_by_right(
        self, waiting: WaitingJob, kinds: Mapping[GpuKind, str]
    ) -> Iterator[tuple[Recharge, WaitingJob]]:
        """Yield each change by which a waiting job is entitled, with the job as it is then.

        ``kinds`` are those on which it may run. It is made already, as by ``tried``.
        """
        cards = {name: waiting.cards_on(kind) for kind, name in kinds.items()}
        below = self._those_left(self._by_top.get(self._top(waiting), ()))
        near = (each for each in below if each.gpu_type in cards)
        for change in self._made(islice(_changes(near), self._tries_left)):
            self._tries_left -= 1
            gpu_type = change.running.gpu_type
            rank = self._rank(waiting, gpu_type, cards[gpu_type])
            if rank is not Rank.BORROWED:
                yield change, replace(waiting, rank=rank, entitled_on=gpu_type)

    def keep(self, change: Recharge) -> None:
        """Note that a change is made for good: a job is charged to another group once in a plan."""
        self._left.remove(self._place_of[change.running.slice_id])

    def _those_left(self, places: Iterable[int]) -> Iterator[RunningJob]:
        """Yield the jobs at these places, which are sorted, each once, as far as they are left."""
        before = -1
        for place in places:
            if place != before and place in self._left:
                yield self._running[place]
            before = place

    def _made(self, changes: Iterable[Recharge]) -> Iterator[Recharge]:
        for change in changes:
            running = change.running
            self._charge(running, former=running.job)
            if self._may_pay(change):
                self._charge(running, to=change.to)
                yield change
                self._charge(running, former=change.to)
            self._charge(running, to=running.job)

    def _may_let_in(
        self, change: Recharge, waiting: WaitingJob, kinds: Mapping[GpuKind, str]
    ) -> bool:
        """Whether a change may free enough below the limits that are in a job's way."""
        running, limits = change.running, self._limits
        freed = asked_of(running.job, running.kind, running.gpu_type)
        room = limits.freed_by(running.job, change.to, freed)
        if not any(limits.may_be_freed(waiting, kind, name, room) for kind, name in kinds.items()):
            return False
        gone = limits.freed_by(running.job, None, freed)
        return limits.may_be_freed(change.to, running.kind, running.gpu_type, gone)

    def _charge(
        self,
        running: RunningJob,
        *,
        former: WaitingJob | None = None,
        to: WaitingJob | None = None,
    ) -> None:
        amounts = amounts_of(running.job, running.kind, running.gpu_type)
        self._limits.recharge(amounts, former, to)
        cards = running.job.cards_on(running.kind)
        if former is not None:
            self._filling.count(running.gpu_type, self._leaf(former), -cards)
        if to is not None:
            self._filling.count(running.gpu_type, self._leaf(to), cards)

    def _may_pay(self, change: Recharge) -> bool:
        running, to = change.running, change.to
        if self._holdings.is_spent(to.group, to.owner):
            return False
        if self._limits.is_passed_by(to, running.kind, running.gpu_type):
            return False
        cards = to.cards_on(running.kind)
        then = self._rank(to, running.gpu_type, cards)
        # An older one would come before those there that are entitled.
        alone = self._rank(to, running.gpu_type, cards, self._left_by_slices)
        return then <= min(running.job.rank, alone)

    def _rank(
        self, job: WaitingJob, gpu_type: str, cards: Fraction, left: Guarantees | None = None
    ) -> Rank:
        """Return how a job is entitled beside all that fills guarantees before it."""
        return (left or self._filling).rank_of_one(gpu_type, self._leaf(job), cards)

    def _top(self, job: WaitingJob) -> NodeName:
        return self._holdings.groups.paths[self._leaf(job)][0]

    def _leaf(self, job: WaitingJob) -> NodeName:
        return self._holdings.leaf_for(job.group, job.owner)


def _changes(running: Iterable[RunningJob]) -> Iterator[Recharge]:
    for each in running:
        for to in each.job.instead:
            if to.group is not None and to.may_run_on(each.kind):
                yield Recharge(each, to)
