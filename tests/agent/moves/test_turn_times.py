"""What late turns are made up for, and what is told of how long they were."""

from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_agent.moves.turn_times import PastTurn, TurnTimes
from sublet_quota.compute.turns import Place, Round
from sublet_quota.names.ids import SliceId

A, B = SliceId("a"), SliceId("b")
UNEQUAL = Round((Place(A, timedelta(milliseconds=75)), Place(B, timedelta(milliseconds=25))))
A_QUARTER = Round((Place(A, timedelta(milliseconds=25)),), idle=timedelta(milliseconds=75))
SWITCH_S = 0.001


def take(times, taken, late_s, periods=100):
    """Take turns each of which ends as late as is said; return how long each one's were."""
    now_s, lasted, late = 0.0, {}, iter(late_s)
    for number in range(periods):
        for turn in taken.period(number):
            ended_s = now_s + times.lasts_s(turn) + next(late)
            past = PastTurn(turn.slice_id, now_s, now_s + SWITCH_S, ended_s)
            times.note(past, turn.lasts.total_seconds(), taken)
            lasted[turn.slice_id] = lasted.get(turn.slice_id, 0.0) + ended_s - now_s
            now_s = ended_s
    return lasted


def test_turns_that_are_in_time_are_as_long_as_meant():
    lasted = take(TurnTimes(), UNEQUAL, (0.0 for _ in count()))
    assert lasted == pytest.approx({A: 7.5, B: 2.5})


@given(st.lists(st.floats(0, 0.03), min_size=200, max_size=200))
def test_each_has_its_part_in_the_end_however_late_turns_end(late_s):
    lasted = take(TurnTimes(), UNEQUAL, late_s)
    assert lasted[A] / (lasted[A] + lasted[B]) == pytest.approx(0.75, rel=0.05)


@given(st.lists(st.floats(0, 0.02), min_size=200, max_size=200))
def test_who_is_capped_has_its_part_in_the_end_however_late_turns_end(late_s):
    lasted = take(TurnTimes(), A_QUARTER, late_s)
    assert lasted[A] / (lasted[A] + lasted[None]) == pytest.approx(0.25, rel=0.05)


def test_nobody_waits_for_more_than_two_turns_for_what_is_owed_to_another():
    times = TurnTimes()
    take(times, UNEQUAL, (5.0, *[0.0] * 200), periods=1)
    longest = {turn.slice_id: times.lasts_s(turn) for turn in UNEQUAL.period(0)}
    assert longest == pytest.approx({A: 0.0375, B: 0.05})


def test_a_long_stop_is_made_up_for_in_seconds():
    times = TurnTimes()
    take(times, UNEQUAL, (60.0, *[0.0] * 200), periods=60)
    assert [times.lasts_s(turn) for turn in UNEQUAL.period(0)] == pytest.approx([0.075, 0.025])


def test_what_is_told_is_the_time_alone_between_two_times():
    times = TurnTimes()
    take(times, UNEQUAL, (0.0 for _ in count()), periods=10)
    assert times.had_s(0.05, 0.15) == pytest.approx({A: 0.025 + 0.049, B: 0.024})
    assert times.had_s(2.0, 3.0) == {A: 0.0, B: 0.0}
    assert times.taken_s(0.05, 0.15) == pytest.approx(0.1)
    assert times.taken_s(0.9, 3.0) == pytest.approx(0.1)
