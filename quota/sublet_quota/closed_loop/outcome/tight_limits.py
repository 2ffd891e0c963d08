"""Which limit would have refused a stated part of the hours that were held.

What is held beyond a limit at a moment is what would have been refused then: so a limit is found
from how much was held for how long, of a group together, or of each of its members.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Final

from sublet_quota.closed_loop.outcome.report import TightLimit
from sublet_quota.closed_loop.outcome.waits import by_name
from sublet_quota.closed_loop.record.records import HeldSlice
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.shares.cards import in_units, whole_units

REFUSED: Final = Fraction(1, 100)
_US_PER_H: Final = 3_600_000_000


@dataclass(slots=True)
class _Level:
    """How much is held, and since when."""

    units: int = 0
    since_us: int = 0

    def step(self, at_us: int, units: int, lasted_us: dict[int, int]) -> None:
        if self.units and at_us > self.since_us:
            lasted_us[self.units] += at_us - self.since_us
        self.units += units
        self.since_us = at_us


@dataclass(slots=True)
class _Payer:
    """What one group holds: together, and each member; and for how long how much was held."""

    now: _Level = field(default_factory=_Level)
    each: dict[str, _Level] = field(default_factory=dict)
    lasted_us: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    each_lasted_us: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))


class HeldLevels:
    """For how long how much was held, of steps that are told in the order of their times.

    Of a step nothing is kept but what is held after it.
    """

    def __init__(self, units_of_card: int) -> None:
        """``units_of_card``: how many of the units in which it is told what is held are a card."""
        self._units_of_card = units_of_card
        self._payers: defaultdict[GroupName | None, _Payer] = defaultdict(_Payer)

    def step(self, group: GroupName | None, owner: UserName, at_us: int, units: int) -> None:
        """Take that an owner holds so much more, or less, at a group's expense from then on."""
        payer = self._payers[group]
        payer.now.step(at_us, units, payer.lasted_us)
        level = payer.each.get(owner)
        if level is None:
            level = payer.each[owner] = _Level()
        level.step(at_us, units, payer.each_lasted_us)
        if not level.units:
            del payer.each[owner]

    def end(self, at_us: int) -> None:
        """Take that nothing is told beyond a moment: what is held is held up to it."""
        for payer in self._payers.values():
            payer.now.step(at_us, 0, payer.lasted_us)
            for level in payer.each.values():
                level.step(at_us, 0, payer.each_lasted_us)

    def limits(self, part: Fraction) -> Iterator[TightLimit]:
        """Yield the limit of each payer's cards, and of each member's, that refuses a part."""
        for group in sorted(self._payers, key=by_name):
            payer = self._payers[group]
            for lasted_us, of_each in ((payer.lasted_us, False), (payer.each_lasted_us, True)):
                held = sum(units * lasted for units, lasted in lasted_us.items())
                if held:
                    yield TightLimit(
                        group=group,
                        of_each=of_each,
                        cards=float(_limit(lasted_us, held * part) / self._units_of_card),
                        most=float(Fraction(max(lasted_us), self._units_of_card)),
                        held_h=float(Fraction(held, self._units_of_card * _US_PER_H)),
                    )


def tight_limits(
    held: Iterable[HeldSlice], began: datetime, part: Fraction = REFUSED
) -> tuple[TightLimit, ...]:
    """Return the limit of each payer's cards, and of each member's, that refuses such a part."""
    slices = tuple(held)
    units = whole_units(one.cards for one in slices)
    steps = []
    for one in slices:
        cards = in_units(one.cards, units)
        for at, change in ((one.began, cards), (one.ended, -cards)):
            # In microseconds, which add up exactly.
            moment = round((at - began).total_seconds() * 1_000_000)
            steps.append((moment, one.who.owner, one.who.group, change))
    levels = HeldLevels(units)
    for moment, owner, group, change in sorted(steps, key=lambda step: step[0]):
        levels.step(group, owner, moment, change)
    return tuple(levels.limits(part))


def _limit(lasted_us: Mapping[int, int], refused: Fraction) -> Fraction:
    """Return the limit, in units, beyond which so many unit-microseconds were held."""
    rest, lasted = refused, 0
    falling = sorted(lasted_us, reverse=True)
    for level, below in zip(falling, [*falling[1:], 0], strict=True):
        lasted += lasted_us[level]
        if (level - below) * lasted >= rest:
            return level - rest / lasted
        rest -= (level - below) * lasted
    return Fraction(0)
