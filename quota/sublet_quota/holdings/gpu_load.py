"""The load of one GPU: what it holds in promises, and what may still be promised there."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from sublet_quota.amounts.gpu_amounts import NOTHING, WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.amounts.node_amounts import NOTHING_OF_NODE, NodeAmount
from sublet_quota.document.sections import Pool
from sublet_quota.names.ids import GpuId, GroupName, JobId, NodeId, PoolName, SliceId, UserName
from sublet_quota.residency.snapshot import Holder, Rank
from sublet_quota.shares.cards import cards_of
from sublet_quota.shares.lots import lot_of

LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
"""Since when a slice is there of which it is not known."""


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """A GPU, as its agent describes it."""

    gpu_id: GpuId
    node: NodeId
    index: int
    kind: GpuKind
    closed: str | None = None
    """Why the GPU takes no new slice (it fails, its agent is silent), or ``None``."""
    pause_only: bool = False
    """Whether a process that is no slice's runs there: nothing can be suspended, so nothing is
    overcommitted, and no guarantee is laid out.
    """
    closed_by_hand: bool = False
    """Whether an admin, or the quota document, closed it: it opens at ``closed_until``, or when one
    opens it.
    """
    closed_until: datetime | None = None
    """When it opens by itself, where that is said."""
    closed_for_good: bool = False
    """Whether it has failed, so that it opens only after an admin has seen to it."""


@dataclass(frozen=True, slots=True)
class AsBefore:
    """A slice that goes on counting as before a guarantee or a limit became less."""

    until: datetime
    steps: int
    """To how many steps of its group's path it was entitled."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A slice that is handed out: what it takes, from where, and who pays."""

    slice_id: SliceId
    owner: UserName
    holder: Holder
    gpu_id: GpuId
    pool: PoolName
    amount: GpuAmount
    group: GroupName | None = None
    """The group that pays; ``None``: nobody's, the direct members of the root."""
    named: bool = False
    """Whether the owner named the group: then no other one pays."""
    member_of: tuple[GroupName, ...] = ()
    """The groups that could pay, as the owner is a direct member of each."""
    since: datetime = LONG_AGO
    unsuspendable: bool = False
    """Whether the slice can be paused, but never suspended: its cap cannot be overcommitted."""
    called_back: bool = False
    """Whether the slice lost its place on the GPU to an entitled one, and waits for room."""
    before: AsBefore | None = None
    """What the slice counts as while its grace lasts, after a guarantee became less."""
    job_rank: Rank = Rank.BORROWED
    """How a job is entitled of which it is a slice, as that was found last."""
    job_id: JobId | None = None
    """The job that it is of: one that runs on several cards has as many slices."""
    held_back: bool = False
    """Whether it is a job's of which another has taken the place, below a limit or on its GPU: it
    stands still.
    """
    fills_in_for: tuple[JobId, ...] = ()
    """The jobs that it passed when it began, where it is a job's: it is suspended for these."""
    takes: NodeAmount = NOTHING_OF_NODE
    """What its server, or its part of a job, takes of the node, suspended or not."""

    @property
    def age(self) -> tuple[datetime, int]:
        """What the oldest has the least of: since when it is held, then its lot."""
        return self.since, lot_of(self.slice_id)

    @property
    def is_notebook(self) -> bool:
        """Whether it is a slice of an owner, and no job's."""
        return self.holder is Holder.NOTEBOOK

    @property
    def entitled_job(self) -> bool:
        """Whether it is a job's within a guarantee, that runs: others are not promised its room."""
        return self.job_rank is not Rank.BORROWED and not self.held_back

    @property
    def job_by_right(self) -> bool:
        """Whether that is its own group's guarantee: it makes way for nothing borrowed."""
        return self.job_rank is Rank.ENTITLED and not self.held_back

    @property
    def can_leave(self) -> GpuAmount:
        """What of it leaves the GPU where it is called back: never memory that cannot."""
        return GpuAmount(0, self.amount.compute_milli) if self.unsuspendable else self.amount


@lru_cache(maxsize=4096)
def cards_on(amount: GpuAmount, kind: GpuKind) -> Fraction:
    """Return which part of a card of this kind an amount is, never more than a whole one."""
    return cards_of(amount.lesser(GpuAmount(kind.usable_mib, WHOLE_GPU_MILLI)), kind)


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """The slices of one GPU, added up. Jobs are apart: they use what is lent, and give it back."""

    notebooks: GpuAmount = NOTHING
    slices: int = 0
    unsuspendable_mib: int = 0
    called_back: GpuAmount = NOTHING
    """The part of ``notebooks`` that lost its place here: it counts in no room for others, but
    for the memory that cannot leave.
    """
    jobs: GpuAmount = NOTHING
    job_slices: int = 0
    entitled_jobs: GpuAmount = NOTHING
    """The part of ``jobs`` that is within its groups' guarantees."""
    takes: NodeAmount = NOTHING_OF_NODE
    """What the notebooks' servers take of the node: pods of jobs make way for them."""

    def plus(self, holding: Holding) -> "GpuLoad":
        """Return the load with this slice too."""
        if not holding.is_notebook:
            return replace(
                self,
                jobs=self.jobs + holding.amount,
                job_slices=self.job_slices + 1,
                entitled_jobs=self.entitled_jobs + _of_entitled_job(holding),
            )
        return replace(
            self,
            notebooks=self.notebooks + holding.amount,
            slices=self.slices + 1,
            unsuspendable_mib=self.unsuspendable_mib + _fixed(holding),
            called_back=self.called_back + _away(holding),
            takes=self.takes + holding.takes,
        )

    def minus(self, holding: Holding) -> "GpuLoad":
        """Return the load without this slice."""
        if not holding.is_notebook:
            return replace(
                self,
                jobs=self.jobs - holding.amount,
                job_slices=self.job_slices - 1,
                entitled_jobs=self.entitled_jobs - _of_entitled_job(holding),
            )
        return replace(
            self,
            notebooks=self.notebooks - holding.amount,
            slices=self.slices - 1,
            unsuspendable_mib=self.unsuspendable_mib - _fixed(holding),
            called_back=self.called_back - _away(holding),
            takes=self.takes - holding.takes,
        )


def _fixed(holding: Holding) -> int:
    return holding.amount.memory_mib if holding.unsuspendable else 0


def _of_entitled_job(holding: Holding) -> GpuAmount:
    return holding.amount if holding.entitled_job else NOTHING


def _away(holding: Holding) -> GpuAmount:
    return holding.can_leave if holding.called_back else NOTHING


@dataclass(frozen=True, slots=True)
class GpuRoom:
    """The room that may still be promised on a GPU; below zero where too much is promised."""

    alone_mib: int
    """The room with which all slices fit on the GPU together."""
    alone_milli: int
    shared_mib: int
    """The room under the pool's overcommit: what was called back has lost its place."""
    shared_milli: int
    largest_mib: int
    """The room for one slice: what those that cannot be suspended leave of the GPU."""

    def with_more(self, amount: GpuAmount) -> "GpuRoom":
        """Return the room once so much has made way."""
        return replace(
            self,
            alone_mib=self.alone_mib + amount.memory_mib,
            alone_milli=self.alone_milli + amount.compute_milli,
            shared_mib=self.shared_mib + amount.memory_mib,
            shared_milli=self.shared_milli + amount.compute_milli,
        )

    def with_less(self, amount: GpuAmount) -> "GpuRoom":
        """Return the room once so much more is there, which makes way for nobody."""
        return GpuRoom(
            alone_mib=self.alone_mib - amount.memory_mib,
            alone_milli=self.alone_milli - amount.compute_milli,
            shared_mib=self.shared_mib - amount.memory_mib,
            shared_milli=self.shared_milli - amount.compute_milli,
            largest_mib=self.largest_mib - amount.memory_mib,
        )

    def takes_beside_all(self, amount: GpuAmount) -> bool:
        """Whether so much fits under the overcommit beside all that is there, and nobody leaves."""
        return (
            amount.memory_mib <= min(self.shared_mib, self.largest_mib)
            and amount.compute_milli <= self.shared_milli
        )

    def free(self, *, shared: bool) -> GpuAmount:
        """Return what one more slice could have; ``shared``: so that slices may take turns."""
        memory_mib = min(self.shared_mib, self.largest_mib) if shared else self.alone_mib
        compute_milli = self.shared_milli if shared else self.alone_milli
        return GpuAmount(max(0, memory_mib), max(0, compute_milli))


def room_on(facts: GpuFacts, load: GpuLoad, pool: Pool) -> GpuRoom:
    """Return what may still be promised on a GPU of ``pool``.

    Entitled jobs count as slices do; others have what is lent. A slice that cannot be suspended
    takes its whole cap for good: only what it leaves of the GPU is overcommitted. A factor of 1
    promises no more than fits beside the margin; a larger one counts from the GPU's whole memory,
    for slices take turns then in any case.
    """
    usable = facts.kind.usable_mib
    largest = usable - load.unsuspendable_mib
    overcommitted = pool.memory_overcommit > 1 and not facts.pause_only
    rest = facts.kind.memory_mib - load.unsuspendable_mib
    capacity = _times(rest, pool.memory_overcommit) if overcommitted and rest > 0 else largest
    all_here = load.notebooks + load.entitled_jobs
    here = all_here - load.called_back
    return GpuRoom(
        alone_mib=usable - all_here.memory_mib,
        alone_milli=WHOLE_GPU_MILLI - all_here.compute_milli,
        shared_mib=capacity - (here.memory_mib - load.unsuspendable_mib),
        shared_milli=_times(WHOLE_GPU_MILLI, pool.compute_overcommit) - here.compute_milli,
        largest_mib=largest,
    )


def _times(amount: int, factor: Decimal) -> int:
    return int(amount * factor)
