"""Cases: how long turns last by what they cost, and newcomers, who come soon.

The pool's turn is 60 s, a longest one 240 s. A slice of 60 GiB is out in 60 s at 1 GiB/s, and back
in as many: where two of them take turns, a switch costs two minutes.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import GpuSnapshot, Rank, SliceView, TurnKind
from sublet_quota.residency.turns import LONGEST, PastTurns, Turns, longest_turn

from tests.quota.residency.any_snapshot import snapshots
from tests.quota.residency.at_rest import come_to_rest
from tests.quota.residency.gpu_pictures import (
    GIB,
    NOW,
    SETTINGS,
    ago,
    gpu,
    running,
    told,
    training,
    waiting,
)

SLOW = {"suspend_mib_per_s": 2 * GIB, "resume_mib_per_s": 4 * GIB}
"""60 GiB there and back in 45 s."""
NEW = {"turn_kind": TurnKind.FIRST}
WHOLE = {"turn_kind": TurnKind.WHOLE}


def length_s(snapshot: GpuSnapshot, name: str) -> float:
    view = next(s for s in snapshot.slices if s.slice_id == name)
    return Turns(snapshot).length(view).total_seconds()


#  GPU [AAAAAAAAAAAA ....] host [B]   A takes 45 s there and back, B 7.5 s: 26 s on average
def test_a_turn_lasts_four_times_what_a_switch_costs_on_both_sides():
    a_there = gpu(running("A", 60, on=60, for_s=104), waiting("B", 60, out=10), **SLOW)
    b_there = gpu(waiting("A", 60, out=60), running("B", 60, on=10), **SLOW)
    assert length_s(a_there, "A") == length_s(b_there, "B") == 105
    assert told(a_there) == []
    over = gpu(running("A", 60, on=60, for_s=105), waiting("B", 60, out=10), **SLOW)
    assert told(over) == ["suspend A for B"]


def test_the_pools_turn_is_the_least():
    assert length_s(gpu(running("A", 60, on=9), waiting("B", 60, out=9), **SLOW), "A") == 60


def test_a_turn_lasts_no_longer_than_a_longest_one_whatever_it_costs():
    slow = {"suspend_mib_per_s": 1, "resume_mib_per_s": 1}
    snapshot = gpu(running("A", 60, on=60, for_s=239), waiting("B", 60, out=60), **slow)
    assert length_s(snapshot, "A") == 240 == LONGEST * 60
    assert told(snapshot) == []
    over = gpu(running("A", 60, on=60, for_s=240), waiting("B", 60, out=60), **slow)
    assert told(over) == ["suspend A for B"]


def test_who_waits_is_told_the_end_of_the_turn_that_there_really_is():
    snapshot = gpu(running("A", 60, on=60, for_s=30), waiting("B", 60, out=10), **SLOW)
    assert decide(snapshot).waits[0].turn_ends == NOW + timedelta(seconds=75)
    comes = gpu(running("A", 60, on=60, for_s=10), waiting("B", 60, out=10, **NEW), **SLOW)
    assert decide(comes).waits[0].turn_ends == NOW + timedelta(seconds=16.25)


def test_who_rests_is_not_spared_what_a_switch_costs():
    rests = running("A", 60, on=60, for_s=60, rests_since=ago(10))
    assert told(gpu(rests, waiting("B", 60, out=10), **SLOW)) == ["suspend A for B"]


@pytest.mark.parametrize("which", [{"rests_since": ago(99)}, {"rank": Rank.ENTITLED}])
def test_neither_who_rests_nor_another_rank_makes_a_turn_longer(which):
    others = (waiting("B", 60, out=0), waiting("C", 60, out=60, **which))
    assert length_s(gpu(running("A", 60, on=10), *others, **SLOW), "A") == 60


def test_an_entitled_jobs_turn_grows_as_well():
    job = training("J", 60, on=60, rank=Rank.ENTITLED, turn_since=ago(60))
    snapshot = gpu(job, waiting("B", 60, out=10), **SLOW)
    assert length_s(snapshot, "J") == 105
    assert told(snapshot) == []


#  GPU [AAAAAAAAAAAA ....] host [B]   a quarter of the pool's turn is enough for who comes new
def test_a_newcomer_ends_a_turn_that_has_lasted_a_short_one():
    assert told(gpu(running("A", 60, on=2, for_s=14), waiting("B", 60, **NEW))) == []
    comes = gpu(running("A", 60, on=2, for_s=15), waiting("B", 60, **NEW))
    assert told(comes) == ["suspend A for B"]
    assert told(gpu(running("A", 60, on=2, for_s=15), waiting("B", 60))) == []


def test_a_short_turn_is_worth_one_switch():
    assert told(gpu(running("A", 60, on=60, for_s=22), waiting("B", 60, **NEW), **SLOW)) == []
    comes = gpu(running("A", 60, on=60, for_s=23), waiting("B", 60, **NEW), **SLOW)
    assert told(comes) == ["suspend A for B"]


def test_whose_turn_was_ended_early_has_its_next_one_whole():
    spared = running("A", 60, on=2, for_s=59, **WHOLE)
    assert told(gpu(spared, waiting("B", 60, **NEW))) == []


def test_a_newcomer_comes_before_those_who_wait_for_less_than_a_longest_turn():
    there = running("A", 60, on=2, for_s=20)
    short, long = waiting("B", 60, out=1, for_s=239), waiting("B", 60, out=1, for_s=241)
    comes = waiting("N", 60, out=1, **NEW)
    assert told(gpu(there, short, comes)) == ["suspend A for N"]
    assert told(gpu(there, long, comes)) == []


def test_the_first_turn_of_a_newcomer_does_not_grow():
    snapshot = gpu(running("A", 60, on=60, for_s=60, **NEW), waiting("B", 60, out=60), **SLOW)
    assert told(snapshot) == ["suspend A for B"]


def test_a_first_turn_ends_early_for_another_newcomer_alone():
    first = running("A", 60, on=2, for_s=20, **NEW)
    assert told(gpu(first, waiting("B", 60))) == []
    assert told(gpu(first, waiting("B", 60, **NEW))) == ["suspend A for B"]


def test_a_job_is_no_newcomer():
    job = waiting("J", 60, rank=Rank.ENTITLED, **NEW)
    assert not replace(job, holder=training("J", 1).holder).is_newcomer
    assert job.is_newcomer


TURN = SETTINGS.turn


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def had_turn(lasted_s: float, rests_since: datetime | None = None) -> PastTurns:
    """A turn that ended now."""
    return PastTurns().comes(ago(900)).ends(ago(lasted_s), NOW, rests_since)


def test_who_had_no_turn_is_a_newcomer():
    assert PastTurns().next_kind(TURN) is TurnKind.FIRST


def test_ending_a_cell_and_starting_another_makes_no_newcomer():
    past = had_turn(90, rests_since=ago(1)).comes(after(58))
    assert past.next_kind(TURN) is TurnKind.USUAL


def test_a_rest_as_long_as_the_pools_turn_does_also_if_part_of_it_was_in_the_seat():
    past = had_turn(90, rests_since=ago(20))
    assert past.comes(after(39)).next_kind(TURN) is TurnKind.USUAL
    assert past.comes(after(40)).next_kind(TURN) is TurnKind.FIRST


def test_waiting_is_no_rest():
    # It came when its turn ended, and has waited since.
    assert had_turn(90).next_kind(TURN) is TurnKind.USUAL


def test_after_a_turn_shorter_than_the_pools_the_next_is_whole():
    assert had_turn(59).next_kind(TURN) is TurnKind.WHOLE
    assert had_turn(60).next_kind(TURN) is TurnKind.USUAL


def test_of_whom_nobody_remembers_turns_it_is_no_newcomer():
    assert PastTurns.of_before(NOW).next_kind(TURN) is TurnKind.WHOLE


def _with_kinds(snapshot: GpuSnapshot, drawn: bytes) -> GpuSnapshot:
    kinds = tuple(TurnKind)
    slices = (
        replace(s, turn_kind=kinds[each % len(kinds)])
        for s, each in zip(snapshot.slices, drawn, strict=False)
    )
    return replace(snapshot, slices=tuple(slices))


@settings(max_examples=200)
@given(snapshots(), st.binary(min_size=7, max_size=7))
def test_no_turn_is_longer_than_a_longest_one_or_shorter_than_a_quarter(snapshot, drawn):
    snapshot = _with_kinds(snapshot, drawn)
    turns, turn = Turns(snapshot), snapshot.settings.turn
    for view in snapshot.slices:
        assert turn <= turns.length(view) <= longest_turn(snapshot.settings)
        for waits in snapshot.slices:
            ends = turns.ends(view, waits)
            if view.turn_since is not None and ends is not None:
                least = turn / 4 if _may_end_early(view, waits) else turn
                assert ends - view.turn_since >= least


@settings(max_examples=200)
@given(snapshots(), st.binary(min_size=7, max_size=7))
def test_with_newcomers_everything_comes_to_rest_and_nobody_moves_twice(snapshot, drawn):
    rested = come_to_rest(_with_kinds(snapshot, drawn))
    assert not rested.goes_on
    assert all(count <= 1 for count in rested.suspends.values()), rested
    assert all(count <= 1 for count in rested.resumes.values()), rested


def _may_end_early(view: SliceView, waits: SliceView) -> bool:
    return waits.is_newcomer and view.turn_kind is not TurnKind.WHOLE


#  GPU [AAAA aaaa|BBBB bbbb] host [C]   C fits beside B: it waits for the end of A's turn alone
def test_who_waits_is_told_when_enough_turns_are_over_not_all():
    snapshot = gpu(
        running("A", 40, on=20, for_s=50), running("B", 40, on=20, for_s=10), waiting("C", 40)
    )
    (wait,) = decide(snapshot).waits
    assert wait.waits_for == ("A", "B")
    assert wait.turn_ends == NOW + timedelta(seconds=10)
    over = gpu(
        running("A", 40, on=20, for_s=60), running("B", 40, on=20, for_s=20), waiting("C", 40)
    )
    assert told(over) == ["suspend A for C"]
