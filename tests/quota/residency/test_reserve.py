"""Room that is to be free for a reservation: who borrows leaves ahead, and nobody else.

``C`` is called back, ``B`` borrowed, ``E`` entitled, ``J`` a job; ``r`` is reserved.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.actions import Evict, Suspend
from sublet_quota.residency.lending import lendable_mib
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import GpuSnapshot, Rank

from tests.quota.residency.any_snapshot import snapshots
from tests.quota.residency.gpu_pictures import (
    GIB,
    NOW,
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

C: dict[str, Any] = {"rank": Rank.CALLED_BACK}
E: dict[str, Any] = {"rank": Rank.ENTITLED}
examples = settings(max_examples=400)


def reserved(gib: int, *slices: Any, **more: Any) -> GpuSnapshot:
    return gpu(*slices, reserved_mib=gib * GIB, **more)


#  GPU [CCCC DDDD BBBB ....]   of rrrrrrrr half is free: C is idle, and so is D, for less long
def test_called_back_slices_leave_the_longest_idle_first_and_as_few_as_must() -> None:
    slices = (idle("C", 20, on=20, **C), idle("D", 20, on=20, for_s=60, **C), idle("B", 20, on=20))
    assert told(reserved(20, *slices)) == []
    assert told(reserved(30, *slices)) == ["suspend C"]
    away = (idle("C", 20, out=20, **C), *slices[1:])
    assert told(reserved(40, *away)) == []
    assert told(reserved(50, *away)) == ["suspend D"]


#  GPU [.... BBBB OOOO CCCC]   who has lost its place leaves before who borrows, and O is its own
def test_who_keeps_its_borrowed_place_leaves_after_who_was_called_back() -> None:
    b, c = idle("B", 20, on=20, for_s=900), idle("C", 20, on=20, for_s=60, **C)
    own = idle("O", 20, on=20, in_reserve=True)
    assert told(reserved(60, b, own, c)) == ["suspend C"]
    gone = idle("C", 20, out=20, **C)
    assert told(reserved(80, b, own, gone)) == ["suspend B"]
    assert told(reserved(80, idle("B", 20, out=20), own, gone)) == []
    # It would be the first by how long it is idle, and by its place.
    for first in (idle("O", 20, on=20, for_s=9000), idle("O", 20, on=20, for_s=9000, **C)):
        assert told(reserved(80, b, replace(first, in_reserve=True), gone)) == ["suspend B"]


#  GPU [.... EEEE FFFF UUUU]   rrrrrrrrrrrrrrrr: all of it
def test_nobody_entitled_leaves_for_a_reservation_and_nobody_is_ended() -> None:
    f, u = training("F", 20, on=20, **E), training("U", 20, on=20, unsuspendable="IPC")
    alone = reserved(80, idle("E", 20, on=20, **E), f, u)
    assert told(alone) == told(replace(alone, reserved_mib=0)) == []
    beside = reserved(80, *alone.slices, idle("C", 20, on=20, **C))
    assert told(beside) == ["suspend C"]


#  GPU [CCCC JJJJ KKKK ....]   of rrrrrrrr half is free
def test_jobs_leave_before_any_owner_the_least_entitled_first_and_as_few_as_must() -> None:
    c, j, k = idle("C", 20, on=20, **C), training("J", 20, on=20), training("K", 20, on=20)
    snapshot = reserved(40, c, replace(j, entitlement=1), replace(k, entitlement=2))
    assert told(snapshot) == ["pause K", "suspend K"]
    assert waits(snapshot) == [("K", WaitReason.RESERVED)]
    assert told(reserved(20, *snapshot.slices)) == []
    # Whoever is away already is none that must leave for it.
    away = (idle("C", 20, out=20, **C), *snapshot.slices[1:])
    assert told(reserved(40, *away)) == []
    assert told(reserved(80, *away)) == ["pause J", "pause K", "suspend K"]


#  GPU [C~CCC JJJJ ........]   C is on its way out: with that there is enough
def test_a_job_runs_on_beside_an_owner_that_is_on_its_way_out() -> None:
    c, j = idle("C", 40, on=40, **C), training("J", 20, on=20)
    assert told(reserved(60, c, j, transition=suspending("C"))) == []


#  GPU [B!BBB JJJJ ........]   B is at work, so J stands still, and leaves first
def test_a_job_that_stands_still_leaves_before_an_owner_at_work() -> None:
    b, j = running("B", 20, on=20), stopped("J", 20, on=20)
    assert told(reserved(60, b, j)) == ["suspend J"]
    assert told(reserved(80, b, stopped("J", 20, out=20))) == ["suspend B"]
    waiting_b = reserved(80, waiting("B", 20, out=20), stopped("J", 20, out=20))
    assert waits(waiting_b)[0] == ("B", WaitReason.RESERVED)


#  GPU [.... OOOO]   O is of the reservation, and comes early; B is at work
def test_the_reservations_own_come_into_their_room_before_it_begins() -> None:
    own = waiting("O", 40, out=40, in_reserve=True)
    assert told(reserved(80, own)) == ["resume O"]
    assert told(reserved(40, own, running("B", 40, on=40))) == ["resume O"]
    # What was promised just now is free no more, and need not be.
    anew = waiting("O", 40, in_reserve=True)
    assert told(reserved(50, anew, idle("B", 20, on=20))) == ["open O"]
    assert told(reserved(80, own, running("B", 60, on=60))) == ["suspend B for O"]


#  GPU [C!CCC D. B! ....]   who is idle leaves first; then who is at work, and is told
def test_idle_ones_leave_before_those_at_work_and_these_are_told() -> None:
    c, b = running("C", 30, on=30, **C), running("B", 20, on=20)
    d = idle("D", 20, on=20, **C)
    assert told(reserved(30, c, d, b)) == ["suspend D"]
    assert waits(reserved(30, c, d, b)) == []
    gone = idle("D", 20, out=20, **C)
    assert told(reserved(40, c, gone, b)) == ["suspend C"]
    assert waits(reserved(40, c, gone, b)) == [("C", WaitReason.CALLED_BACK)]


#  GPU [C!C ................]  r is beside it: it runs on, and a cell of it begins, too
def test_called_back_slices_run_in_room_that_the_reservation_does_not_need() -> None:
    assert told(reserved(50, running("C", 30, on=10, **C))) == []
    assert told(reserved(50, waiting("C", 30, out=10, **C))) == ["resume C"]
    assert told(reserved(51, waiting("C", 30, out=10, **C))) == []
    assert waits(reserved(51, waiting("C", 30, out=10, **C))) == [("C", WaitReason.CALLED_BACK)]


#  GPU [E!EEE CCCC ....]   E is of the reservation, and has its room of it
def test_what_the_reservations_own_slices_take_counts_as_free_for_it() -> None:
    own = running("E", 40, on=10, in_reserve=True, **E)
    assert told(reserved(40, own, running("C", 40, on=40, **C))) == []
    assert told(reserved(60, own, running("C", 40, on=40, **C))) == ["suspend C"]


def test_who_needs_room_now_comes_first() -> None:
    e, b = waiting("E", 40, out=9, **E), idle("B", 40, on=40, for_s=900)
    snapshot = reserved(20, e, b, idle("C", 40, on=40, **C))
    assert [a.room_for for a in decide(snapshot).actions if isinstance(a, Suspend)] == ["E"]


def test_a_suspend_for_a_reservation_is_not_turned_back() -> None:
    c = idle("C", 40, on=40, **C)
    moving = reserved(80, c, transition=suspending("C", undoable=True))
    assert told(moving) == []
    assert told(replace(moving, reserved_mib=0)) == ["undo C"]


def test_nothing_borrowed_comes_home_into_reserved_room() -> None:
    own = {"in_reserve": True}
    kept = {"kept_until": NOW + timedelta(hours=1)}
    cases: tuple[tuple[dict[str, Any], bool], ...] = (
        (C, False),
        ({}, False),
        (kept, False),
        (own, True),
        (E, True),
    )
    for own, comes in cases:
        snapshot = reserved(60, idle("X", 40, out=40, **own))
        assert ("resume X" in told(snapshot)) is comes
        assert "resume X" in told(replace(snapshot, reserved_mib=0))


def test_no_job_comes_into_reserved_room_and_one_that_is_there_leaves_it() -> None:
    snapshot = reserved(60, stopped("J", 40))
    assert (told(snapshot), waits(snapshot)) == ([], [("J", WaitReason.RESERVED)])
    assert told(reserved(40, stopped("J", 40))) == ["open J"]
    assert told(reserved(40, training("J", 40, on=40))) == []
    assert told(reserved(60, training("J", 40, on=40))) == ["pause J", "suspend J"]
    assert lendable_mib(reserved(60)) == 20 * GIB
    # What the reservation's own has there is of what is reserved.
    assert lendable_mib(reserved(60, running("E", 40, on=40, in_reserve=True, **E))) == 20 * GIB


reservations = st.sampled_from((1, 10, 40, 80))


@examples
@given(snapshots(), reservations)
def test_none_but_who_borrows_is_suspended_for_a_reservation(
    snapshot: GpuSnapshot, mib: int
) -> None:
    by_id = {s.slice_id: s for s in snapshot.slices}
    for action in decide(replace(snapshot, reserved_mib=mib)).actions:
        if isinstance(action, Suspend) and action.room_for is None:
            view = by_id[action.slice_id]
            assert view.is_job or view.rank >= Rank.BORROWED
            assert not view.in_reserve


@examples
@given(snapshots(), reservations)
def test_where_nobody_borrows_nobody_leaves_otherwise_than_without_a_reservation(
    snapshot: GpuSnapshot, mib: int
) -> None:
    slices = tuple(
        s if s.rank < Rank.BORROWED else replace(s, rank=Rank.ENTITLED)
        for s in snapshot.slices
        if not s.is_job
    )
    snapshot = replace(snapshot, slices=slices)

    def leaving(mib: int) -> set[Any]:
        decision = decide(replace(snapshot, reserved_mib=mib))
        return {a for a in decision.actions if isinstance(a, Suspend | Evict)}

    assert leaving(mib) <= leaving(0)
