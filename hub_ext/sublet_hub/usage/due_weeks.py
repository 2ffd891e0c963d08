"""When the report of which week is due: once a week, at a time of a zone. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sublet_quota.wire.use import UseKey

from sublet_hub.settings import WeekReportSettings
from sublet_hub.usage.buckets import label_of, week_before, week_of

_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class DueWeek:
    """A week of which a report was due."""

    week: str
    """The last that was over then, such as ``2026-W48``."""
    due_at: datetime


def due_weeks(now: datetime, settings: WeekReportSettings, most: int) -> tuple[DueWeek, ...]:
    """Return the last weeks of which a report was due until now, the oldest first."""
    today = now.astimezone(settings.zone).date()
    day = today - timedelta(days=(today.weekday() - settings.weekday) % _WEEK.days)
    if _moment(day, settings) > now:
        day -= _WEEK
    return tuple(_due(day - back * _WEEK, settings) for back in reversed(range(most)))


def next_due(now: datetime, settings: WeekReportSettings) -> datetime:
    """Return when the next report is due."""
    (last,) = due_weeks(now, settings, 1)
    return _moment(last.due_at.astimezone(settings.zone).date() + _WEEK, settings)


def _due(day: date, settings: WeekReportSettings) -> DueWeek:
    due_at, zone = _moment(day, settings), settings.zone
    current = week_of(label_of(UseKey.WEEK, due_at, zone), zone)
    return DueWeek(label_of(UseKey.WEEK, week_before(current).since, zone), due_at)


def _moment(day: date, settings: WeekReportSettings) -> datetime:
    return datetime.combine(day, settings.time, settings.zone).astimezone(UTC)
