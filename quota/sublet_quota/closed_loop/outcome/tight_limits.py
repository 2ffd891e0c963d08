"""Which limit would have refused a stated part of the hours that were held.

What is held beyond a limit at a moment is what would have been refused then: so a limit is found
from how much was held for how long, of a group together, or of each of its members.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Final

from sublet_quota.closed_loop.outcome.report import TightLimit
from sublet_quota.closed_loop.outcome.waits import by_name
from sublet_quota.closed_loop.record.records import HeldSlice
from sublet_quota.names.ids import GroupName

REFUSED: Final = Fraction(1, 100)
_US_PER_H: Final = 3_600_000_000

_Steps = list[tuple[int, Fraction]]


def tight_limits(
    held: Iterable[HeldSlice], began: datetime, part: Fraction = REFUSED
) -> tuple[TightLimit, ...]:
    """Return the limit of each payer's cards, and of each member's, that refuses such a part."""
    together: defaultdict[GroupName | None, _Steps] = defaultdict(list)
    each: defaultdict[GroupName | None, defaultdict[str, _Steps]] = defaultdict(
        lambda: defaultdict(list)
    )
    for one in held:
        group, cards = one.who.group, one.cards
        for at, change in ((one.began, cards), (one.ended, -cards)):
            # In microseconds, which add up exactly.
            moment = round((at - began).total_seconds() * 1_000_000)
            together[group].append((moment, change))
            each[group][one.who.owner].append((moment, change))
    return tuple(_limits(together, each, part))


def _limits(
    together: Mapping[GroupName | None, _Steps],
    each: Mapping[GroupName | None, Mapping[str, _Steps]],
    part: Fraction,
) -> Iterator[TightLimit]:
    for group in sorted(together, key=by_name):
        of_all = _levels([together[group]])
        of_persons = _levels(each[group].values())
        for levels, of_each in ((of_all, False), (of_persons, True)):
            hours = sum((cards * lasted for cards, lasted in levels.items()), Fraction(0))
            if hours:
                yield TightLimit(
                    group=group,
                    of_each=of_each,
                    cards=float(_limit(levels, hours * part)),
                    most=float(max(levels)),
                    held_h=float(hours / _US_PER_H),
                )


def _levels(of: Iterable[_Steps]) -> dict[Fraction, int]:
    """Return for how long how much was held, of some added up."""
    found: defaultdict[Fraction, int] = defaultdict(int)
    for steps in of:
        level, since = Fraction(0), 0
        for at, change in sorted(steps):
            if at > since and level:
                found[level] += at - since
            level, since = level + change, at
    return dict(found)


def _limit(levels: Mapping[Fraction, int], refused: Fraction) -> Fraction:
    """Return the limit beyond which so many card-microseconds were held."""
    rest, lasted = refused, 0
    falling = sorted(levels, reverse=True)
    for level, below in zip(falling, [*falling[1:], Fraction(0)], strict=True):
        lasted += levels[level]
        if (level - below) * lasted >= rest:
            return level - rest / lasted
        rest -= (level - below) * lasted
    return Fraction(0)
