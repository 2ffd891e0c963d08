"""Jobs that a slice has taken the place of below a limit: paused at once, then suspended."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.actions import OpenGate, Resume, Unpause
from sublet_quota.residency.lending import lendable_mib
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import Rank

from tests.quota.residency.any_snapshot import snapshots
from tests.quota.residency.at_rest import come_to_rest
from tests.quota.residency.gpu_pictures import (
    GIB,
    gpu,
    idle,
    running,
    stopped,
    suspending,
    told,
    training,
    waiting,
    waits,
)

HELD = {"held_back": True}


#  GPU [JJJJ ....]                    J has to stand still, though nobody is here
def test_a_job_that_is_held_back_is_paused_at_once_and_leaves_its_room():
    snapshot = gpu(training("J", 40, on=40, **HELD))
    assert told(snapshot) == ["pause J", "suspend J"]
    assert waits(snapshot) == [("J", WaitReason.HELD_BACK)]


#  GPU [........] host [J]
def test_it_stays_away_however_much_room_there_is_and_comes_back_once_it_may():
    away = stopped("J", 40, out=40, **HELD)
    assert told(gpu(away)) == []
    assert waits(gpu(away)) == [("J", WaitReason.HELD_BACK)]
    assert told(gpu(replace(away, held_back=False))) == ["resume J"]


def test_one_that_has_not_begun_does_not_begin():
    snapshot = gpu(stopped("J", 40, **HELD))
    assert told(snapshot) == []
    assert waits(snapshot) == [("J", WaitReason.HELD_BACK)]


#  GPU [JJJJ ....]                    no room in the host for J, or nothing is moved here
@pytest.mark.parametrize(
    "more", [{"host_free_mib": 30 * GIB}, {"unfit": True}, {"foreign_present": True}]
)
def test_where_it_cannot_be_suspended_it_is_paused(more):
    assert told(gpu(training("J", 40, on=40, **HELD), **more)) == ["pause J"]
    assert told(gpu(stopped("J", 40, on=40, **HELD), **more)) == []


def test_one_that_can_never_be_suspended_is_paused_and_ended_for_others_alone():
    fixed = stopped("J", 40, on=40, unsuspendable="IPC", **HELD)
    assert told(gpu(fixed)) == []
    assert told(gpu(fixed, waiting("A", 60, out=60))) == ["evict J for A"]


def test_within_its_guarantee_it_stands_still_all_the_same():
    entitled = training("J", 40, on=40, rank=Rank.ENTITLED, **HELD)
    for others in ((), (running("A", 40, on=40),)):
        assert told(gpu(entitled, *others))[:1] == ["pause J"]
        assert ("J", WaitReason.HELD_BACK) in waits(gpu(entitled, *others))
    # It makes room as any other job does.
    there = stopped("J", 60, on=60, rank=Rank.ENTITLED, **HELD)
    assert told(gpu(there, stopped("K", 60, out=60))) == ["suspend J for K"]


def test_others_move_first():
    snapshot = gpu(stopped("J", 40, on=40, **HELD), waiting("A", 40, out=40))
    assert told(snapshot) == ["resume A"]


def test_one_that_may_go_on_while_it_leaves_turns_back():
    leaving = stopped("J", 40, on=40)
    assert "undo J" in told(gpu(leaving, transition=suspending("J", undoable=True)))
    held = replace(leaving, held_back=True)
    assert told(gpu(held, transition=suspending("J", undoable=True))) == []


def test_its_room_is_lent_once_it_has_left():
    assert lendable_mib(gpu(stopped("J", 80, out=80, **HELD))) == 80 * GIB
    assert lendable_mib(gpu(stopped("J", 80, on=80, **HELD))) == 0
    assert lendable_mib(gpu(stopped("J", 80, out=80))) == 0


def test_an_idle_slice_comes_home_beside_it():
    snapshot = gpu(stopped("J", 40, out=40, **HELD), idle("A", 60, out=60))
    assert told(snapshot) == ["resume A"]


@settings(max_examples=300)
@given(snapshots(), st.integers(0, 127))
def test_whatever_there_is_nothing_lets_it_run_and_all_comes_to_rest(snapshot, mask):
    slices = tuple(
        replace(one, held_back=one.is_job and bool(mask >> at & 1))
        for at, one in enumerate(snapshot.slices)
    )
    held = {one.slice_id for one in slices if one.held_back}
    snapshot = replace(snapshot, slices=slices)
    for action in decide(snapshot).actions:
        if isinstance(action, OpenGate | Resume | Unpause):
            assert action.slice_id not in held
    rested = come_to_rest(snapshot).snapshot
    assert not [one for one in rested.slices if one.held_back and one.gate_open]
