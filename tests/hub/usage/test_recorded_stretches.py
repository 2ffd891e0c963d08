"""Of cells it is kept when they asked, how long they waited and worked, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_hub.usage.recorded.stretches import (
    MOST_OF_SLICE,
    PAUSE,
    Stretch,
    Stretches,
    packed,
    unpacked,
)
from sublet_quota.names.ids import SliceId

from tests.support.fake_agent import a_report

START = datetime(2026, 11, 24, 9, 10, tzinfo=UTC)
A = SliceId("a")
IN_STEP = timedelta()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def says(found: Stretches, second: float, *, runs: bool, **values: Any) -> None:
    found.report(A, a_report("a", running_cell=runs, **values), IN_STEP, at(second))


def ended(found: Stretches, second: float = 10_000) -> tuple[Stretch, ...]:
    return found.end(A, at(second))


def test_a_cell_is_a_stretch_from_when_it_began_to_its_end() -> None:
    found = Stretches()
    says(found, 0, runs=False)
    says(found, 1, runs=True, quiet_since=at(0.4), memory_mib=100)
    says(found, 30, runs=True, memory_mib=700, host_mib=50)
    says(found, 61, runs=False, quiet_since=at(60.5), memory_mib=700)
    assert ended(found) == (Stretch(at(0.4), s(0), s(60.1), 750),)


def test_what_the_gate_kept_it_waiting_is_not_work() -> None:
    found = Stretches()
    says(found, 1, runs=True, gate_open=False, quiet_since=at(0.5))
    found.gate_opened(A, at(12.5), s(12))
    says(found, 40, runs=False, quiet_since=at(39.5))
    assert ended(found) == (Stretch(at(0.5), s(12), s(27), 0),)


def test_a_wait_that_is_told_only_after_the_cells_end_counts_there() -> None:
    found = Stretches()
    says(found, 1, runs=True, quiet_since=at(1))
    says(found, 9, runs=False, quiet_since=at(9))
    found.gate_opened(A, at(7), s(6))
    assert ended(found) == (Stretch(at(1), s(6), s(2), 0),)


def test_a_cell_that_was_over_between_two_reports_is_known_by_its_wait() -> None:
    found = Stretches()
    found.gate_opened(A, at(7), s(6))
    says(found, 8, runs=False, quiet_since=at(7.25))
    assert ended(found) == (Stretch(at(1), s(6), s(0.25), 0),)


def test_cells_that_follow_each_other_closely_are_one_stretch() -> None:
    found = Stretches()
    for second in (0, 20):
        says(found, second, runs=True, quiet_since=at(second))
        says(found, second + 15, runs=False, quiet_since=at(second + 15))
    assert ended(found) == (Stretch(at(0), s(0), s(35), 0),)


def test_after_a_pause_another_stretch_begins() -> None:
    found = Stretches()
    gap = 15 + PAUSE.total_seconds()
    for second in (0, gap):
        says(found, second, runs=True, quiet_since=at(second))
        says(found, second + 15, runs=False, quiet_since=at(second + 15))
    assert [each.began for each in ended(found)] == [at(0), at(gap)]


def test_use_of_the_card_without_a_cell_is_work_too() -> None:
    found = Stretches()
    says(found, 0, runs=False, gpu_busy_ms=500)
    says(found, 1, runs=False, gpu_busy_ms=900)
    says(found, 2, runs=False, gpu_busy_ms=1500)
    says(found, 3, runs=False, gpu_busy_ms=1500)
    assert ended(found) == (Stretch(at(1), s(0), s(2), 0),)


def test_an_agents_clock_that_is_behind_is_put_right() -> None:
    found, behind = Stretches(), s(100)
    report = a_report("a", running_cell=True, quiet_since=at(-99.5))
    found.report(A, report, behind, at(1))
    assert ended(found, 5) == (Stretch(at(0.5), s(0), s(4.5), 0),)


def test_an_agent_cannot_make_a_stretch_of_long_ago() -> None:
    found = Stretches()
    says(found, 1000, runs=True, quiet_since=at(-(10**8)))
    assert ended(found, 1001) == (Stretch(at(998), s(0), s(3), 0),)


@pytest.mark.parametrize("year", [1970, 9000])
def test_no_time_that_an_agent_tells_is_too_far_away(year: int) -> None:
    found = Stretches()
    far = datetime(year, 12, 31, 23, 59, tzinfo=UTC)
    for behind in (s(-(10**9)), s(10**9)):
        report = a_report("a", running_cell=True, quiet_since=far)
        found.report(A, report, behind, at(0))
        found.gate_opened(A, at(1), timedelta.max)
        found.report(A, a_report("a", quiet_since=far), behind, at(2))
    assert list(unpacked(packed(ended(found))))


def test_what_may_still_be_gone_on_with_is_not_due() -> None:
    found = Stretches()
    says(found, 0, runs=True, quiet_since=at(0))
    says(found, 5, runs=False, quiet_since=at(5))
    last = at(10) + PAUSE
    assert found.due(last, last) == {}
    assert list(found.due(last, last + s(1))) == [A]
    assert ended(found) == ()


def test_stretches_of_a_slice_are_stored_together() -> None:
    found = Stretches()
    for second in range(0, 1000, 20):
        says(found, second, runs=True, quiet_since=at(second))
        says(found, second + 1, runs=False, quiet_since=at(second + 1))
    blocks = [found.due(at(now - 900), at(now)) for now in range(1000, 1900, 30)]
    assert [len(block[A]) for block in blocks if block] == [50]


def test_of_very_many_that_nobody_takes_the_newest_stay() -> None:
    found = Stretches()
    for number in range(MOST_OF_SLICE + 5):
        says(found, 100 * number, runs=True, quiet_since=at(100 * number))
        says(found, 100 * number + 1, runs=False, quiet_since=at(100 * number + 1))
    kept = ended(found)
    assert len(kept) == MOST_OF_SLICE
    assert kept[-1].began == at(100 * (MOST_OF_SLICE + 4))


_TIMES = st.integers(0, 2**32 - 1).map(lambda ms: timedelta(milliseconds=ms))
_STRETCHES = st.builds(
    Stretch,
    st.integers(0, 10**12).map(lambda ms: datetime.fromtimestamp(0, UTC) + ms * s(0.001)),
    _TIMES,
    _TIMES,
    st.integers(0, 2**32 - 1),
)


@given(st.lists(_STRETCHES))
def test_what_is_packed_is_read_again(stretches: list[Stretch]) -> None:
    stored = packed(stretches)
    assert len(stored) == 20 * len(stretches)
    assert list(unpacked(stored)) == stretches


def test_what_a_broken_disk_left_is_read_as_far_as_it_goes() -> None:
    one = Stretch(at(0), s(1), s(2), 3)
    assert list(unpacked(packed([one]) + b"\xff" * 25)) == [one]


_REPORTS = st.lists(
    st.tuples(st.floats(0, 30), st.booleans(), st.floats(-40, 40), st.floats(0, 60)), max_size=40
)


@given(_REPORTS)
def test_whatever_agents_tell_stretches_follow_each_other(
    reports: list[tuple[float, bool, float, float]],
) -> None:
    found, now = Stretches(), 0.0
    for passes, runs, quiet, waited in reports:
        now += passes
        says(found, now, runs=runs, quiet_since=at(now + quiet))
        if waited > 30:
            found.gate_opened(A, at(now), s(waited - 30))
    stretches = ended(found, now)
    assert all(min(each.waited, each.worked) >= s(0) for each in stretches)
    assert all(each.ended <= at(now) for each in stretches)
