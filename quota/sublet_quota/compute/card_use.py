"""What was measured of a card's compute for a while: all that the policy of turns sees."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import Final

from sublet_quota.errors import SubletQuotaError
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.snapshot import Rank

CARD_MILLI: Final = 1000


class NotPausable(StrEnum):
    """Why a slice is left out of turns."""

    CANNOT_BE_PAUSED = "cannot-be-paused"
    """The driver refuses to pause a process of it, or did not answer."""
    LONG_KERNELS = "long-kernels"
    """It does not come to rest in time: a kernel that runs cannot be paused."""
    STANDS_STILL = "stands-still"
    """It is paused, suspended or on its way for another reason."""
    ON_SEVERAL_CARDS = "on-several-cards"
    """What it computes on other cards would wait for what is paused here."""
    KEPT_BY_ENGINE = "kept-by-engine"
    """The engine that shares the card on Kubernetes keeps its share, and it is left to that."""


@dataclass(frozen=True, slots=True)
class ComputingSlice:
    """A slice that may compute on the card."""

    slice_id: SliceId
    share_milli: int
    """Its share of the card by which it weighs, in milli-GPU."""
    used: float | None
    """The part of the card's time that it had, 0 to 1; ``None``: the card does not tell."""
    rank: Rank = Rank.BORROWED
    """By which right the slice is on the card."""
    is_job: bool = False
    runs_a_cell: bool = False
    """Whether somebody waits for a cell of it that runs."""
    not_pausable: NotPausable | None = None
    stopped: bool = False
    """Whether all of its programs were stopped (SIGSTOP), whatever it was to do."""
    most_milli: int | None = None
    """How much of the card it may have at most, in milli-GPU, also alone; no less than its share.
    ``None``: all.
    """
    turns: float | None = None
    """The part of the card's time in which it certainly had its turns; ``None``: as was decided."""

    def __post_init__(self) -> None:
        """Refuse what nobody can have measured."""
        if self.share_milli < 0 or (self.used is not None and not 0 <= self.used <= 1):
            message = f"slice {self.slice_id}: a share or a use is out of bounds"
            raise SubletQuotaError(message)

    @property
    def weight(self) -> int:
        """What the slice weighs beside others: one with no share at all hardly anything."""
        return max(1, self.share_milli)

    @property
    def cap(self) -> Fraction:
        """The part of the card that it may have at most; 1: all."""
        if self.most_milli is None:
            return Fraction(1)
        return min(Fraction(1), Fraction(max(self.most_milli, self.weight), CARD_MILLI))


@dataclass(frozen=True, slots=True)
class CardUse:
    """A card as it was measured, with every slice that may run there."""

    measured_from: datetime
    """The begin of the stretch that the figures are of."""
    now: datetime
    """Its end."""
    busy: float | None
    """The part of it in which the card was busy at all; ``None``: the card does not tell."""
    slices: tuple[ComputingSlice, ...]
    moving: bool = False
    """Whether memory is being moved on the card, or is about to: nobody takes turns then."""
    closed: bool = False
    """Whether the card has failed: nobody takes turns there."""
    foreign: float = 0.0
    """The part of its time that was used by what belongs to no slice of it, as far as that is told.
    """
    turned: float | None = None
    """The part of it in which turns were taken at all; ``None``: as was decided."""

    def __iter__(self) -> Iterator[ComputingSlice]:
        """Yield the slices."""
        return iter(self.slices)
