"""The order of jobs: entitled ones first, then priority, then whose turn it is.

A guarantee is filled by the group's slices, then by its jobs: by those that have their place, then
by those that wait, in the order of priority and turns. A job on several cards is entitled to all of
them, or to none. Which of a group's jobs are entitled concerns whoever is outside: between two
groups it is judged one step below their common ancestor, as for slices.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import Final

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.card_policy import counted_type, rate_of, type_turn
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.jobs.turns.past_uses import NO_PAST_USE, PastUse, UsedBy
from sublet_quota.jobs.waiting_job import WaitingJob, is_of_type
from sublet_quota.names.ids import JobId, PoolName
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.cards import NO_CARD, total
from sublet_quota.shares.entitlement import entitled_steps
from sublet_quota.shares.fair_order import RequestId, WaitingRequest, fair_order
from sublet_quota.shares.group_tree import GroupTree, NodeName
from sublet_quota.shares.past_use import NO_TIME, worn_off_s

HeldCards = Mapping[JobId, tuple[str, Fraction]]
"""The GPU type and the cards that jobs have which have their place."""
NOTHING_HELD: Final[HeldCards] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class JobEntitlement:
    """How a job that has its place stands to the others, and to owners."""

    place: int
    """Its place among the jobs; 0 for the most entitled."""
    rank: Rank


JobCards = tuple[JobId, NodeName, Fraction]
"""A job, the leaf where it counts, and how many cards of one type it is."""


class JobOrder:
    """Orders jobs under the document in force, beside what slices hold now."""

    def __init__(self, holdings: Holdings, past: PastUse) -> None:
        self._holdings = holdings
        self._past = past

    def waiting(
        self,
        jobs: Iterable[WaitingJob],
        placed: Iterable[WaitingJob] = (),
        held: HeldCards = NOTHING_HELD,
    ) -> tuple[WaitingJob, ...]:
        """Return the jobs that wait in the order in which they come, each with its rank.

        ``placed`` are those that have their place, whose use is in past use already; ``held`` is
        what they have.
        """
        kinds = open_kinds(self._holdings)
        first = self._by_turns(placed, kinds, NO_PAST_USE)
        in_turn = self._by_turns(jobs, kinds, self._past)
        ranked = tuple(self._ranked((*first, *in_turn), kinds, held))
        return tuple(sorted(ranked[len(first) :], key=lambda job: job.rank))

    def placed(self, jobs: Iterable[WaitingJob], held: HeldCards) -> tuple[WaitingJob, ...]:
        """Return the jobs that have their place, the most entitled first.

        Past use has no part in it, as that changes all the time, and they would change places.
        """
        return self.ranked(self.in_turn(jobs), held)

    def in_turn(self, jobs: Iterable[WaitingJob]) -> Sequence[WaitingJob]:
        """Return jobs that have their place by priority, and of one priority in the fair order.

        That hangs on the jobs, on the document, on the budgets that are over and on the kinds of
        card that are open, and not on what slices hold.
        """
        return self._by_turns(jobs, open_kinds(self._holdings), NO_PAST_USE)

    def ranked(self, in_turn: Sequence[WaitingJob], held: HeldCards) -> tuple[WaitingJob, ...]:
        """Return jobs that have their place and are ``in_turn``, the most entitled first."""
        kinds = open_kinds(self._holdings)
        return tuple(sorted(self._ranked(in_turn, kinds, held), key=lambda job: job.rank))

    def _ranked(
        self, in_turn: Sequence[WaitingJob], kinds: Mapping[GpuKind, str], held: HeldCards
    ) -> Iterator[WaitingJob]:
        """Yield the jobs, each with its rank; one that takes several types is due the first."""
        filling, fits = Guarantees(self._holdings), _Fits(self._holdings.document, kinds)
        leaf_for = cache(self._holdings.leaf_for)
        found: dict[JobId, tuple[str, Rank]] = {}
        for gpu_type in dict.fromkeys((*kinds.values(), *(name for name, _ in held.values()))):
            asking = [
                (job.job_id, leaf_for(job.group, job.owner), cards)
                for job in in_turn
                if job.job_id not in found
                and (cards := fits.cards_of_type(job, gpu_type, held)) is not None
            ]
            for job_id, rank in filling.fill(gpu_type, asking).items():
                found[job_id] = gpu_type, rank
        for job in in_turn:
            entitled_on, rank = found.get(job.job_id, (None, Rank.BORROWED))
            is_same = job.rank is rank and job.entitled_on == entitled_on
            yield job if is_same else replace(job, rank=rank, entitled_on=entitled_on)

    def _by_turns(
        self, jobs: Iterable[WaitingJob], kinds: Mapping[GpuKind, str], past: PastUse
    ) -> Sequence[WaitingJob]:
        """Return the jobs by priority, and of one priority in the fair order."""
        by_priority: defaultdict[int, list[WaitingJob]] = defaultdict(list)
        for job in jobs:
            by_priority[job.priority].append(job)
        if not by_priority:
            return []
        fits, leaf_for = _Fits(self._holdings.document, kinds), cache(self._holdings.leaf_for)
        used = defaultdict(float, past.used)
        used_by: defaultdict[UsedBy, float] = defaultdict(float, past.used_by)
        ordered: list[WaitingJob] = []
        for priority in sorted(by_priority, reverse=True):
            by_id = {job.job_id: job for job in by_priority[priority]}
            requests = [
                _request(job, leaf_for(job.group, job.owner), fits.estimate(job))
                for job in by_id.values()
            ]
            turns = fair_order(self._holdings.groups, used, used_by, requests)
            ordered += (by_id[JobId(request.request_id)] for request in turns)
            # Whoever had a turn before had it, whatever the priority.
            for request in requests:
                used_by[request.node, request.owner] += request.estimate
                for name in self._holdings.groups.paths[request.node]:
                    used[name] += request.estimate
        return ordered


def _request(job: WaitingJob, leaf: NodeName, estimate: float) -> WaitingRequest:
    request_id = RequestId(job.job_id)
    return WaitingRequest(request_id, leaf, job.owner, job.submitted_at, job.lot, estimate)


class _Fits:
    """On which kinds jobs fit, and what they come to there: of jobs that are alike asked once."""

    def __init__(self, document: QuotaDocument, kinds: Mapping[GpuKind, str]) -> None:
        self._document = document
        self._kinds = kinds
        self._seconds: dict[timedelta, float] = {}
        self._rates: dict[object, float] = {}
        self._cards: dict[object, dict[str, Fraction]] = {}

    def estimate(self, job: WaitingJob) -> float:
        """Return what a job is thought to use, on the smallest GPUs on which it fits."""
        seconds, shape = self._seconds.get(job.estimate), _shape(job)
        if seconds is None:
            half_life = self._document.fair_share.half_life
            seconds = self._seconds[job.estimate] = worn_off_s(job.estimate, NO_TIME, half_life)
        rate = self._rates.get(shape)
        if rate is None:
            kind = next(fitting(job, self._kinds), None)
            if kind is None:
                rate = float(job.gpus)
            else:
                rate = float(job.cards_on(kind) * rate_of(self._document, self._kinds[kind]))
            self._rates[shape] = rate
        return rate * seconds

    def cards_of_type(self, job: WaitingJob, gpu_type: str, held: HeldCards) -> Fraction | None:
        """Return how many cards of a type the job has, or would take; ``None``: none of it."""
        if job.job_id in held:
            has, cards = held[job.job_id]
            return cards if has == gpu_type else None
        shape = _shape(job)
        if shape not in self._cards:
            # Of a type the smallest kind comes first.
            first: dict[str, GpuKind] = {}
            for kind in fitting(job, self._kinds):
                first.setdefault(self._kinds[kind], kind)
            self._cards[shape] = {name: job.cards_on(kind) for name, kind in first.items()}
        return self._cards[shape].get(gpu_type)


def _shape(job: WaitingJob) -> object:
    """Return all of a job on which it hangs on what it fits, and what it comes to there."""
    return job.memory_mib, job.compute_milli, job.gpus, job.gpu_type, job.kinds


@dataclass(slots=True)
class _Left:
    """What is left of the guarantees of a type, kept as more of it is filled."""

    tree: GroupTree
    """The guarantees in force."""
    filled: Callable[[NodeName], Fraction]
    """What of a group's guarantee is filled to begin with."""
    own: dict[NodeName, Fraction] = field(default_factory=dict)
    """By group: its guarantee less what fills it; less than none where more does."""
    inside: dict[NodeName, Fraction] = field(default_factory=dict)
    """What is left to the groups in it, together; of those that were asked about."""
    to_fill: dict[NodeName, list[tuple[NodeName, Fraction]]] = field(default_factory=dict)
    """By the group at the top: what is filled once somebody asks about it."""

    def of(self, name: NodeName) -> Fraction:
        """Return what is left to a group: what its children are due comes first in its own."""
        top = self.tree.paths[name][0]
        if name not in self.own:
            self._look_at(top)
        if top in self.to_fill:
            for leaf, cards in self.to_fill.pop(top):
                self._fill(leaf, cards)
        return max(self.own[name], self.inside[name])

    def fill(self, leaf: NodeName, cards: Fraction) -> None:
        """Count so many more cards as filled."""
        self.to_fill.setdefault(self.tree.paths[leaf][0], []).append((leaf, cards))

    def _fill(self, leaf: NodeName, cards: Fraction) -> None:
        path = self.tree.paths[leaf]
        before = [self.of(name) for name in path]
        for depth in reversed(range(len(path))):
            self.own[path[depth]] -= cards
            if depth:
                self.inside[path[depth - 1]] += self.of(path[depth]) - before[depth]

    def _look_at(self, top: NodeName) -> None:
        """Find what is left to a group below the root, and to all that are in it."""
        for name in reversed(tuple(self.tree.below(top))):
            node = self.tree.nodes[name]
            self.own[name] = node.guaranteed - self.filled(name)
            children = node.children
            left = (max(self.own[one.name], self.inside[one.name]) for one in children)
            self.inside[name] = total(left) if children else NO_CARD


class Guarantees:
    """What of guarantees slices have not filled, for jobs to fill."""

    def __init__(self, holdings: Holdings, *, with_jobs: bool = False) -> None:
        """``with_jobs``: count what jobs hold already as filled, too."""
        self._holdings = holdings
        self._with_jobs = with_jobs
        self._left: dict[str, _Left | None] = {}

    def count(self, gpu_type: str, leaf: NodeName, cards: Fraction) -> None:
        """Count the cards of one more job as filled; less than none: of one less."""
        left = self._left_of(gpu_type)
        if left is not None:
            left.fill(leaf, cards)

    def fill(self, gpu_type: str, jobs: Iterable[JobCards]) -> Mapping[JobId, Rank]:
        """Return which of these jobs are entitled to their cards, which are told in their order.

        Those are missing that are borrowed.
        """
        left = self._left_of(gpu_type)
        if left is None:
            return {}
        asking, paths = tuple(jobs), left.tree.paths
        steps = entitled_steps(left.tree, [(leaf, size) for _, leaf, size in asking], left.of)
        return {
            job_id: _rank(entitled, len(paths[leaf]))
            for (job_id, leaf, _), entitled in zip(asking, steps, strict=True)
            if entitled
        }

    def rank_of_one(self, gpu_type: str, leaf: NodeName, cards: Fraction) -> Rank:
        """Return the rank of one job alone, as ``fill`` does."""
        left = self._left_of(gpu_type)
        if left is None:
            return Rank.BORROWED
        path = left.tree.paths[leaf]
        depths = range(len(path), 0, -1)
        steps = next((depth for depth in depths if cards <= left.of(path[depth - 1])), 0)
        return _rank(steps, len(path)) if steps else Rank.BORROWED

    def _left_of(self, gpu_type: str) -> _Left | None:
        """Return the guarantees in force less what fills them; ``None`` where there are none."""
        if gpu_type not in self._left:
            tree = self._holdings.tree(gpu_type)
            self._left[gpu_type] = self._to_fill(tree, gpu_type) if _any(tree) else None
        return self._left[gpu_type]

    def _to_fill(self, tree: GroupTree, gpu_type: str) -> _Left:
        holdings, held = self._holdings, self._holdings.position(gpu_type).held
        if self._with_jobs:
            return _Left(tree, lambda name: held[name] + holdings.jobs_filling(name, gpu_type))
        return _Left(tree, held.__getitem__)


def _any(tree: GroupTree) -> bool:
    return tree.root.guaranteed > 0


def _rank(entitled: int, steps: int) -> Rank:
    return Rank.ENTITLED if entitled == steps else Rank.ENTITLED_IN_PART


def open_kinds(holdings: Holdings) -> Mapping[GpuKind, str]:
    """Return the kinds of GPU in pools that lend to jobs, each with its type.

    The smallest first, of equal ones the cheaper type.
    """
    document = holdings.document
    types = {
        kind: counted_type(document, kind.type)
        for name, pool in document.pools.items()
        if pool.lend
        for kind in holdings.kinds_in(PoolName(name))
    }

    def turn(kind: GpuKind) -> tuple[int, Fraction, int, int]:
        of_type = type_turn(document, types[kind], holdings.lot)
        return kind.usable_mib, *of_type, holdings.lot(kind.type)

    return {kind: types[kind] for kind in sorted(types, key=turn)}


def fitting(job: WaitingJob, kinds: Mapping[GpuKind, str]) -> Iterator[GpuKind]:
    """Yield the kinds where the job may run and fits, smallest first."""
    return (
        kind
        for kind, gpu_type in kinds.items()
        if job.may_run_on(kind) and job.fits_on(kind) and is_of_type(kind, gpu_type, job.gpu_type)
    )


def entitled_with(
    holdings: Holdings, placement: JobPlacement, placed: Iterable[WaitingJob], held: HeldCards
) -> frozenset[JobId]:
    """Return which jobs are within a guarantee, at least in part, once one more has its place."""
    job, facts = placement.job, holdings.gpu(placement.gpu_id)
    gpu_type = holdings.type_of(placement.gpu_id)
    if facts is None or gpu_type is None:
        return frozenset()
    have = {**held, job.job_id: (gpu_type, job.cards_on(facts.kind))}
    others = (each for each in placed if each.job_id != job.job_id)
    ranked = JobOrder(holdings, NO_PAST_USE).placed((*others, job), have)
    return frozenset(each.job_id for each in ranked if each.rank is not Rank.BORROWED)
