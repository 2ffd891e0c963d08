"""Who could not change cards is asked again once its programs are others, or after a while."""

from datetime import UTC, datetime, timedelta

from sublet_hub.state.staying_slices import StayingSlices
from sublet_quota.names.ids import GpuId, SliceId

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
A, CARD, OTHER = SliceId("a"), GpuId("SIM-1"), GpuId("SIM-2")
PIDS = frozenset({7, 8})
HOUR = timedelta(hours=1)


def stayed(pids: frozenset[int] = PIDS) -> StayingSlices:
    staying = StayingSlices()
    staying.note(A, CARD, pids, NOW)
    return staying


def after(staying: StayingSlices, passed: timedelta, pids: frozenset[int] = PIDS) -> bool:
    """Whether it is asked again after so long, with these programs."""
    return staying.end(lambda _: pids, NOW + passed) == (A,)


def test_who_stayed_is_not_asked_again_while_one_of_its_programs_is_left() -> None:
    staying = stayed()
    assert not after(staying, HOUR / 2, frozenset({8, 9}))
    assert staying.keeps(A)
    assert staying.keeps_from(A, CARD)
    assert not staying.keeps_from(A, OTHER)


def test_it_is_once_they_are_all_others() -> None:
    staying = stayed()
    assert after(staying, timedelta(seconds=1), frozenset({9}))
    assert not staying.keeps(A)


def test_it_is_once_they_have_all_ended() -> None:
    assert after(stayed(), timedelta(seconds=1), frozenset())


def test_one_whose_programs_nobody_told_waits_for_its_time() -> None:
    staying = stayed(frozenset())
    assert not after(staying, timedelta(seconds=1), frozenset({9}))
    assert after(staying, HOUR, frozenset({9}))


def test_each_time_that_it_stays_again_it_is_left_in_peace_for_longer_a_day_at_most() -> None:
    staying, at = stayed(), timedelta()
    for hours in (1, 2, 4, 8, 16, 24, 24):
        at += timedelta(hours=hours)
        assert not after(staying, at - timedelta(seconds=1))
        assert after(staying, at)
        staying.note(A, CARD, PIDS, NOW + at)


def test_programs_that_are_others_every_second_have_it_asked_a_few_times_a_day() -> None:
    staying, asked = StayingSlices(), 0
    for second in range(24 * 3600):
        pids, now = frozenset({second}), NOW + timedelta(seconds=second)
        if second == 0 or staying.end(lambda _, pids=pids: pids, now):
            staying.note(A, CARD, pids, now)
            asked += 1
    assert 20 < asked < 50


def test_of_one_that_is_released_nothing_is_known() -> None:
    staying = stayed()
    staying.forget(A)
    assert not staying.keeps(A)
    assert not after(staying, HOUR)
