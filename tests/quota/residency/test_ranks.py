"""Cases: entitled and borrowed slices on one GPU. What is taken back is alive, and told for whom.

``E`` is entitled against everybody, ``P`` in part, ``B`` borrowed, ``C`` called back.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import Rank

from tests.quota.residency.gpu_pictures import (
    GIB,
    NOW,
    gpu,
    idle,
    resuming,
    running,
    stopped,
    suspending,
    told,
    training,
    waiting,
    waits,
    whom,
)

E: dict[str, Any] = {"rank": Rank.ENTITLED}
P: dict[str, Any] = {"rank": Rank.ENTITLED_IN_PART}
B: dict[str, Any] = {"rank": Rank.BORROWED}
C: dict[str, Any] = {"rank": Rank.CALLED_BACK}
RANKS = [E, P, B, C]


def test_a_slice_of_which_no_rank_is_told_is_borrowed():
    assert waiting("A", 10).rank is Rank.BORROWED
    assert sorted(Rank) == [
        Rank.ENTITLED,
        Rank.ENTITLED_IN_PART,
        Rank.BORROWED,
        Rank.CALLED_BACK,
    ]


#  GPU [BBBBBBBBBBBB ....] host [E]   E! is entitled: B!'s turn has just begun, and is over
@pytest.mark.parametrize(("first", "then"), [(E, P), (E, B), (E, C), (P, B), (P, C), (B, C)])
def test_a_higher_rank_makes_way_at_once_whatever_is_left_of_its_turn(first, then):
    snapshot = gpu(running("B", 60, on=60, for_s=1, **then), waiting("E", 40, out=9, **first))
    assert told(snapshot) == ["suspend B for E"]
    assert waits(snapshot) == [("E", WaitReason.MAKING_ROOM), ("B", WaitReason.CALLED_BACK)]
    assert whom(decide(snapshot), "B") == ["E"]


#  GPU [EEEEEEEEEEEE ....] host [B]   however long E! has been at work, it has no turn against B!
@pytest.mark.parametrize(("first", "then"), [(E, P), (E, B), (E, C), (P, B), (P, C), (B, C)])
def test_a_lower_rank_has_no_turn_that_could_end_for_a_higher_one(first, then):
    snapshot = gpu(
        running("E", 60, on=60, for_s=9999, **first),
        waiting("B", 40, out=30, for_s=9000, **then),
    )
    assert told(snapshot) == []
    wait = decide(snapshot).waits[0]
    assert (wait.slice_id, wait.reason, wait.waits_for) == ("B", WaitReason.CALLED_BACK, ("E",))
    assert (wait.rank, wait.turn_ends) == (then["rank"], None)


@pytest.mark.parametrize("rank", RANKS)
def test_among_equals_of_any_rank_there_are_turns(rank):
    young = gpu(running("A", 60, on=60, for_s=30, **rank), waiting("D", 40, out=30, **rank))
    assert told(young) == []
    assert waits(young) == [("D", WaitReason.TURN)]
    assert decide(young).waits[0].turn_ends == NOW + timedelta(seconds=30)
    over = gpu(running("A", 60, on=60, for_s=60, **rank), waiting("D", 40, out=30, **rank))
    assert told(over) == ["suspend A for D"]


def test_who_fits_beside_runs_beside_whatever_its_rank():
    snapshot = gpu(running("B", 40, on=40, **C), waiting("E", 30, on=0, **E), waiting("D", 10, **B))
    assert told(snapshot) == ["open E", "open D"]


def test_the_lower_rank_is_seated_first_however_long_the_other_waited():
    snapshot = gpu(waiting("B", 60, out=9, for_s=999, **B), waiting("E", 60, out=9, for_s=1, **E))
    assert told(snapshot) == ["resume E"]
    assert [s for s, _ in waits(snapshot)] == ["E", "B"]


#  GPU [BBBB CCCC] host [E]   one is enough, and C comes before B
def test_the_highest_rank_leaves_first():
    snapshot = gpu(
        running("B", 40, on=40, for_s=99, **B),
        running("C", 40, on=40, for_s=9, **C),
        waiting("E", 40, out=9, **E),
    )
    assert told(snapshot) == ["suspend C for E"]
    assert waits(snapshot)[1:] == [("C", WaitReason.CALLED_BACK)]


def test_among_one_rank_who_is_over_its_cap_leaves_first_then_the_longest_turn():
    a, b = running("A", 40, on=40, for_s=50, **B), running("B", 40, on=40, for_s=9, **B)
    entitled = waiting("E", 40, out=9, **E)
    assert told(gpu(a, b, entitled)) == ["suspend A for E"]
    over = replace(b, cap_mib=30 * GIB)
    assert told(gpu(a, over, entitled)) == ["suspend B for E"]


#  GPU [A BBBB CC] host [E]   A had the longest turn, but B alone is enough
def test_no_more_leave_than_must():
    snapshot = gpu(
        running("A", 10, on=10, for_s=50, **B),
        running("B", 50, on=50, for_s=40, **B),
        running("D", 20, on=20, for_s=5, **B),
        waiting("E", 45, out=9, **E),
    )
    assert told(snapshot) == ["suspend B for E"]
    assert waits(snapshot)[1:] == [("B", WaitReason.CALLED_BACK)]


#  GPU [BBBB YYYY] host [E]   an idle slice makes way before anybody at work, whatever its rank
def test_nobody_at_work_makes_way_where_an_idle_slice_can():
    snapshot = gpu(
        running("B", 40, on=40, **C), idle("Y", 40, on=40, **E), waiting("E", 40, out=9, **E)
    )
    assert told(snapshot) == ["suspend Y for E"]
    assert waits(snapshot) == [("E", WaitReason.MAKING_ROOM)]


#  GPU [YYYY ZZZZ] host [B]   a borrowed one at work comes before who is idle
def test_an_idle_entitled_slice_makes_way_for_a_borrowed_one_at_work():
    snapshot = gpu(idle("Y", 60, on=60, **E), waiting("B", 40, out=9, **C))
    assert told(snapshot) == ["suspend Y for B"]


#  GPU [X YY Z] host [E]   X was idle longest, Y is the most borrowed
def test_of_idle_slices_the_highest_rank_leaves_first_then_the_longest_idle():
    x, y, z = (idle(n, 30, on=25, for_s=s) for n, s in (("X", 900), ("Y", 100), ("Z", 300)))
    entitled = waiting("A", 30, out=9, **E)
    assert told(gpu(x, replace(y, **B), replace(z, **E), entitled)) == ["suspend X for A"]
    assert told(gpu(x, replace(y, **C), replace(z, **E), entitled)) == ["suspend Y for A"]
    assert told(gpu(replace(x, **E), y, replace(z, **P), entitled)) == ["suspend Y for A"]


def test_jobs_make_way_before_idle_slices_of_any_rank():
    snapshot = gpu(waiting("E", 40, out=9, **E), stopped("J", 40, on=40), idle("Y", 40, on=40, **C))
    assert told(snapshot) == ["suspend J for E"]


@pytest.mark.parametrize("rank", RANKS)
def test_every_owner_at_work_comes_before_every_job(rank):
    snapshot = gpu(waiting("A", 40, on=30, **rank), training("J", 60, on=60))
    assert told(snapshot) == ["pause J", "suspend J for A"]


def test_a_job_takes_the_room_of_the_most_borrowed_idle_slice():
    snapshot = gpu(
        idle("X", 40, on=40, for_s=900, **E), idle("Y", 40, on=40, for_s=10, **C), stopped("J", 40)
    )
    assert told(snapshot) == ["suspend Y for J"]


#  GPU [UUUUUUUUUUUU ....] host [E]   U cannot be moved: the one exception
def test_who_cannot_be_moved_stays_and_who_is_entitled_is_told_so():
    snapshot = gpu(
        running("U", 60, on=30, unsuspendable="CUDA IPC", **C), waiting("E", 40, out=20, **E)
    )
    assert told(snapshot) == []
    assert waits(snapshot) == [("E", WaitReason.UNSUSPENDABLE)]
    assert whom(decide(snapshot), "E") == ["U"]


#  GPU [UUUU BBBB] host [E]   U stays, so B makes the room
def test_who_can_be_moved_makes_way_beside_who_cannot():
    snapshot = gpu(
        running("U", 40, on=30, for_s=99, unsuspendable="CUDA IPC", **C),
        running("B", 40, on=40, for_s=9, **B),
        waiting("E", 40, out=20, **E),
    )
    assert told(snapshot) == ["suspend B for E"]


#  GPU [EEEEEEEEEE ...... ] host [B] X   B! does not fit beside E!, and X! behind it does
def test_who_waits_for_lower_ranks_holds_no_equal_up():
    snapshot = gpu(
        running("E", 50, on=50, **E),
        waiting("B", 40, out=9, for_s=99, **B),
        waiting("X", 30, for_s=1, **B),
    )
    assert told(snapshot) == ["open X"]
    assert waits(snapshot) == [("B", WaitReason.CALLED_BACK)]


#  GPU [E XX ......] host [B]   beside E! there is room for one of the two: these take turns
def test_equals_take_turns_in_what_lower_ranks_leave():
    young = gpu(
        running("E", 40, on=40, for_s=999, **E),
        running("X", 30, on=30, for_s=30, **B),
        waiting("B", 30, out=9, **B),
    )
    assert told(young) == []
    assert waits(young) == [("B", WaitReason.TURN)]
    wait = decide(young).waits[0]
    assert (wait.waits_for, wait.turn_ends) == (("X",), NOW + timedelta(seconds=30))
    over = replace(young, now=NOW + timedelta(seconds=30))
    assert told(over) == ["suspend X for B"]


#  GPU [EEEE ............] host [FFFFF] B   F! waits for E!'s turn: B! would only be in its way
def test_nobody_begins_in_room_that_a_lower_rank_has_next():
    snapshot = gpu(
        running("E", 40, on=40, for_s=30, **E),
        waiting("F", 60, out=60, **E),
        waiting("B", 30, **B),
        waiting("D", 20, **C),
    )
    assert told(snapshot) == ["open D"]
    assert waits(snapshot) == [("F", WaitReason.TURN), ("B", WaitReason.CALLED_BACK)]
    assert whom(decide(snapshot), "B") == ["F", "E"]


#  GPU [EEEE BBBBBB ....] host [FFFFF]   B! runs on until F!'s turn, and then makes way as E! does
def test_who_is_there_already_runs_on_until_a_lower_ranks_turn_comes():
    snapshot = gpu(
        running("E", 40, on=40, for_s=30, **E),
        running("B", 30, on=30, for_s=500, **B),
        waiting("F", 60, out=60, **E),
    )
    assert told(snapshot) == []
    assert waits(snapshot) == [("F", WaitReason.TURN)]
    over = replace(snapshot, now=NOW + timedelta(seconds=30))
    assert told(over) == ["suspend B for F"]
    assert waits(over) == [
        ("F", WaitReason.MAKING_ROOM),
        ("E", WaitReason.TURN),
        ("B", WaitReason.CALLED_BACK),
    ]


#  GPU [EE FF BB ..] host [GGGG]   two of B, D may stay beside what comes, but not both
def test_those_who_begin_meanwhile_are_added_up_across_ranks():
    snapshot = gpu(
        running("E", 40, on=40, for_s=30, **E),
        waiting("G", 60, out=60, **E),
        waiting("B", 15, for_s=9, **B),
        waiting("D", 15, for_s=9, **C),
    )
    assert told(snapshot) == ["open B"]
    assert waits(snapshot)[1:] == [("D", WaitReason.CALLED_BACK)]


def test_a_slice_that_comes_to_be_entitled_while_it_waits_gets_its_seat_by_that():
    borrowed = waiting("A", 60, out=9, **B)
    entitled = running("D", 60, on=60, for_s=10, **B)
    assert told(gpu(borrowed, entitled)) == []
    assert told(gpu(replace(borrowed, **E), entitled)) == ["suspend D for A"]
    assert told(gpu(replace(borrowed, **E), replace(entitled, **E))) == []


def test_a_slice_that_is_called_back_at_work_makes_way_for_who_waited():
    seated, other = running("A", 60, on=60, for_s=5, **B), waiting("D", 60, out=9, **B)
    assert told(gpu(seated, other)) == []
    assert told(gpu(replace(seated, **C), other)) == ["suspend A for D"]


@pytest.mark.parametrize("undoable", [True, False])
def test_a_slice_promoted_on_its_way_out_stays_where_it_can(undoable):
    leaves = waiting("B", 60, on=60, state=SliceState.PAUSED, for_s=1, **E)
    other = waiting("E", 40, out=30, for_s=0, **P)
    snapshot = gpu(leaves, other, transition=suspending("B", undoable=undoable))
    assert told(snapshot) == (["undo B"] if undoable else [])
    assert waits(snapshot)[1] == ("E", WaitReason.CALLED_BACK)


def test_a_slice_that_is_called_back_on_its_way_in_leaves_as_soon_as_it_is_there():
    comes, entitled = waiting("B", 60, out=60, **B), waiting("E", 40, out=30, **E)
    snapshot = gpu(comes, entitled, transition=resuming("B"))
    assert told(snapshot) == []
    assert waits(snapshot) == [("E", WaitReason.MAKING_ROOM), ("B", WaitReason.CALLED_BACK)]
    assert told(
        gpu(replace(comes, held_mib=60 * GIB, image_mib=0, state=SliceState.RESIDENT), entitled)
    ) == ["suspend B for E"]


def test_a_suspend_for_an_entitled_one_that_fell_idle_is_undone():
    snapshot = gpu(
        waiting("B", 60, on=60, state=SliceState.PAUSED, **B),
        idle("E", 40, out=30, for_s=0, **E),
        transition=suspending("B", undoable=True),
    )
    assert told(snapshot) == ["undo B"]


#  host [full]   B's bytes have nowhere to go: nobody is helped by calling it back
def test_who_cannot_be_set_aside_is_not_called_back_in_vain():
    snapshot = gpu(running("B", 60, on=60, **B), waiting("E", 40, out=9, **E), host_free_mib=GIB)
    assert told(snapshot) == []
    assert waits(snapshot) == [("E", WaitReason.HOST_MEMORY)]


def test_a_borrowed_one_that_would_fit_with_more_host_memory_is_told_that():
    snapshot = gpu(
        running("E", 40, on=40, **E),
        waiting("B", 40, out=9, **B),
        idle("Y", 40, on=40, **E),
        host_free_mib=GIB,
    )
    assert told(snapshot) == []
    assert waits(snapshot) == [("B", WaitReason.HOST_MEMORY)]


def test_beside_a_foreign_process_nobody_is_called_back():
    snapshot = gpu(
        running("B", 60, on=60, **C),
        waiting("E", 40, on=9, **E),
        foreign_mib=GIB,
        foreign_present=True,
    )
    assert told(snapshot) == []
    assert waits(snapshot) == [("E", WaitReason.FOREIGN_PROCESS)]


#  E grew over its cap: no rank is for what is beyond it
def test_what_outgrew_its_promise_costs_nobody_else_a_seat_whatever_its_rank():
    snapshot = gpu(running("E", 40, on=60, for_s=5, **E), running("B", 40, on=10, for_s=99, **B))
    assert told(snapshot) == ["suspend E for B"]
    assert waits(snapshot) == [("E", WaitReason.OVER_CAP)]


#  GPU [................] host [XX YY]   nobody needs the room: by rank, then the latest active
def test_idle_slices_come_home_in_the_order_of_their_ranks():
    late = idle("X", 40, out=30, for_s=300, **B)
    assert told(gpu(late, idle("Y", 40, out=30, for_s=900, **B))) == ["resume X"]
    assert told(gpu(late, idle("Y", 40, out=30, for_s=900, **P))) == ["resume Y"]
    assert told(gpu(replace(late, **C), idle("Y", 40, out=30, for_s=900, **B))) == ["resume Y"]


def test_who_is_kept_comes_home_before_any_rank():
    kept = NOW + timedelta(hours=1)
    snapshot = gpu(
        idle("X", 40, out=30, for_s=300, **E), idle("Y", 40, out=30, kept_until=kept, **C)
    )
    assert told(snapshot) == ["resume Y"]


def test_idle_slices_stay_away_while_a_called_back_one_waits():
    snapshot = gpu(
        running("E", 50, on=50, **E), waiting("B", 50, out=30, **B), idle("Y", 20, out=10, **E)
    )
    assert told(snapshot) == []


#  GPU [AAA FF BBB] host [G]   F! waits for A!'s turn: not F!'s bytes make way for G!, but B!
def test_what_a_lower_rank_has_there_while_it_waits_is_not_moved_for_a_higher_one():
    front = waiting("F", 60, on=20, for_s=9, **E)
    at_work = running("A", 30, on=30, for_s=5, **E)
    snapshot = gpu(at_work, front, running("B", 30, on=30, for_s=5, **B))
    newcomer = waiting("G", 20, for_s=1)
    called = replace(snapshot, slices=(*snapshot.slices, replace(newcomer, **E)))
    assert told(called) == ["suspend B for G"]
    borrowed = replace(snapshot, slices=(*snapshot.slices, replace(newcomer, **C)))
    assert told(borrowed) == []
    assert waits(borrowed) == [("F", WaitReason.TURN), ("G", WaitReason.CALLED_BACK)]


#  GPU [FFF ..... ] host [G] D   F! has to leave for G! anyhow: D! may have what that leaves over
def test_room_that_a_lower_rank_makes_for_its_equal_may_be_used_as_far_as_it_is_left_over():
    snapshot = gpu(
        waiting("G", 60, for_s=9, **E),
        waiting("F", 40, on=30, for_s=1, **E),
        waiting("D", 10, **B),
    )
    assert told(snapshot) == ["suspend F for G", "open D"]


#  GPU [FF HH ....] host [G] D   F! cannot leave for G! yet: H! need not do so for D! meanwhile
def test_nobody_of_a_lower_rank_leaves_for_a_higher_one_while_others_rest():
    snapshot = gpu(
        waiting("G", 60, for_s=99, **E),
        waiting("F", 40, on=15, for_s=9, not_before=NOW + timedelta(seconds=5), **E),
        waiting("H", 40, on=15, for_s=1, **E),
        waiting("D", 20, **B),
    )
    assert told(snapshot) == []
    assert ("D", WaitReason.MAKING_ROOM) in waits(snapshot)
