"""From periods of one size to hours, added up by owner, group, type, day and the like. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final, assert_never

from sublet_quota.wire.use import UseKey

from sublet_hub.ledger.held_periods import HeldPeriod
from sublet_hub.usage.buckets import TIME_KEYS, Span, after, begin_of, label_of

_HOUR: Final = timedelta(hours=1)
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
class _Whole:
    """By when an hour, day or week begins, how much more is held on the whole of it than before.

    What is held for a year is so noted twice, not once a day; in integers, which leave no rest.
    """

    slices: defaultdict[datetime, int] = field(default_factory=lambda: defaultdict(int))
    cards: defaultdict[datetime, int] = field(default_factory=lambda: defaultdict(int))
    memory_mib: defaultdict[datetime, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, first: datetime, end: datetime, period: HeldPeriod) -> None:
        cards = round(float(period.cards) * _CARD_PARTS)
        for begin, sign in ((first, 1), (end, -1)):
            self.slices[begin] += sign
            self.cards[begin] += sign * cards
            self.memory_mib[begin] += sign * period.memory_mib

    def each(
        self, key: UseKey, zone: tzinfo
    ) -> Iterator[tuple[datetime, float, int, float, float]]:
        """Go through those on which something was held, with their hours and how much it was."""
        slices = cards = memory_mib = 0
        for first, end in pairwise(sorted(self.slices)):
            slices += self.slices[first]
            cards += self.cards[first]
            memory_mib += self.memory_mib[first]
            begin = first
            while slices and begin < end:
                following = after(key, begin, zone)
                lasts_h = (following - begin) / _HOUR
                yield begin, lasts_h, slices, cards / _CARD_PARTS, memory_mib / _MIB_PER_GIB
                begin = following


def held_hours(
    periods: Iterable[HeldPeriod], span: Span, by: Sequence[UseKey], most: int | None = None
) -> dict[tuple[str, ...], HeldHours]:
    """Return the hours between two times by the values of ``by``; open periods last to the end.

    One of ``by`` at most is an hour, day or week. ``TooManySumsError`` where that would be more
    than ``most`` sums.
    """
    places = ((key, at) for at, key in enumerate(by) if key in TIME_KEYS)
    key, place = next(places, (None, 0))
    in_time = None if key is None else _InTime(key, span.zone, place)
    sums = _Sums(most)
    for period in periods:
        began = max(period.began_at, span.since)
        ended = span.until if period.ended_at is None else min(period.ended_at, span.until)
        if ended <= began:
            continue
        values = tuple(_value(period, each) for each in by)
        if in_time is None:
            sums.add(values, (ended - began) / _HOUR, period)
        else:
            sums.add_in_time(values, in_time, (began, ended), period)
    if in_time is not None:
        sums.add_whole(in_time)
    return dict(sums.found)


@dataclass(frozen=True, slots=True)
class _InTime:
    """By hours, days or weeks, and where among the values these stand."""

    key: UseKey
    zone: tzinfo
    place: int

    def of(self, values: tuple[str, ...], at: datetime) -> tuple[str, ...]:
        """Return the values with the one of a moment."""
        label = label_of(self.key, at, self.zone)
        return (*values[: self.place], label, *values[self.place + 1 :])


class _Sums:
    """The hours found so far."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self.found: defaultdict[tuple[str, ...], HeldHours] = defaultdict(HeldHours)
        self._whole: defaultdict[tuple[str, ...], _Whole] = defaultdict(_Whole)

    def add(self, values: tuple[str, ...], hours: float, period: HeldPeriod) -> None:
        """Add what a period comes to in so many hours. ``TooManySumsError``."""
        memory_gib = period.memory_mib / _MIB_PER_GIB
        self.found[values].add(hours, 1, float(period.cards), memory_gib)
        self._bound(len(self.found))

    def add_in_time(
        self,
        values: tuple[str, ...],
        in_time: _InTime,
        times: tuple[datetime, datetime],
        period: HeldPeriod,
    ) -> None:
        """Add a period's first and last hour, day or week, and note those between."""
        key, zone, (began, ended) = in_time.key, in_time.zone, times
        following = after(key, begin_of(key, began, zone), zone)
        last = begin_of(key, ended, zone)
        self.add(in_time.of(values, began), (min(following, ended) - began) / _HOUR, period)
        if ended > last >= following:
            self.add(in_time.of(values, last), (ended - last) / _HOUR, period)
        if following < last:
            self._whole[values].add(following, last, period)
            self._bound(len(self._whole))

    def add_whole(self, in_time: _InTime) -> None:
        """Add what was noted. ``TooManySumsError``."""
        for values, held in self._whole.items():
            for begin, *hours in held.each(in_time.key, in_time.zone):
                self.found[in_time.of(values, begin)].add(*hours)
                self._bound(len(self.found))

    def _bound(self, number: int) -> None:
        if self._most is not None and number > self._most:
            raise TooManySumsError


def _value(period: HeldPeriod, key: UseKey) -> str:
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
        case UseKey.HOUR | UseKey.DAY | UseKey.WEEK | UseKey.KIND:
            # Times are not of a period as a whole; and what became of it is not known here.
            return ""
        case _:
            assert_never(key)
