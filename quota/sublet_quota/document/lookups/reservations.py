"""Reservations: guarantees between two times, added to their group's and to those above it.

One that would lift a guarantee above a limit is left out; a document in which that happens is
refused (``consistency.reserved``).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import groupby
from typing import Final

from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.problems import KeyPath
from sublet_quota.document.sections import GroupQuota, Reservation
from sublet_quota.document.value_kinds.reserved_time import Span
from sublet_quota.document.values import Unlimited
from sublet_quota.names.ids import GroupName

Groups = Mapping[str, GroupQuota]
_A_YEAR: Final = datetime(2026, 1, 5, tzinfo=UTC)
_DAYS_OF_A_YEAR: Final = 371
_DAYS_AROUND: Final = 3
_TWO_WEEKS: Final = 16
"""Days in which every weekly time begins and ends, even if clocks leave it out in one week."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A reservation that does not fit below a limit."""

    place: int
    """In the document's list."""
    limit: KeyPath
    guaranteed: Fraction
    """What the group of the limit would be guaranteed with it."""
    most: Fraction


@dataclass(frozen=True, slots=True)
class Reserved:
    """Groups with the reservations of a moment."""

    groups: dict[str, GroupQuota]
    origins: dict[KeyPath, KeyPath]
    left_out: tuple[LeftOut, ...]


def is_on(reservation: Reservation, now: datetime) -> bool:
    """Whether it is reserved at a moment."""
    return any(begin <= now < end for begin, end in _times(reservation, now))


def times_between(reservation: Reservation, begin: datetime, end: datetime) -> tuple[Span, ...]:
    """Return the times of a reservation of which a part lies between two moments, in order."""
    days = (end - begin).days + _DAYS_AROUND
    times = _times(reservation, begin, days)
    return tuple(sorted(each for each in times if each[0] < end and each[1] > begin))


def next_change_of(reservation: Reservation, now: datetime) -> datetime | None:
    """Return when a reservation begins or ends next."""
    moments = [each for times in _times(reservation, now) for each in times if each > now]
    return min(moments, default=None)


def next_time_of(reservation: Reservation, now: datetime) -> Span | None:
    """Return begin and end of the time that is on, else of the next; ``None``: it is over."""
    return min((each for each in _times(reservation, now) if each[1] > now), default=None)


@dataclass(frozen=True, slots=True)
class Coming:
    """A reservation that begins soon."""

    place: int
    """In the document's list."""
    reservation: Reservation
    begin: datetime
    end: datetime


def coming(
    reservations: Sequence[Reservation], now: datetime, within: timedelta
) -> tuple[Coming, ...]:
    """Return the reservations that are not on and begin within a time, the first one first."""
    found = [
        Coming(place, each, begin, end)
        for place, each in enumerate(reservations)
        for begin, end in _times(each, now)
        if now < begin <= now + within
    ]
    return tuple(sorted(found, key=lambda each: (each.begin, each.reservation.name)))


def _times(reservation: Reservation, now: datetime, days: int = _TWO_WEEKS) -> Iterator[Span]:
    at, zone, until = reservation.at, reservation.zone, reservation.until
    if at.day is not None:
        begin, end = at.on(at.day, zone)
        if begin < end and (until is None or at.day <= until):
            yield begin, end
        return
    for begin, end in at.around(now, zone, days):
        if until is None or begin.astimezone(zone).date() <= until:
            yield begin, end


def with_reservations(
    groups: dict[str, GroupQuota],
    paths: Mapping[GroupName, Sequence[GroupName]],
    reservations: Iterable[tuple[int, Reservation]],
) -> Reserved:
    """Return groups with these reservations, each with its place, in the order of their names."""
    origins: dict[KeyPath, KeyPath] = {}
    left_out: list[LeftOut] = []
    for place, reservation in sorted(reservations, key=lambda each: each[1].name):
        path = paths.get(GroupName(reservation.for_))
        if path is None:
            continue
        added = _added(groups, path, reservation.guaranteed)
        above = _above_a_limit(added, path, place)
        if above is not None:
            left_out.append(above)
            continue
        groups = added
        for length in range(1, len(path) + 1):
            for gpu_type in reservation.guaranteed:
                where = (*key_path(path[:length]), "guaranteed", gpu_type)
                origins[where] = ("reservations", place, "guaranteed", gpu_type)
    return Reserved(groups, origins, tuple(left_out))


def _added(
    groups: Groups, path: Sequence[GroupName], cards: Mapping[str, Fraction]
) -> dict[str, GroupQuota]:
    if not path:
        return dict(groups)
    group = groups[path[0]]
    guaranteed = dict(group.guaranteed)
    for gpu_type, more in cards.items():
        guaranteed[gpu_type] = guaranteed.get(gpu_type, Fraction(0)) + more
    below = _added(group.groups, path[1:], cards)
    changed = group.model_copy(update={"guaranteed": guaranteed, "groups": below})
    return {**groups, path[0]: changed}


def _above_a_limit(groups: Groups, path: Sequence[GroupName], place: int) -> LeftOut | None:
    for length, name in enumerate(path, 1):
        group = groups[name]
        where = (*key_path(path[:length]), "limit")
        for gpu_type, sure in sorted(group.guaranteed.items()):
            most = group.limit.types.get(gpu_type)
            if most is not None and not isinstance(most, Unlimited) and sure > most:
                return LeftOut(place, (*where, gpu_type), sure, most)
        cards, total = group.limit.cards, sum(group.guaranteed.values(), Fraction(0))
        if cards is not None and not isinstance(cards, Unlimited) and total > cards:
            return LeftOut(place, (*where, "cards"), total, cards)
        groups = group.groups
    return None


def sets_that_overlap(reservations: Sequence[Reservation]) -> frozenset[frozenset[int]]:
    """Return the places of reservations that are on together, at some time of some year."""
    once = [each.at.on(each.at.day, each.zone)[0] for each in reservations if each.at.day]
    windows = [(_A_YEAR, _DAYS_OF_A_YEAR), *((begin, _DAYS_AROUND) for begin in once)]
    times = sorted(
        {
            (begin, end, place)
            for place, each in enumerate(reservations)
            for first, days in windows
            for begin, end in each.at.around(first, each.zone, days)
        }
    )
    found: set[frozenset[int]] = set()
    on: list[tuple[datetime, int]] = []
    for begin, together in groupby(times, key=lambda each: each[0]):
        on = [each for each in on if each[0] > begin]
        on.extend((end, place) for _, end, place in together)
        found.add(frozenset(place for _, place in on))
    return frozenset(found)
