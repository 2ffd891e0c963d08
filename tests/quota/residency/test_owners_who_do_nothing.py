"""Cases and properties: owners whose slices count as active though no cell of theirs runs.

``R`` is such a one: its agent says so. ``A``, ``B`` and ``C`` work, or nobody knows.
"""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.actions import Suspend
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import Rank

from tests.quota.residency.any_snapshot import snapshots
from tests.quota.residency.at_rest import come_to_rest
from tests.quota.residency.gpu_pictures import (
    ago,
    gpu,
    running,
    stopped,
    told,
    waiting,
    waits,
)

FOR_EVER_S = 10_000 * 24 * 3600
"""Longer than any turn."""


#  GPU [AAAAAA RRRRRRRR ..] host [C]   C!'s time has come: A! has the longest turn, and computes
def test_where_a_turn_ends_who_does_nothing_goes_first():
    at_work, at_rest = running("A", 30, on=30, for_s=90), running("R", 40, on=40, for_s=30)
    comes = waiting("C", 40)
    assert told(gpu(at_work, at_rest, comes)) == ["suspend A for C"]
    at_rest = replace(at_rest, rests_since=ago(10))
    assert told(gpu(at_work, at_rest, comes)) == ["suspend R for C"]


def test_a_short_rest_ends_no_turn_that_would_not_end_without():
    at_work, at_rest = running("A", 30, on=30), running("R", 40, on=40, rests_since=ago(9))
    snapshot = gpu(at_work, at_rest, waiting("C", 40))
    assert told(snapshot) == []
    assert waits(snapshot) == [("C", WaitReason.TURN)]


def test_who_does_nothing_stays_where_that_does_not_help():
    at_work = running("A", 60, on=60, for_s=90)
    at_rest = running("R", 10, on=10, for_s=90, rests_since=ago(10))
    assert told(gpu(at_work, at_rest, waiting("C", 40))) == ["suspend A for C"]


#  GPU [RRRRRRRRRRRR ....] host [B]   R's guarantee is never kept idle for longer than a turn
@pytest.mark.parametrize("rank", Rank)
@pytest.mark.parametrize("behind", Rank)
def test_after_a_turn_at_rest_everybody_with_work_comes_before(rank, behind):
    at_rest = running("R", 60, on=60, for_s=500, rank=rank, rests_since=ago(60))
    assert told(gpu(at_rest, waiting("B", 40, rank=behind))) == ["suspend R for B"]


def test_until_then_who_is_entitled_keeps_its_seat():
    at_rest = running("R", 60, on=60, for_s=500, rank=Rank.ENTITLED, rests_since=ago(59))
    snapshot = gpu(at_rest, waiting("B", 40))
    assert told(snapshot) == []
    assert waits(snapshot) == [("B", WaitReason.CALLED_BACK)]


def test_with_a_cell_it_has_its_room_at_once_again():
    away = waiting("R", 60, out=60, rank=Rank.ENTITLED)
    assert told(gpu(running("B", 40, on=40), away)) == ["suspend B for R"]


def test_nobody_leaves_while_nobody_waits():
    assert told(gpu(running("R", 60, on=60, rests_since=ago(500)))) == []


#  GPU [AAAAAAAA ........] host [R]   nothing of R waits: it is suspended, and its cell is over
def test_no_turn_ends_for_who_does_nothing():
    away = waiting("R", 60, out=9, for_s=500, rests_since=ago(500), rank=Rank.ENTITLED)
    snapshot = gpu(running("A", 40, on=40, for_s=90), away)
    assert told(snapshot) == []
    assert waits(snapshot) == [("R", WaitReason.TURN)]


def test_who_borrows_and_does_nothing_is_told_for_whom_it_makes_way_as_ever():
    away = waiting("R", 60, out=9, for_s=500, rests_since=ago(500))
    snapshot = gpu(running("E", 40, on=40, rank=Rank.ENTITLED), away)
    assert waits(snapshot) == [("R", WaitReason.CALLED_BACK)]


def test_who_does_nothing_holds_nobody_up():
    away = waiting("R", 60, out=9, for_s=500, rests_since=ago(500))
    comes = waiting("C", 60, for_s=1)
    assert told(gpu(running("A", 40, on=40, for_s=90), away, comes)) == ["suspend A for C"]


def test_no_entitled_job_ends_for_who_does_nothing():
    job = stopped("J", 40, on=40, rank=Rank.ENTITLED, unsuspendable="managed memory")
    away = waiting("R", 60, out=9, rests_since=ago(500), rank=Rank.ENTITLED)
    assert not [each for each in told(gpu(job, away)) if each.startswith("evict")]


def _with_rests(snapshot, drawn):
    """Some owners at work do nothing, since a moment or for ever."""
    rests = {0: None, 1: ago(5), 2: ago(FOR_EVER_S)}
    slices = [
        replace(s, rests_since=rests[each % 3]) if s.active and not s.is_job else s
        for s, each in zip(snapshot.slices, drawn, strict=False)
    ]
    return replace(snapshot, slices=tuple(slices) + snapshot.slices[len(slices) :])


examples = settings(max_examples=200)
RESTS = st.binary(min_size=7, max_size=7)


@examples
@given(snapshots(), RESTS)
def test_everything_comes_to_rest_and_nobody_moves_twice(snapshot, drawn):
    rested = come_to_rest(_with_rests(snapshot, drawn))
    assert not rested.goes_on
    assert all(count <= 1 for count in rested.suspends.values()), rested
    assert all(count <= 1 for count in rested.resumes.values()), rested


@examples
@given(snapshots(), RESTS)
def test_nobody_with_work_makes_way_for_who_is_away_and_does_nothing(snapshot, drawn):
    snapshot = _with_rests(snapshot, drawn)
    views = {s.slice_id: s for s in snapshot.slices}
    for action in decide(snapshot).actions:
        if isinstance(action, Suspend):
            leaves, comes = views[action.slice_id], views[action.room_for]
            if comes.rests_since is not None and not comes.gate_open and leaves.takes_turns:
                assert leaves.rests_since is not None
