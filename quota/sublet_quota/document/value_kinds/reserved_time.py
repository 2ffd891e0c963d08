"""When something is reserved: by the wall clock of a zone, each week or on one day."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from sublet_quota.document.values import MONTH_AND_DAY_PATTERN

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY: Final = f"(?:{'|'.join(_DAYS)})"
_TIMES: Final = r"\s+([01]\d|2[0-3]):([0-5]\d)\s*-\s*(?:([01]\d|2[0-3]):([0-5]\d)|(24:00))"
_WEEKLY: Final = re.compile(rf"\s*({_DAY}(?:[-,]{_DAY})*){_TIMES}\s*", re.ASCII)
_ONCE: Final = re.compile(rf"\s*(\d{{4}}-\d{{2}}-\d{{2}}){_TIMES}\s*", re.ASCII)
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}", re.ASCII)
_ON_DAY: Final = re.compile(r"\s*(\d{4}-\d{2}-\d{2})\s*", re.ASCII)
_MIDNIGHT: Final = 24 * 60
_ONE_DAY: Final = timedelta(days=1)
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2999
"""So that the days around it, in whatever zone, are days that a computer can tell."""

Span = tuple[datetime, datetime]
"""Begin and end, in UTC."""


@dataclass(frozen=True, slots=True)
class ReservedTime:
    """The same time of day on some days of each week, or on one day."""

    weekdays: frozenset[int]
    """0 is Monday; empty where it is one day."""
    day: date | None
    begin_minute: int
    end_minute: int
    """Of the same day; 1440 is midnight."""

    def __str__(self) -> str:
        """Return it as a document writes it: ``Mon,Wed 14:00-16:00``."""
        days = (
            ",".join(_DAYS[each] for each in sorted(self.weekdays))
            if self.day is None
            else self.day.isoformat()
        )
        return f"{days} {_clock(self.begin_minute)}-{_clock(self.end_minute)}"

    def is_on(self, day: date) -> bool:
        """Whether it is on a day of its zone."""
        return day == self.day if self.day is not None else day.weekday() in self.weekdays

    def on(self, day: date, zone: ZoneInfo) -> Span:
        """Return begin and end on a day, in UTC; the same where clocks leave out all of it."""
        begin = _moment(day, self.begin_minute, zone, fold=0)
        return begin, max(begin, _moment(day, self.end_minute, zone, fold=1))

    def skipped(self, now: datetime, zone: ZoneInfo, days: int) -> Iterator[tuple[Span, str]]:
        """Yield its times to come on which clocks leave out its begin or its end, as written.

        ``days``: so many from ``now`` on, where it is each week.
        """
        first = now.astimezone(zone).date() if self.day is None else self.day
        for after in range(days if self.day is None else 1):
            day = first + after * _ONE_DAY
            if not self.is_on(day):
                continue
            begin, end = self.on(day, zone)
            minutes = (self.begin_minute, self.end_minute)
            left_out = [_clock(each) for each in minutes if _is_skipped(day, each, zone)]
            if left_out and now < begin < end:
                yield (begin, end), f"{day.isoformat()} {' and '.join(left_out)}"

    def around(self, now: datetime, zone: ZoneInfo, days: int) -> Iterator[Span]:
        """Yield its times from the day before ``now`` on, for so many days; none is empty."""
        first = now.astimezone(zone).date() - _ONE_DAY
        for after in range(days + 1):
            day = first + after * _ONE_DAY
            if self.is_on(day):
                begin, end = self.on(day, zone)
                if begin < end:
                    yield begin, end


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _moment(day: date, minute: int, zone: ZoneInfo, fold: int) -> datetime:
    if minute == _MIDNIGHT:
        day, minute = day + _ONE_DAY, 0
    clock = time(minute // 60, minute % 60, fold=fold)
    return datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)


def _is_skipped(day: date, minute: int, zone: ZoneInfo) -> bool:
    return _moment(day, minute, zone, fold=0) > _moment(day, minute, zone, fold=1)


def read_reserved_time(value: Any) -> ReservedTime:
    """Return the time that ``Mon,Wed 14:00-16:00`` or ``2027-02-15 14:00-16:00`` stands for."""
    if isinstance(value, ReservedTime):
        return value
    weekly = _WEEKLY.fullmatch(value) if isinstance(value, str) else None
    once = _ONCE.fullmatch(value) if isinstance(value, str) else None
    found = weekly or once
    if found is None:
        message = (
            "is no time: write 'Mon 14:00-16:00', 'Mon-Fri 09:00-17:00' or '2027-02-15 14:00-16:00'"
        )
        raise ValueError(message)
    begin = int(found[2]) * 60 + int(found[3])
    end = _MIDNIGHT if found[6] else int(found[4]) * 60 + int(found[5])
    if end <= begin:
        message = "ends before it begins: write till 24:00, and the rest as another reservation"
        raise ValueError(message)
    if weekly is not None:
        return ReservedTime(_weekdays(found[1]), None, begin, end)
    return ReservedTime(frozenset(), _calendar_day(found[1]), begin, end)


def _weekdays(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split(","):
        names = [_DAYS.index(each) for each in part.split("-")]
        first, last = names[0], names[-1]
        if len(names) > 2 or last < first:  # noqa: PLR2004 - a range has two ends
            message = "is no range of days: write 'Mon-Fri', or days with commas"
            raise ValueError(message)
        days.update(range(first, last + 1))
    return frozenset(days)


def _calendar_day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        message = f"is no day of the calendar ({error}): write 2026-12-14"
        raise ValueError(message) from error
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        message = f"is in no year from {_FIRST_YEAR} to {_LAST_YEAR}: write 2026-12-14"
        raise ValueError(message)
    return day


def read_day(value: Any) -> date:
    """Return a day of the calendar."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    found = _ON_DAY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        message = "is no day: write 2026-12-14"
        raise ValueError(message)
    return _calendar_day(found[1])


def read_zone(value: Any) -> ZoneInfo:
    """Return the zone of a name such as ``Europe/Berlin``."""
    if isinstance(value, ZoneInfo):
        return value
    try:
        if isinstance(value, str) and _ZONE.fullmatch(value):
            return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    message = "is no zone that is known here: write one such as Europe/Berlin, or UTC"
    raise ValueError(message)


_DAY_PATTERN: Final = rf"2\d{{3}}{MONTH_AND_DAY_PATTERN}"
TimeReserved = Annotated[
    ReservedTime,
    PlainValidator(read_reserved_time),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^\s*({_DAY}([-,]{_DAY})*|{_DAY_PATTERN}){_TIMES}\s*$",
            "examples": ["Mon 14:00-16:00", "Mon-Fri 09:00-17:00", "2027-02-15 14:00-16:00"],
        }
    ),
]
Day = Annotated[
    date,
    PlainValidator(read_day),
    PlainSerializer(date.isoformat, when_used="json"),
    WithJsonSchema(
        {"type": "string", "pattern": rf"^\s*{_DAY_PATTERN}\s*$", "examples": ["2027-02-15"]}
    ),
]
Zone = Annotated[
    ZoneInfo,
    PlainValidator(read_zone),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{_ZONE.pattern}$",
            "examples": ["Europe/Berlin", "UTC"],
        }
    ),
]
