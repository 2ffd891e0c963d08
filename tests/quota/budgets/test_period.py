"""In which period an hour counts: by the calendar of a zone, with its summer time, or rolling."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.budgets.period import HOUR, Period, hour_of, period_at
from sublet_quota.document.value_kinds.budget_values import Calendar

BERLIN = ZoneInfo("Europe/Berlin")
KOLKATA = ZoneInfo("Asia/Kolkata")
BEIRUT = ZoneInfo("Asia/Beirut")
WEST = ZoneInfo("America/Los_Angeles")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    per: Calendar
    zone: ZoneInfo
    now: str
    begin: str
    end: str


CASES = {
    "a day in winter": Case(
        Calendar.DAY, BERLIN, "2026-11-30T12:00", "2026-11-29T23:00", "2026-11-30T23:00"
    ),
    "a day that is another one in UTC": Case(
        Calendar.DAY, WEST, "2026-11-30T03:00", "2026-11-29T08:00", "2026-11-30T08:00"
    ),
    "the day of 23 hours": Case(
        Calendar.DAY, BERLIN, "2026-03-29T12:00", "2026-03-28T23:00", "2026-03-29T22:00"
    ),
    "the day of 25 hours": Case(
        Calendar.DAY, BERLIN, "2026-10-25T12:00", "2026-10-24T22:00", "2026-10-25T23:00"
    ),
    "a day without a midnight": Case(
        Calendar.DAY, BEIRUT, "2026-03-29T12:00", "2026-03-28T22:00", "2026-03-29T21:00"
    ),
    "a week begins on Monday": Case(
        Calendar.WEEK, BERLIN, "2026-12-06T22:59", "2026-11-29T23:00", "2026-12-06T23:00"
    ),
    "a month with the change of clocks in it": Case(
        Calendar.MONTH, BERLIN, "2026-10-30T12:00", "2026-09-30T22:00", "2026-10-31T23:00"
    ),
    "December ends with the year": Case(
        Calendar.MONTH, ZoneInfo("UTC"), "2026-12-31T23:59", "2026-12-01T00:00", "2027-01-01T00:00"
    ),
    "a quarter": Case(
        Calendar.QUARTER, BERLIN, "2026-11-30T12:00", "2026-09-30T22:00", "2026-12-31T23:00"
    ),
    "the first moment of a quarter": Case(
        Calendar.QUARTER,
        ZoneInfo("UTC"),
        "2026-07-01T00:00",
        "2026-07-01T00:00",
        "2026-10-01T00:00",
    ),
    "a year": Case(
        Calendar.YEAR, BERLIN, "2026-12-31T23:30", "2026-12-31T23:00", "2027-12-31T23:00"
    ),
    "a leap year": Case(
        Calendar.YEAR, ZoneInfo("UTC"), "2028-02-29T12:00", "2028-01-01T00:00", "2029-01-01T00:00"
    ),
    "half an hour off": Case(
        Calendar.DAY, KOLKATA, "2026-11-30T12:00", "2026-11-29T18:30", "2026-11-30T18:30"
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_period_of_the_calendar(name: str) -> None:
    case = CASES[name]
    period = period_at(case.per, case.zone, utc(case.now))
    assert period == Period(utc(case.begin), utc(case.end))


def test_a_rolling_period_is_always_as_long() -> None:
    now = utc("2026-11-30T12:20")
    assert period_at(timedelta(days=30), BERLIN, now) == Period(now - timedelta(days=30), None)


def test_an_hour_that_a_rolling_period_has_in_part_counts() -> None:
    period = period_at(timedelta(days=1), BERLIN, utc("2026-11-30T12:20"))
    assert period.first_hour == utc("2026-11-29T12:00")


def test_an_hour_in_which_a_period_begins_counts_in_the_one_before() -> None:
    period = period_at(Calendar.DAY, KOLKATA, utc("2026-11-30T12:00"))
    assert period.first_hour == utc("2026-11-29T19:00")


moments = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 - made aware below
    datetime(2040, 1, 1),  # noqa: DTZ001 - the same
    timezones=st.just(UTC),
)
zones = st.sampled_from(
    [ZoneInfo("UTC"), BERLIN, KOLKATA, BEIRUT, WEST, ZoneInfo("Australia/Lord_Howe")]
)


@given(st.sampled_from(Calendar), zones, moments)
def test_each_moment_lies_in_one_period_of_the_calendar(
    per: Calendar, zone: ZoneInfo, now: datetime
) -> None:
    period = period_at(per, zone, now)
    assert period.end is not None
    assert period.begin <= now < period.end
    assert period_at(per, zone, period.begin) == period
    following = period_at(per, zone, period.end)
    assert following.begin == period.end
    assert period.end.astimezone(zone).date() > period.begin.astimezone(zone).date()


@given(st.sampled_from(Calendar), zones, moments)
def test_each_hour_counts_in_one_period(per: Calendar, zone: ZoneInfo, now: datetime) -> None:
    period = period_at(per, zone, now)
    assert period.end is not None
    following = period_at(per, zone, period.end)
    assert period.begin <= period.first_hour < period.begin + HOUR
    assert hour_of(following.first_hour) == following.first_hour
