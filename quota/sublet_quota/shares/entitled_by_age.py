"""The entitled and the borrowed slices of one node, in the order of their age."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from itertools import chain
from typing import NamedTuple

from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.entitlement import PieceId


class Age(NamedTuple):
    """What goes by age: older ones sort first, and names decide nothing."""

    is_new: bool
    """False of what counts as before a guarantee became less: it comes before all others."""
    since: datetime
    lot: int
    piece_id: PieceId


@dataclass(slots=True)
class WaitingByAge:
    """What is borrowed at a node, by size: the oldest that fits is found among few."""

    _by_size: dict[Fraction, list[Age]] = field(default_factory=dict)

    def add(self, age: Age, cards: Fraction) -> None:
        """Enter a slice."""
        insort(self._by_size.setdefault(cards, []), age)

    def discard(self, age: Age, cards: Fraction) -> None:
        """Take a slice out."""
        ages = self._by_size[cards]
        del ages[bisect_left(ages, age)]
        if not ages:
            del self._by_size[cards]

    def within(self, most: Fraction | None) -> Iterator[Age]:
        """Yield the slices of at most this size, in no order; ``None``: all."""
        of_sizes = (ages for cards, ages in self._by_size.items() if most is None or cards <= most)
        return chain.from_iterable(of_sizes)

    def oldest_within(self, room: Fraction) -> Age | None:
        """Return the oldest slice of at most this size, or ``None``."""
        heads = (ages[0] for cards, ages in self._by_size.items() if cards <= room)
        return min(heads, default=None)


@dataclass(slots=True)
class KeptByAge:
    """What is entitled at a node and at no step below it."""

    sum: Fraction = NO_CARD
    _ages: list[Age] = field(default_factory=list)

    def add(self, age: Age, cards: Fraction) -> None:
        """Enter a slice."""
        insort(self._ages, age)
        self.sum += cards

    def discard(self, age: Age, cards: Fraction) -> None:
        """Take a slice out."""
        del self._ages[bisect_left(self._ages, age)]
        self.sum -= cards

    def __iter__(self) -> Iterator[Age]:
        """Yield the slices, the oldest first."""
        return iter(tuple(self._ages))
