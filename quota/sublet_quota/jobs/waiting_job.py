"""A job that waits for room: what it asks for, who pays, and where rights let it run."""

from collections.abc import Hashable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from fractions import Fraction
from operator import attrgetter
from typing import Final

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import cards_on
from sublet_quota.names.ids import GroupName, JobId, NodeId, UserName
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.past_use import NO_TIME


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A job that waits, or one that has its place and is ordered beside others."""

    job_id: JobId
    owner: UserName
    memory_mib: int | None
    """The memory on each GPU; ``None``: the whole GPU."""
    compute_milli: int
    gpu_type: str | None
    """A type of the quota document, the model's name, or a pattern for it."""
    priority: int
    submitted_at: datetime
    gpus: int = 1
    """The number of GPUs, each with as much of its memory and compute."""
    node: NodeId | None = None
    """The node where alone the job can run, as its owner's files are in use there; ``None``: any.
    """
    hub_groups: tuple[str, ...] = ()
    """The owner's groups in the hub: by these are the owner's own rights."""
    group: GroupName | None = None
    """Who pays; ``None``: no group."""
    lot: int = 0
    """Drawn at submission, and kept: decides exact ties."""
    estimate: timedelta = NO_TIME
    """How long one attempt is thought to last (``past_uses.estimate_of``)."""
    max_run: timedelta | None = None
    """How long one attempt may last; ``None``: not known."""
    kinds: frozenset[GpuKind] | None = None
    """The kinds of GPU where the payer's rights let the job run; ``None``: all."""
    instead: tuple["WaitingJob", ...] = ()
    """The same job at the expense of other groups of its owner's, who named none."""
    rank: Rank = Rank.BORROWED
    """How the job is entitled, by its place in the order (``job_order``)."""
    entitled_on: str | None = None
    """The GPU type of which the job is entitled to its cards."""

    @property
    def wish(self) -> Hashable:
        """All of a job but who it is: of two that are alike in it, one waits as the other does."""
        others = tuple(map(_PAYING, self.instead))
        return *_WISHED(self), others

    def memory_on(self, kind: GpuKind) -> int:
        """Return what the job takes of the memory of one GPU of a kind, in MiB."""
        return kind.usable_mib if self.memory_mib is None else self.memory_mib

    def amount_on(self, kind: GpuKind) -> GpuAmount:
        """Return what the job takes of one GPU of a kind."""
        return GpuAmount(self.memory_on(kind), self.compute_milli)

    def fits_on(self, kind: GpuKind) -> bool:
        """Whether an empty GPU of a kind is large enough."""
        return 0 < self.memory_on(kind) <= kind.usable_mib

    def may_run_on(self, kind: GpuKind) -> bool:
        """Whether rights let the job run on GPUs of a kind."""
        return self.kinds is None or kind in self.kinds

    def cards_on(self, kind: GpuKind) -> Fraction:
        """Return how many cards the job is, all its GPUs together; it fits on the kind."""
        cards = cards_on(self.amount_on(kind), kind)
        return cards if self.gpus == 1 else self.gpus * cards


def is_of_type(kind: GpuKind, gpu_type: str | None, asked: str | None) -> bool:
    """Whether GPUs of a kind are what is asked for; ``gpu_type`` is the document's name for them.

    Asked for is such a name, a model's name or a pattern for it; ``None``: any.
    """
    return asked is None or asked == gpu_type or kind.is_type(asked)


_OWN: Final = frozenset({"job_id", "submitted_at", "lot", "instead"})
"""What two jobs that are alike have each for itself."""
_WISHED: Final = attrgetter(*(each.name for each in fields(WaitingJob) if each.name not in _OWN))
_PAYING: Final = attrgetter("group", "kinds", "rank", "entitled_on")
"""In what a job at the expense of another group is another."""
