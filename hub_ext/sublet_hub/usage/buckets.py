"""The hours, days and weeks of a time zone, by which use is added up. Pure.

Days and weeks begin at midnight of the zone, so that one is 23 or 25 hours long where the clock
changes. Weeks are those of ISO 8601, from Monday.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from sublet_quota.wire.use import UseKey

TIME_KEYS: Final = (UseKey.HOUR, UseKey.DAY, UseKey.WEEK)
"""Those of which one at once can be asked for."""
_HOUR: Final = timedelta(hours=1)
_WEEK: Final = re.compile(r"[0-9]{4}-W[0-9]{2}", re.ASCII)
_DAYS: Final = {UseKey.DAY: 1, UseKey.WEEK: 7}


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when use is told of, and in which zone."""

    since: datetime
    until: datetime
    zone: tzinfo = UTC


def label_of(key: UseKey, at: datetime, zone: tzinfo) -> str:
    """Return the name of the hour, day or week of a moment.

    ``2026-11-24T09:00+01:00``, ``2026-11-24``, ``2026-W48``.
    """
    local = at.astimezone(zone)
    if key is UseKey.HOUR:
        return local.replace(minute=0, second=0, microsecond=0).isoformat(timespec="minutes")
    if key is UseKey.WEEK:
        year, week, _ = local.isocalendar()
        return f"{year:04}-W{week:02}"
    return local.date().isoformat()


def begin_of(key: UseKey, at: datetime, zone: tzinfo) -> datetime:
    """Return when the hour, day or week of a moment began."""
    local = at.astimezone(zone)
    if key is UseKey.HOUR:
        return local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
    day = local.date()
    if key is UseKey.WEEK:
        day -= timedelta(days=day.weekday())
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def after(key: UseKey, begin: datetime, zone: tzinfo) -> datetime:
    """Return when the next begins after the one that began then."""
    if key is UseKey.HOUR:
        return begin + _HOUR
    day = begin.astimezone(zone).date() + timedelta(days=_DAYS[key])
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def week_of(label: str, zone: tzinfo) -> Span:
    """Return the whole of a week, such as ``2026-W48``. ``ValueError`` where there is none."""
    if not _WEEK.fullmatch(label):
        message = f"{label} is no week: write one such as 2026-W48"
        raise ValueError(message)
    monday = date.fromisocalendar(int(label[:4]), int(label[6:]), 1)
    begin = datetime.combine(monday, time.min, zone).astimezone(UTC)
    return Span(begin, after(UseKey.WEEK, begin, zone), zone)


def week_before(week: Span) -> Span:
    """Return the week that ends where another begins."""
    return Span(begin_of(UseKey.WEEK, week.since - _HOUR, week.zone), week.since, week.zone)


def slots_of(key: UseKey | None, span: Span) -> Iterator[tuple[datetime, datetime]]:
    """Yield a span in its hours, days or weeks, the first and the last cut off; ``None``: whole."""
    begin = span.since
    while begin < span.until:
        end = span.until
        if key is not None:
            following = after(key, begin_of(key, begin, span.zone), span.zone)
            end = min(following, span.until)
        yield begin, end
        begin = end
