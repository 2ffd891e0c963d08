"""From periods of one size to hours, added up by owner, group, type, day and the like. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final, assert_never

from sublet_quota.wire.use import UseKey

from sublet_hub.ledger.held_periods import HeldPeriod

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_HOURS_OF_DAY: Final = 24
_MIB_PER_GIB: Final = 1024
_CARD_PARTS: Final = 10**9
"""In how many parts of a card a slice is counted over whole days."""


class TooManySumsError(Exception):
    """There would be more sums than whoever asked takes."""


@dataclass(slots=True)
class HeldHours:
    """A sum of hours."""

    slices: float = 0.0
    cards: float = 0.0
    memory_gib: float = 0.0

    def add(self, hours: float, slices: float, cards: float, memory_gib: float) -> None:
        """Add what so many slices came to in so many hours."""
        self.slices += hours * slices
        self.cards += hours * cards
        self.memory_gib += hours * memory_gib


@dataclass(slots=True)
class _WholeDays:
    """By day, how much more is held on the whole of it than on the day before.

    What is held for a year is so noted twice, not once a day; in integers, which leave no rest.
    """

    slices: defaultdict[date, int] = field(default_factory=lambda: defaultdict(int))
    cards: defaultdict[date, int] = field(default_factory=lambda: defaultdict(int))
    memory_mib: defaultdict[date, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, first: date, end: date, period: HeldPeriod) -> None:
        cards = round(float(period.cards) * _CARD_PARTS)
        for day, sign in ((first, 1), (end, -1)):
            self.slices[day] += sign
            self.cards[day] += sign * cards
            self.memory_mib[day] += sign * period.memory_mib

    def by_day(self) -> Iterator[tuple[date, int, float, float]]:
        """Go through the days on which something was held, with how much that was."""
        slices = cards = memory_mib = 0
        days = sorted(self.slices)
        for first, end in pairwise(days):
            slices += self.slices[first]
            cards += self.cards[first]
            memory_mib += self.memory_mib[first]
            day = first
            while slices and day < end:
                yield day, slices, cards / _CARD_PARTS, memory_mib / _MIB_PER_GIB
                day += _DAY


def held_hours(
    periods: Iterable[HeldPeriod],
    since: datetime,
    until: datetime,
    by: Sequence[UseKey],
    most: int | None = None,
) -> dict[tuple[str, ...], HeldHours]:
    """Return the hours between two times by the values of ``by``; open periods last to the end.

    ``TooManySumsError`` where that would be more than ``most`` sums.
    """
    sums: defaultdict[tuple[str, ...], HeldHours] = defaultdict(HeldHours)
    whole: defaultdict[tuple[str, ...], _WholeDays] = defaultdict(_WholeDays)
    day_at = by.index(UseKey.DAY) if UseKey.DAY in by else None
    for period in periods:
        began = max(period.began_at, since)
        ended = until if period.ended_at is None else min(period.ended_at, until)
        if ended <= began:
            continue
        values = tuple(_value(period, began, key) for key in by)
        part = float(period.cards), period.memory_mib / _MIB_PER_GIB
        first, last = began.date(), ended.date()
        if day_at is None or first == last:
            sums[values].add((ended - began) / _HOUR, 1, *part)
        else:
            sums[values].add((_midnight(first + _DAY) - began) / _HOUR, 1, *part)
            if ended > _midnight(last):
                at_end = _of_day(values, day_at, last)
                sums[at_end].add((ended - _midnight(last)) / _HOUR, 1, *part)
            if first + _DAY < last:
                whole[_of_day(values, day_at, None)].add(first + _DAY, last, period)
        if most is not None and max(len(sums), len(whole)) > most:
            raise TooManySumsError
    for values, days in whole.items():
        for day, *held in days.by_day():
            sums[_of_day(values, day_at, day)].add(_HOURS_OF_DAY, *held)
            if most is not None and len(sums) > most:
                raise TooManySumsError
    return dict(sums)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _of_day(values: tuple[str, ...], day_at: int | None, day: date | None) -> tuple[str, ...]:
    """Return the values of another day; without one, of any."""
    if day_at is None:
        return values
    return (*values[:day_at], "" if day is None else day.isoformat(), *values[day_at + 1 :])


def _value(period: HeldPeriod, at: datetime, key: UseKey) -> str:
    match key:
        case UseKey.OWNER:
            return period.owner
        case UseKey.GROUP:
            return period.group or ""
        case UseKey.TYPE:
            return period.gpu_type or ""
        case UseKey.POOL:
            return period.pool
        case UseKey.NODE:
            return period.node or ""
        case UseKey.HOLDER:
            return period.holder
        case UseKey.DAY:
            return at.date().isoformat()
        case UseKey.KIND:
            # What became of a period is not known here: all kinds are one.
            return ""
        case _:
            assert_never(key)
