"""The periods of budgets: of the calendar by the wall clock of a zone, or the last so many days.

Use is added up by hours of UTC. In a period of the calendar count the hours that begin in it; in a
rolling one those of which any part lies in it, so that it never counts less than was spent.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sublet_quota.document.value_kinds.budget_values import Calendar

HOUR: Final = timedelta(hours=1)
_MONTHS_OF_A_QUARTER: Final = 3
_MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class Period:
    """A period as it is at one moment."""

    begin: datetime
    """In UTC."""
    end: datetime | None
    """When the next one begins; ``None``: it rolls, and each hour leaves it by itself."""

    @property
    def first_hour(self) -> datetime:
        """The begin of the first hour that counts."""
        hour = hour_of(self.begin)
        return hour + HOUR if self.end is not None and hour < self.begin else hour


def hour_of(moment: datetime) -> datetime:
    """Return when the hour of UTC began in which a moment lies."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def period_at(per: timedelta | Calendar, zone: ZoneInfo, now: datetime) -> Period:
    """Return the period that a moment lies in."""
    if isinstance(per, timedelta):
        return Period(now.astimezone(UTC) - per, None)
    today = now.astimezone(zone).date()
    first = _first_day(per, today)
    return Period(_midnight(first, zone), _midnight(_next_first_day(per, first), zone))


def _first_day(per: Calendar, day: date) -> date:
    match per:
        case Calendar.DAY:
            return day
        case Calendar.WEEK:
            return day - timedelta(days=day.weekday())
        case Calendar.MONTH:
            return day.replace(day=1)
        case Calendar.QUARTER:
            month = day.month - (day.month - 1) % _MONTHS_OF_A_QUARTER
            return day.replace(month=month, day=1)
        case Calendar.YEAR:
            return day.replace(month=1, day=1)


def _next_first_day(per: Calendar, first: date) -> date:
    match per:
        case Calendar.DAY:
            return first + timedelta(days=1)
        case Calendar.WEEK:
            return first + timedelta(weeks=1)
        case Calendar.MONTH:
            return _months_later(first, 1)
        case Calendar.QUARTER:
            return _months_later(first, _MONTHS_OF_A_QUARTER)
        case Calendar.YEAR:
            return _months_later(first, _MONTHS)


def _months_later(first: date, months: int) -> date:
    years, month = divmod(first.month - 1 + months, _MONTHS)
    return first.replace(year=first.year + years, month=month + 1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return when a day begins; where clocks leave out its midnight, when they are put on."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
