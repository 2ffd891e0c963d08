"""Hours, days and weeks of a zone: none is left out, and the clock's changes are kept."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_hub.usage.buckets import TIME_KEYS, Span, after, begin_of, label_of, slots_of
from sublet_hub.usage.held_hours import held_hours
from sublet_quota.wire.use import UseKey

from tests.hub.usage.test_held_hours import a_period

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe")


@pytest.mark.parametrize(
    ("key", "label"),
    [
        (UseKey.HOUR, "2026-11-24T13:00+01:00"),
        (UseKey.DAY, "2026-11-24"),
        (UseKey.WEEK, "2026-W48"),
    ],
)
def test_a_moment_is_named_by_the_clock_of_the_zone(key: UseKey, label: str) -> None:
    assert label_of(key, NOON + timedelta(minutes=59), BERLIN) == label


def test_midnight_is_the_zones() -> None:
    late = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    assert (label_of(UseKey.DAY, late, UTC), label_of(UseKey.DAY, late, BERLIN)) == (
        "2026-11-24",
        "2026-11-25",
    )
    assert begin_of(UseKey.DAY, late, BERLIN) == datetime(2026, 11, 24, 23, tzinfo=UTC)


def test_the_last_days_of_a_year_are_of_the_week_that_they_are_in() -> None:
    assert label_of(UseKey.WEEK, datetime(2027, 1, 1, tzinfo=UTC), UTC) == "2026-W53"


def test_the_day_on_which_clocks_go_back_has_25_hours_and_each_has_its_name() -> None:
    day = datetime(2026, 10, 25, 10, tzinfo=UTC)
    began = begin_of(UseKey.DAY, day, BERLIN)
    assert after(UseKey.DAY, began, BERLIN) - began == timedelta(hours=25)
    hours = [label_of(UseKey.HOUR, began + timedelta(hours=n), BERLIN) for n in range(25)]
    assert len(set(hours)) == 25


@given(
    st.timedeltas(timedelta(days=-2000), timedelta(days=2000)),
    st.sampled_from(TIME_KEYS),
    st.sampled_from(ZONES),
)
def test_each_moment_lies_in_one_and_the_next_follows_at_once(
    since_noon: timedelta, key: UseKey, name: str
) -> None:
    at, zone = NOON + since_noon, ZoneInfo(name)
    began = begin_of(key, at, zone)
    following = after(key, began, zone)
    assert began <= at < following
    assert begin_of(key, following - timedelta(microseconds=1), zone) == began
    assert label_of(key, began, zone) == label_of(key, at, zone)


@pytest.mark.parametrize("key", TIME_KEYS)
@pytest.mark.parametrize("name", ZONES)
def test_hours_are_the_same_in_all_by_whatever_time_they_are_added_up(
    key: UseKey, name: str
) -> None:
    periods = [a_period("ada", -1000.25, None), a_period("bob", 3.5, 900.75)]
    span = Span(NOON - timedelta(days=40), NOON + timedelta(days=30, hours=1), ZoneInfo(name))
    found = held_hours(periods, span, [key, UseKey.OWNER])
    for owner in ("ada", "bob"):
        by_time = sum(hours.slices for (_, whose), hours in found.items() if whose == owner)
        assert by_time == pytest.approx(held_hours(periods, span, [UseKey.OWNER])[owner,].slices)
    longest = max(hours.slices for hours in found.values())
    assert longest == pytest.approx({"hour": 1, "day": 24, "week": 168}[key.value], abs=1.01)


def test_an_hour_that_a_period_only_touches_is_not_told() -> None:
    periods = [a_period("ada", 0, 2)]
    span = Span(NOON - timedelta(days=1), NOON + timedelta(days=1))
    found = held_hours(periods, span, [UseKey.HOUR])
    assert {key: hours.slices for key, hours in found.items()} == {
        ("2026-11-24T12:00+00:00",): 1,
        ("2026-11-24T13:00+00:00",): 1,
    }


@given(
    st.timedeltas(timedelta(days=-2000), timedelta(days=2000)),
    st.timedeltas(timedelta(seconds=1), timedelta(days=9)),
    st.sampled_from(TIME_KEYS),
    st.sampled_from(ZONES),
)
def test_a_span_is_cut_into_slots_of_one_name_each_and_none_is_left_out(
    since_noon: timedelta, lasts: timedelta, key: UseKey, name: str
) -> None:
    span = Span(NOON + since_noon, NOON + since_noon + lasts, ZoneInfo(name))
    slots = list(slots_of(key, span))
    assert (slots[0][0], slots[-1][1]) == (span.since, span.until)
    assert all(end == begin for (_, end), (begin, _) in pairwise(slots))
    names = [
        {label_of(key, at, span.zone) for at in (begin, end - timedelta(microseconds=1))}
        for begin, end in slots
    ]
    assert all(len(each) == 1 for each in names)
    assert list(slots_of(None, span)) == [(span.since, span.until)]
