"""Room that is to be free for a reservation: called-back slices leave ahead, and nobody else.

``C`` is called back, ``B`` borrowed, ``E`` entitled, ``J`` a job; ``r`` is reserved.
"""

from dataclasses import replace
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


#  GPU [CCCC BBBB EEEE JJJJ]   rrrrrrrrrrrrrrrr: all of it, and more than C can make free
def test_nobody_else_leaves_for_a_reservation_however_little_is_free() -> None:
    others = (idle("B", 20, on=20), idle("E", 20, on=20, **E), training("J", 20, on=20))
    alone = reserved(80, *others)
    assert told(alone) == told(replace(alone, reserved_mib=0))
    beside = reserved(80, idle("C", 20, on=20, **C), *others)
    assert told(beside) == ["suspend C"]


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
    cases: tuple[tuple[dict[str, Any], bool], ...] = ((C, False), ({}, False), (E, True))
    for own, comes in cases:
        snapshot = reserved(60, idle("X", 40, out=40, **own))
        assert ("resume X" in told(snapshot)) is comes
        assert "resume X" in told(replace(snapshot, reserved_mib=0))


def test_no_job_comes_into_reserved_room_and_one_that_is_there_goes_on() -> None:
    snapshot = reserved(60, stopped("J", 40))
    assert (told(snapshot), waits(snapshot)) == ([], [("J", WaitReason.NOT_IDLE_YET)])
    assert told(reserved(40, stopped("J", 40))) == ["open J"]
    assert told(reserved(60, training("J", 40, on=40))) == []
    assert lendable_mib(reserved(60)) == 20 * GIB


reservations = st.sampled_from((1, 10, 40, 80))


@examples
@given(snapshots(), reservations)
def test_none_but_called_back_owners_slices_are_suspended_for_a_reservation(
    snapshot: GpuSnapshot, mib: int
) -> None:
    by_id = {s.slice_id: s for s in snapshot.slices}
    for action in decide(replace(snapshot, reserved_mib=mib)).actions:
        if isinstance(action, Suspend) and action.room_for is None:
            view = by_id[action.slice_id]
            assert (view.rank, view.is_job) == (Rank.CALLED_BACK, False)


@examples
@given(snapshots(), reservations)
def test_where_nobody_is_called_back_nobody_leaves_otherwise_than_without_a_reservation(
    snapshot: GpuSnapshot, mib: int
) -> None:
    slices = tuple(
        replace(s, rank=Rank.BORROWED) if s.rank is Rank.CALLED_BACK else s for s in snapshot.slices
    )
    snapshot = replace(snapshot, slices=slices)

    def leaving(mib: int) -> set[Any]:
        decision = decide(replace(snapshot, reserved_mib=mib))
        return {a for a in decision.actions if isinstance(a, Suspend | Evict)}

    assert leaving(mib) <= leaving(0)
