"""Turns of computing: in each period everybody has one, as long as what is due to them.

Where these are not to have all of the card, the rest of each period is nobody's; of a rest that
would be shorter than a switch is worth some periods have more, and are longer, the others none.

A turn that would be shorter than a switch is worth comes in each second, fourth, eighth or
sixteenth period only, and is longer then; but in every one where somebody waits for a cell. So a
cell waits one period at most, and nobody longer than ``RAREST`` periods, also where turns change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Final

from sublet_quota.compute.card_use import ComputingSlice
from sublet_quota.names.ids import SliceId

SHORTEST: Final = timedelta(milliseconds=5)
"""The shortest turn: some times what a switch costs, 1 to 2 ms."""
RAREST: Final = 16
"""In one of so many periods everybody has a turn."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One slice computes, or none, and all others that take turns are paused."""

    slice_id: SliceId | None
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a slice in the round."""

    slice_id: SliceId
    lasts: timedelta
    every: int = 1
    """In each how manyth period the slice has its turn."""


@dataclass(frozen=True, slots=True)
class Round:
    """Who takes turns, in their order. Whoever is not named runs at all times."""

    places: tuple[Place, ...]
    idle: timedelta = timedelta(0)
    """For how long none of them runs, in each of some periods."""
    idle_every: int = 1
    """In each how manyth period that is."""

    @property
    def who(self) -> frozenset[SliceId]:
        """The slices that take turns."""
        return frozenset(place.slice_id for place in self.places)

    @property
    def parts(self) -> dict[SliceId, float]:
        """The part of the time that is each one's turn."""
        each = {place.slice_id: place.lasts / place.every for place in self.places}
        total = sum(each.values(), self.idle / self.idle_every)
        return {slice_id: part / total for slice_id, part in each.items()}

    @property
    def idle_part(self) -> float:
        """The part of the time that is nobody's turn."""
        return max(0.0, 1.0 - sum(self.parts.values())) if self.idle else 0.0

    def period(self, number: int) -> tuple[Turn, ...]:
        """Return the turns of one period, by its number from 0 on."""
        turns = tuple(
            Turn(place.slice_id, place.lasts)
            for index, place in enumerate(self.places)
            if (number + index) % place.every == 0
        )
        is_idle = self.idle and number % self.idle_every == 0
        return (*turns, Turn(None, self.idle)) if is_idle else turns


def fits_a_period(slices: int, period: timedelta) -> bool:
    """Whether so many slices may each have a turn in one period."""
    return slices * SHORTEST <= period


def least_idle(period: timedelta) -> Fraction:
    """Return the least part of the time that can be nobody's."""
    return Fraction(SHORTEST / period) / (RAREST - 1)


def make_round(
    slices: Sequence[ComputingSlice], parts: Mapping[SliceId, Fraction], period: timedelta
) -> Round:
    """Return the turns of these slices, in their order, by the part that each is to have.

    Where these come to less than one, the rest is nobody's, if it is worth a switch.
    """
    idle = period * (1.0 - float(sum(parts.values())))
    idle_every = 1
    while idle * idle_every < SHORTEST and idle_every < RAREST:
        idle_every *= 2
    if idle * idle_every < SHORTEST:
        idle, idle_every = timedelta(0), 1
    places = []
    for each in slices:
        lasts = period * float(parts[each.slice_id])
        every = 1
        while lasts * every < SHORTEST and every < RAREST and not each.runs_a_cell:
            every *= 2
        places.append(Place(each.slice_id, max(SHORTEST, lasts * every), every))
    longest = sum((place.lasts for place in places), timedelta(0))
    if idle:
        # Nobody's part is as long, also in a period in which a turn is left out.
        longest = sum((place.lasts / place.every for place in places), timedelta(0))
    scale = min(1.0, (period - idle) / longest)
    scaled = tuple(Place(p.slice_id, p.lasts * scale, p.every) for p in places)
    return Round(scaled, idle * idle_every, idle_every)
