"""When the report of which week is due, also where the clock changes and the year ends."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from sublet_hub.settings import WeekReportSettings
from sublet_hub.usage.due_weeks import due_weeks, next_due

BERLIN = ZoneInfo("Europe/Berlin")
MONDAYS = WeekReportSettings(0, time(8), BERLIN)
SUNDAYS = WeekReportSettings(6, time(23, 30), BERLIN)


@pytest.mark.parametrize(
    ("settings", "now", "week", "due_at", "following"),
    [
        # The clock went back on October 25: 8 o'clock is another time of UTC.
        (MONDAYS, "2026-10-26T06:59", "2026-W42", "2026-10-19T06:00", "2026-10-26T07:00"),
        (MONDAYS, "2026-10-26T07:00", "2026-W43", "2026-10-26T07:00", "2026-11-02T07:00"),
        (MONDAYS, "2026-10-31T12:00", "2026-W43", "2026-10-26T07:00", "2026-11-02T07:00"),
        # On a Sunday its own week is not over.
        (SUNDAYS, "2026-11-29T22:30", "2026-W47", "2026-11-29T22:30", "2026-12-06T22:30"),
        # The year has 53 weeks.
        (MONDAYS, "2027-01-04T07:00", "2026-W53", "2027-01-04T07:00", "2027-01-11T07:00"),
        (MONDAYS, "2027-01-11T07:00", "2027-W01", "2027-01-11T07:00", "2027-01-18T07:00"),
    ],
)
def test_a_report_is_due_once_a_week_of_the_last_that_is_over(
    settings: WeekReportSettings, now: str, week: str, due_at: str, following: str
) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    (due,) = due_weeks(at, settings, 1)
    assert (due.week, due.due_at) == (week, datetime.fromisoformat(due_at).replace(tzinfo=UTC))
    assert next_due(at, settings) == datetime.fromisoformat(following).replace(tzinfo=UTC)


def test_the_last_weeks_are_told_the_oldest_first() -> None:
    due = due_weeks(datetime(2027, 1, 12, tzinfo=UTC), MONDAYS, 3)
    assert [each.week for each in due] == ["2026-W52", "2026-W53", "2027-W01"]
