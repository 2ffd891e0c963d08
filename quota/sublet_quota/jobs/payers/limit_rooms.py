"""What a limit leaves, as whole numbers: whether a job passes it is asked in a few comparisons."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import cards_on
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts

_Ratio = tuple[int, int]
_KNOWN: Final = 4096


class Asked(NamedTuple):
    """What a job asks for on cards of one type: a fraction of cards, MiB, and slices."""

    gpu_type: str
    cards: int
    of: int
    """In how many parts of a card the cards are told."""
    memory_mib: int
    slices: int


@dataclass(frozen=True, slots=True)
class FreedRoom:
    """What counts no longer in the limits of these groups."""

    nodes: AbstractSet[NodeName]
    freed: Asked


@dataclass(frozen=True, slots=True)
class LimitRoom:
    """What a limit leaves to one more job; where nothing is said, ``None``."""

    types: Mapping[str, _Ratio]
    cards: _Ratio | None
    memory_mib: int | None
    slices: int | None
    is_exact: bool
    """Whether what is freed adds to that alone: no job that is held back waits for it, too."""

    def is_passed_by(self, asked: Asked) -> bool:
        """Whether a job is more than that in anything."""
        _, cards, of, memory_mib, slices = asked
        if self.types:
            room = self.types.get(asked.gpu_type)
            if room is not None and cards * room[1] > room[0] * of:
                return True
        room = self.cards
        if room is not None and cards * room[1] > room[0] * of:
            return True
        return (self.memory_mib is not None and memory_mib > self.memory_mib) or (
            self.slices is not None and slices > self.slices
        )

    def may_do_with(self, freed: Asked, asked: Asked) -> bool:
        """Whether a job may not be more once that much is freed."""
        if not self.is_exact:
            return True
        types = {**self.types}
        if freed.gpu_type in types:
            types[freed.gpu_type] = _plus(types[freed.gpu_type], freed)
        more = LimitRoom(
            types,
            None if self.cards is None else _plus(self.cards, freed),
            None if self.memory_mib is None else self.memory_mib + freed.memory_mib,
            None if self.slices is None else self.slices + freed.slices,
            is_exact=True,
        )
        return not more.is_passed_by(asked)


def _plus(room: _Ratio, freed: Asked) -> _Ratio:
    return room[0] * freed.of + freed.cards * room[1], room[1] * freed.of


def ratio(cards: Fraction) -> _Ratio:
    """Return a number of cards as two whole numbers."""
    return cards.numerator, cards.denominator


@lru_cache(maxsize=_KNOWN)
def _amounts(
    memory_mib: int | None, compute_milli: int, gpus: int, kind: GpuKind, gpu_type: str
) -> tuple[Amounts, Asked]:
    on_one = GpuAmount(kind.usable_mib if memory_mib is None else memory_mib, compute_milli)
    cards = gpus * cards_on(on_one, kind)
    of_all = on_one.memory_mib * gpus
    asked = Asked(gpu_type, *ratio(cards), of_all, gpus)
    return Amounts({gpu_type: cards}, of_all, gpus), asked


def amounts_of(job: WaitingJob, kind: GpuKind, gpu_type: str) -> Amounts:
    """Return a job as limits count it: on each card it counts as one slice."""
    return _amounts(job.memory_mib, job.compute_milli, job.gpus, kind, gpu_type)[0]


def asked_of(job: WaitingJob, kind: GpuKind, gpu_type: str) -> Asked:
    """Return the same in whole numbers."""
    return _amounts(job.memory_mib, job.compute_milli, job.gpus, kind, gpu_type)[1]
