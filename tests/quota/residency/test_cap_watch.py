"""A slice's owner is told of its cap at nine tenths of it and beyond, once each time."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.residency.cap_watch import TOLD_AGAIN_AFTER, CapLevel, CapWatch, watch_cap

from tests.quota.residency.gpu_pictures import NOW

CAP = 1000
IN, NEAR, OVER = CapLevel.WITHIN, CapLevel.NEAR, CapLevel.OVER
AN_HOUR = 3600


def _told(*steps: tuple[int, int]) -> list[CapLevel | None]:
    """Return what is told, by how much the slice has and so many seconds after the step before."""
    watch, at, told = CapWatch(), NOW, []
    for has_mib, after_s in steps:
        at += timedelta(seconds=after_s)
        watch, level = watch_cap(watch, has_mib, CAP, at)
        told.append(level)
    return told


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(899, 1), (900, 1), (950, 1)], [None, NEAR, None]),
        ([(1000, 1), (1001, 1), (1500, 1)], [NEAR, OVER, None]),
        ([(1500, 1)], [OVER]),
        ([(1500, 1), (1000, 1), (970, 1), (1500, 1)], [OVER, None, None, None]),
        ([(1500, 1), (969, 1), (969, 1)], [OVER, IN, None]),
        ([(1500, 1), (10, 1), (10, 1)], [OVER, IN, None]),
        ([(900, 1), (850, 1), (900, 1)], [NEAR, None, None]),
        ([(900, 1), (849, AN_HOUR), (900, AN_HOUR)], [NEAR, None, NEAR]),
    ],
)
def test_each_level_is_told_when_it_is_reached_and_not_at_each_swing(steps, expected):
    assert _told(*steps) == expected


def test_who_swings_widely_is_told_once_in_five_minutes_and_then_what_is_still_so():
    swings = [(1500, 1), (10, 1)] * 100
    assert [level for level in _told(*swings) if level is not None] == [OVER, IN]
    late = TOLD_AGAIN_AFTER.total_seconds()
    assert _told((1500, 1), (10, 1), (1500, 1), (1500, late)) == [OVER, IN, None, OVER]


def test_a_clock_that_was_set_back_silences_nothing():
    watch, _ = watch_cap(CapWatch(), 1500, CAP, NOW)
    watch, _ = watch_cap(watch, 10, CAP, NOW)
    assert watch_cap(watch, 1500, CAP, NOW - timedelta(hours=1))[1] is OVER


def test_a_slice_without_anything_is_within_any_cap():
    assert watch_cap(CapWatch(), 0, 0, NOW) == (CapWatch(), None)
    assert watch_cap(CapWatch(), 1, 0, NOW)[1] is OVER


def test_since_when_it_is_over_is_kept_through_swings_and_its_notice_with_it():
    watch, _ = watch_cap(CapWatch(), 1500, CAP, NOW)
    later, _ = watch_cap(watch, 990, CAP, NOW + timedelta(seconds=5))
    assert (later.over_since, later.notice) == (NOW, watch.notice)
    fallen, _ = watch_cap(later, 900, CAP, NOW)
    assert (fallen.level, fallen.over_since, fallen.notice) == (NEAR, None, None)


_STEPS = st.lists(st.tuples(st.integers(0, 2 * CAP), st.integers(0, 200)), max_size=60)


@given(_STEPS)
def test_what_is_told_is_so_and_never_more_than_once_in_five_minutes_each(steps):
    watch, at = CapWatch(), NOW
    told_at: dict[CapLevel, list] = {NEAR: [], OVER: []}
    for has_mib, after_s in steps:
        at += timedelta(seconds=after_s)
        watch, level = watch_cap(watch, has_mib, CAP, at)
        assert has_mib <= CAP or watch.level is OVER
        assert has_mib < 0.9 * CAP or watch.level is not IN
        assert has_mib >= 0.85 * CAP or watch.level is IN
        if level is OVER:
            assert has_mib > 0.96 * CAP
        if level in told_at:
            assert level is watch.level
            assert not [t for t in told_at[level] if at - t < TOLD_AGAIN_AFTER]
            told_at[level].append(at)
        again = watch_cap(watch, has_mib, CAP, at)
        assert again == (watch, None)
