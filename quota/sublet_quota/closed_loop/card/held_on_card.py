"""What is held on simulated cards, and how time there is added up.

Every moment for which a slice is held is of one kind (``HeldKind``), as ``sublet use --by kind``
tells it, so what is held is exactly the sum of what is used, idle, lent and suspended.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from sublet_quota.budgets.charge import HeldKind
from sublet_quota.closed_loop.card.slice_on_card import SliceOnCard
from sublet_quota.closed_loop.record.records import HeldKey, Who
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId
from sublet_quota.residency.snapshot import Rank

_US: Final = timedelta(microseconds=1)
_HOUR_S: Final = 3600.0


@dataclass(slots=True)
class PlacedSlice:
    """A slice, and where it lies; ``cards``: which part of a card it is."""

    served: SliceOnCard
    who: Who
    gpu_id: GpuId
    cards: Fraction
    since: datetime
    """Since when it is here at the expense of who pays now."""
    worst: Rank = Rank.ENTITLED
    """The worst rank since its present cell was asked for."""


@dataclass(frozen=True, slots=True)
class HeldOnCard:
    """Who held what on one card, from one moment to another, while nothing changed there."""

    model: str
    slices: Sequence[PlacedSlice]
    began: datetime
    ended: datetime


def count_held(
    held_us: Counter[HeldKey], gpu_type: str, here: Sequence[PlacedSlice], length: timedelta
) -> None:
    """Add a time for which slices were on one card, and nothing changed there."""
    jobs = any(each.who.is_job and each.served.gate_open for each in here)
    length_us = length // _US
    for each in here:
        who, served, cards = each.who, each.served, each.cards
        key = HeldKey(
            who.group,
            who.is_job,
            gpu_type,
            _kind_of(served, lends=jobs),
            served.rank < Rank.BORROWED,
            cards.numerator,
            cards.denominator,
        )
        held_us[key] += length_us


def _kind_of(served: SliceOnCard, *, lends: bool) -> HeldKind:
    if served.runs_since is not None:
        return HeldKind.USED
    if lends and not served.is_job and not served.active:
        return HeldKind.LENT
    return HeldKind.SUSPENDED if served.state is SliceState.SUSPENDED else HeldKind.IDLE


def add_by_hour(
    hours: defaultdict[int, float], cards: float, since: timedelta, seconds: float
) -> None:
    """Add cards for a time, in seconds of a card, to each hour that it touches.

    ``since``: when the time began, from the beginning on.
    """
    began = since.total_seconds()
    ended = began + seconds
    hour = int(began // _HOUR_S)
    while began < ended:
        until = min(ended, (hour + 1) * _HOUR_S)
        hours[hour] += cards * (until - began)
        began, hour = until, hour + 1


def part_of_card(placed: Iterable[PlacedSlice]) -> float:
    """Return which part of a card slices are together: what is promised beyond it counts not."""
    above, below = 0, 1
    for each in placed:
        numerator, denominator = each.cards.as_integer_ratio()
        # As fractions are added, without one for each sum.
        if denominator == below:
            above += numerator
        else:
            above, below = above * denominator + numerator * below, below * denominator
    return min(above, below) / below
