"""Turns of computing: in each period everybody has one, as long as what is due to them.

Where these are not to have all of the card, the rest of each period is nobody's; of a rest that
would be shorter than a switch is worth some periods have more, and are longer, the others none.

A turn that would be shorter than a switch is worth comes in each second, fourth, eighth or
sixteenth period only, and is longer then; but in every one where somebody waits for a cell. So a
cell waits one period at most, and nobody longer than ``RAREST`` periods, also where turns change:
where others take them, or in another order, all run for a moment in between.

Who has an open turn runs beside the others for a stretch of each period, whosever turn it is, and
is paused in the rest of it. A short one is rarer, and a cell waits one period at most, too. Such
stretches follow one another, so that two meet only where there is not room for both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Final

from sublet_quota.compute.card_use import ComputingSlice
from sublet_quota.names.ids import SliceId

SHORTEST: Final = timedelta(milliseconds=5)
"""The shortest turn: some times what a switch costs, 1 to 2 ms."""
RAREST: Final = 16
"""In one of so many periods everybody has a turn."""
_SHIFTS: Final = 20
"""In so many periods an open turn goes once around."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One slice computes, or none, and all others that take turns are paused."""

    slice_id: SliceId | None
    lasts: timedelta
    beside: frozenset[SliceId] = frozenset()
    """Who runs beside that slice, as it is their open turn, too."""

    @property
    def runs(self) -> frozenset[SliceId]:
        """The slices that are not paused."""
        return self.beside if self.slice_id is None else self.beside | {self.slice_id}


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a slice in the round."""

    slice_id: SliceId
    lasts: timedelta
    every: int = 1
    """In each how manyth period the slice has its turn."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of a period in which a slice runs beside others."""

    slice_id: SliceId
    begins: timedelta
    ends: timedelta


@dataclass(frozen=True, slots=True)
class Round:
    """Who takes turns, in their order. Whoever is not named runs at all times."""

    places: tuple[Place, ...]
    idle: timedelta = timedelta(0)
    """For how long none of them runs, in each of some periods."""
    idle_every: int = 1
    """In each how manyth period that is."""
    opened: tuple[Place, ...] = ()
    """Who runs beside the others for so long, and is paused in the rest of the period."""

    @property
    def who(self) -> frozenset[SliceId]:
        """The slices that take turns, open ones or not."""
        return self.closed_ones | self.opened_ones

    @property
    def closed_ones(self) -> frozenset[SliceId]:
        """The slices that take turns one after another, and no open ones."""
        return frozenset(place.slice_id for place in self.places)

    @property
    def opened_ones(self) -> frozenset[SliceId]:
        """The slices that have open turns."""
        return frozenset(place.slice_id for place in self.opened)

    @property
    def order(self) -> tuple[tuple[SliceId, ...], tuple[SliceId, ...]]:
        """Who comes after whom, of those that take turns one after another and of the others."""
        closed = tuple(place.slice_id for place in self.places)
        return closed, tuple(place.slice_id for place in self.opened)

    @property
    def parts(self) -> dict[SliceId, float]:
        """The part of the time that is each one's turn, of those who take no open ones."""
        each = {place.slice_id: place.lasts / place.every for place in self.places}
        total = sum(each.values(), self.idle / self.idle_every)
        return {slice_id: part / total for slice_id, part in each.items()}

    @property
    def open_parts(self) -> dict[SliceId, float]:
        """The part of the time that is each one's open turn."""
        lasts = (place.lasts / place.every for place in self.places)
        whole = sum(lasts, self.idle / self.idle_every)
        return {place.slice_id: place.lasts / place.every / whole for place in self.opened}

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
        turns = (*turns, Turn(None, self.idle)) if is_idle else turns
        return _opened(turns, self._stretches(number, turns)) if self.opened else turns

    def _stretches(self, number: int, turns: Sequence[Turn]) -> tuple[_Stretch, ...]:
        """Return the open turns of a period, one after another and over its end to its begin.

        In each period they come somewhat later than in the last, so that they are beside everybody
        alike; by no more than the shortest lasts, so that nobody waits for one longer than a
        period, also where they change.
        """
        whole = sum((turn.lasts for turn in turns), timedelta(0))
        begins, stretches = number % _SHIFTS * whole / _SHIFTS, []
        for index, place in enumerate(self.opened):
            ends = begins + min(place.lasts, whole)
            if (number + index) % place.every == 0:
                stretches.append(_Stretch(place.slice_id, begins, min(ends, whole)))
                if ends > whole:
                    stretches.append(_Stretch(place.slice_id, timedelta(0), ends - whole))
            # Also where this one has none: the next one's comes at its time.
            begins = ends if ends < whole else ends - whole
        return tuple(stretches)


def _opened(turns: Sequence[Turn], stretches: Sequence[_Stretch]) -> tuple[Turn, ...]:
    """Return turns, cut where somebody begins to run beside, or ends."""
    cuts = sorted({cut for each in stretches for cut in (each.begins, each.ends)})
    cut_turns, begins = [], timedelta(0)
    for turn in turns:
        ends = begins + turn.lasts
        marks = [begins, *(cut for cut in cuts if begins < cut < ends), ends]
        for since, until in pairwise(marks):
            beside = frozenset(s.slice_id for s in stretches if s.begins <= since < s.ends)
            cut_turns.append(Turn(turn.slice_id, until - since, beside))
        begins = ends
    return tuple(cut_turns)


def turns_between(before: Round, after: Round) -> tuple[Turn, ...]:
    """Return the turns that are taken from the last period of one round to the first of another.

    Where others take them, a turn may come late in its period that came early in the one before:
    so that nobody waits for both, all run meanwhile.
    """
    if before.order == after.order:
        return ()
    return (Turn(None, SHORTEST, after.who),)


def fits_a_period(slices: int, period: timedelta) -> bool:
    """Whether so many slices may each have a turn in one period."""
    return slices * SHORTEST <= period


def room_beside(slices: int, period: timedelta) -> int:
    """Return how many more fit into a period than so many slices."""
    return max(0, period // SHORTEST - slices)


def least_idle(period: timedelta) -> Fraction:
    """Return the least part of the time that can be nobody's."""
    return Fraction(SHORTEST / period) / (RAREST - 1)


def make_round(
    slices: Sequence[ComputingSlice],
    parts: Mapping[SliceId, Fraction],
    period: timedelta,
    opened: Sequence[ComputingSlice] = (),
) -> Round:
    """Return the turns of these slices, in their order, by the part that each is to have.

    Where these come to less than one, the rest is nobody's, if it is worth a switch. ``opened``:
    who runs beside them for the part that it is to have.
    """
    idle = period * (1.0 - float(sum(parts[each.slice_id] for each in slices)))
    idle_every = 1
    while idle * idle_every < SHORTEST and idle_every < RAREST:
        idle_every *= 2
    if idle * idle_every < SHORTEST:
        idle, idle_every = timedelta(0), 1
    places = [_place(each, period * float(parts[each.slice_id])) for each in slices]
    longest = sum((place.lasts for place in places), timedelta(0))
    if idle:
        # Nobody's part is as long, also in a period in which a turn is left out.
        longest = sum((place.lasts / place.every for place in places), timedelta(0))
    scale = min(1.0, (period - idle) / longest)
    scaled = tuple(Place(p.slice_id, p.lasts * scale, p.every) for p in places)
    beside = tuple(_place(each, period * float(parts[each.slice_id])) for each in opened)
    return Round(scaled, idle * idle_every, idle_every, beside)


def _place(each: ComputingSlice, lasts: timedelta) -> Place:
    every = 1
    while lasts * every < SHORTEST and every < RAREST and not each.runs_a_cell:
        every *= 2
    return Place(each.slice_id, max(SHORTEST, lasts * every), every)
