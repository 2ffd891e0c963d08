"""What a simulated card tells of what happens there, and what must never happen."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.closed_loop.card.slice_on_card import SliceOnCard
from sublet_quota.errors import SubletQuotaError
from sublet_quota.residency.snapshot import TransitionKind


class RuleBrokenError(SubletQuotaError):
    """The engine asked for something that must never happen."""


@dataclass(frozen=True, slots=True)
class Move:
    """The one move of memory under way."""

    slice: SliceOnCard
    kind: TransitionKind
    began: datetime
    ends: datetime
    leaves: bool = False
    """Whether the slice leaves for another card, and not for somebody's room on this one."""


@dataclass(frozen=True, slots=True)
class CardNews:
    """Who is told of what happens on a card."""

    runs: Callable[[SliceOnCard, datetime, datetime], None]
    """A slice computed from one moment to another."""
    works_on: Callable[[SliceOnCard, datetime], None]
    """A slice begins to compute."""
    has_done: Callable[[SliceOnCard], None]
    """The work of a slice is done."""
    was_off: Callable[[SliceOnCard, datetime, datetime], None]
    """A slice was not charged from one moment to another."""
    moves: Callable[[SliceOnCard, bool], None]
    """A slice's bytes begin to leave (or to come back)."""
