"""Cases: an owner wakes beside training, and training comes back."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import Holder

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


#  GPU [AAAA JJJJJJ ......]          A! wakes; its cap fits beside what the job holds
def test_a_job_whose_memory_is_not_in_the_way_is_only_paused():
    snapshot = gpu(waiting("A", 30, on=20), training("J", 50, on=40))
    assert told(snapshot) == ["pause J", "open A"]


#  GPU [AAAA JJJJJJJJJJJJ]           A! wakes; its cap does not fit beside the job's bytes
def test_a_job_whose_memory_is_in_the_way_is_paused_and_then_suspended():
    snapshot = gpu(waiting("A", 30, on=20), training("J", 60, on=60))
    assert told(snapshot) == ["pause J", "suspend J for A"]


#  GPU [JJJJJJJJJJJJ ....] host [AA]  A! comes back where a paused job leaves enough room
def test_a_suspended_owner_comes_back_at_once_where_there_is_room():
    snapshot = gpu(waiting("A", 20, out=10), stopped("J", 60, on=55))
    assert told(snapshot) == ["resume A"]


#  GPU [AA.... JJJJJJJJJJJ]          the owner is promised its cap, not what it holds
def test_an_owner_is_owed_its_cap_not_what_it_holds():
    snapshot = gpu(waiting("A", 30, on=1), stopped("J", 60, on=60))
    assert told(snapshot) == ["suspend J for A"]


#  GPU [BBBB JJJJJ ......] host [A]   the least entitled job leaves first
def test_the_least_entitled_job_leaves_first():
    snapshot = gpu(
        waiting("A", 20, out=10),
        stopped("J1", 40, on=35, entitlement=0),
        stopped("J2", 40, on=35, entitlement=1),
    )
    assert told(snapshot) == ["suspend J2 for A"]


#  GPU [BBBBBBBB JJJJ ....] host [A]   jobs leave before idle slices, where one of those would do
def test_jobs_leave_before_idle_slices():
    snapshot = gpu(
        waiting("A", 40, out=10),
        stopped("J", 40, on=20),
        idle("B", 60, on=40, for_s=9999),
    )
    assert told(snapshot) == ["suspend J for A"]


#  GPU [BBBBB CCCCCC DDDD] host [A]   B was idle longest
def test_the_longest_idle_slice_leaves_first():
    snapshot = gpu(
        waiting("A", 40, out=40),
        idle("B", 40, on=25, for_s=900),
        idle("C", 40, on=30, for_s=300),
        idle("D", 40, on=25, for_s=100),
    )
    assert told(snapshot) == ["suspend B for A"]


#  GPU [B CCCCCC ........] host [A]   B alone is not enough, C alone is: B stays
def test_who_would_leave_in_vain_is_spared():
    snapshot = gpu(
        waiting("A", 60, out=40),
        idle("B", 40, on=10, for_s=900),
        idle("C", 60, on=60, for_s=300),
    )
    assert told(snapshot) == ["suspend C for A"]


#  GPU [AAAAAAAA ........]           two wake at once, and fit together
def test_owners_that_fit_together_run_together():
    snapshot = gpu(waiting("A", 40, on=30), waiting("B", 40, on=5))
    assert told(snapshot) == ["open A", "open B"]


#  GPU [AAAA JJJJ(paused)]           A goes idle; nothing is in the job's way
def test_training_goes_on_when_the_last_owner_is_idle():
    snapshot = gpu(idle("A", 40, on=30), stopped("J", 50, on=50))
    assert told(snapshot) == ["unpause J", "open J"]


#  GPU [AAAA BBBB] host [JJJ]         both idle: the longest idle one is lent
def test_room_for_training_is_made_by_the_longest_idle_slice():
    snapshot = gpu(
        idle("A", 40, on=40, for_s=100), idle("B", 40, on=40, for_s=200), stopped("J", 40, out=30)
    )
    assert told(snapshot) == ["suspend B for J"]


#  GPU [................]            a placed job begins where there is room
def test_a_placed_job_starts_when_its_whole_cap_is_free():
    assert told(gpu(idle("A", 40, on=30), stopped("J", 50))) == ["open J"]


#  GPU [A! ..............]           a job never begins beside an owner with work
def test_a_job_waits_for_active_owners_although_there_is_room():
    snapshot = gpu(running("A", 10, on=5), stopped("J", 20))
    assert told(snapshot) == []
    assert waits(snapshot) == [("J", WaitReason.OWNERS_ACTIVE)]
    assert whom(decide(snapshot), "J") == ["A"]


#  GPU [A! JJ] ... J just resumed     it comes back in the moment an owner wakes
def test_a_job_that_came_back_too_late_is_paused():
    snapshot = gpu(running("A", 10, on=5), stopped("J", 20, on=20, state=SliceState.RESIDENT))
    assert told(snapshot) == ["pause J"]


#  GPU [JJJJJJ BBBBBBBBBB]           a job that runs without a promise may not grow
def test_a_job_without_a_promise_stands_still_until_its_room_is_made():
    snapshot = gpu(idle("B", 50, on=50), stopped("J", 40, on=30, state=SliceState.RESIDENT))
    assert told(snapshot) == ["pause J", "suspend B for J"]


#  GPU [JJJJ KKKK]                   K ranks higher now, but J runs
def test_a_new_rank_throws_no_running_job_out():
    snapshot = gpu(training("J", 50, on=40, entitlement=1), stopped("K", 50, out=40, entitlement=0))
    assert told(snapshot) == []
    assert waits(snapshot) == [("K", WaitReason.NOT_IDLE_YET)]


#  GPU [NNNNNNNN(paused) ...] host [A!]   N cannot be suspended (NCCL): it is evicted
def test_a_job_that_cannot_be_suspended_is_evicted_when_an_owner_needs_its_room():
    snapshot = gpu(waiting("A", 40, out=30), stopped("N", 60, on=60, unsuspendable="NCCL"))
    assert told(snapshot) == ["evict N for A"]


def test_a_job_that_cannot_be_suspended_is_only_paused_while_its_room_is_not_needed():
    snapshot = gpu(
        waiting("A", 40, on=30),
        training("N", 60, on=40, unsuspendable="NCCL", state=SliceState.RESIDENT),
    )
    assert told(snapshot) == ["pause N", "open A"]


#  GPU [NNNN BBBB] host [A!]          B's owner loses nothing by moving, N would lose its run
def test_an_idle_slice_leaves_before_a_job_is_evicted():
    snapshot = gpu(
        waiting("A", 40, out=30),
        stopped("N", 40, on=40, unsuspendable="NCCL"),
        idle("B", 40, on=40),
    )
    assert told(snapshot) == ["suspend B for A"]


def test_a_job_that_has_not_begun_is_never_evicted():
    snapshot = gpu(
        waiting("A", 60, on=60), stopped("N", 60, unsuspendable="NCCL"), idle("B", 40, on=20)
    )
    assert told(snapshot) == ["open A"]


def test_a_job_never_makes_another_be_evicted():
    snapshot = gpu(
        stopped("J", 50, on=20, entitlement=0),
        stopped("N", 60, on=40, unsuspendable="NCCL", entitlement=1),
    )
    assert not any(t.startswith("evict") for t in told(snapshot))


#  GPU [JJJ ... K promised] an agent that could not pause U counts it with its whole cap
def test_a_job_that_cannot_even_be_paused_counts_with_its_whole_cap():
    snapshot = gpu(
        waiting("A", 40, on=30),
        stopped("U", 60, on=20, unsuspendable="cannot be paused", state=SliceState.RESIDENT),
    )
    assert told(snapshot) == ["pause U", "evict U for A"]


#  GPU [JJJJJJ -> host] A! in flight  a wake during a move waits for it
def test_nothing_else_moves_while_a_move_is_in_flight():
    snapshot = gpu(
        waiting("A", 40, out=30),
        stopped("J", 60, on=60),
        idle("B", 20, on=20),
        transition=suspending("J"),
    )
    assert told(snapshot) == []
    assert waits(snapshot)[0] == ("A", WaitReason.MAKING_ROOM)


#  GPU [JJJJJJ <- host] A! wakes      the job's room is taken until it is back, then it leaves
def test_a_wake_while_a_job_comes_back_queues_behind_that():
    snapshot = gpu(waiting("A", 40, out=30), stopped("J", 60, out=50), transition=resuming("J"))
    assert told(snapshot) == []


@pytest.mark.parametrize("undoable", [True, False])
def test_a_suspend_whose_owner_is_active_again_is_undone_if_it_can_be(undoable):
    snapshot = gpu(
        waiting("A", 40, on=40, state=SliceState.PAUSED),
        stopped("J", 60),
        transition=suspending("A", undoable=undoable),
    )
    assert told(snapshot) == (["undo A"] if undoable else [])


def test_a_suspend_that_nobody_needs_any_more_is_undone():
    snapshot = gpu(
        running("A", 40, on=40),
        idle("B", 40, on=40, state=SliceState.PAUSED),
        transition=suspending("B", undoable=True),
    )
    assert told(snapshot) == ["undo B"]


def test_a_slice_that_leaves_for_another_card_is_let_go_unless_its_owner_is_back():
    leaves = suspending("B", undoable=True, leaves=True)
    away = gpu(running("A", 40, on=40), idle("B", 40, on=40, state=SliceState.PAUSED))
    assert told(replace(away, transition=leaves)) == []
    back = gpu(running("A", 20, on=20), waiting("B", 40, on=40, state=SliceState.PAUSED))
    assert told(replace(back, transition=leaves)) == ["undo B"]


def test_a_suspend_that_somebody_needs_goes_on():
    snapshot = gpu(
        waiting("A", 40, out=40),
        idle("B", 60, on=60, state=SliceState.PAUSED),
        transition=suspending("B", undoable=True),
    )
    assert told(snapshot) == []


def test_an_owner_left_paused_by_an_agent_before_is_unpaused():
    snapshot = gpu(idle("A", 40, on=30, state=SliceState.PAUSED))
    assert told(snapshot) == ["unpause A"]


def test_an_owner_that_is_being_suspended_is_not_unpaused():
    snapshot = gpu(
        idle("A", 40, on=40, state=SliceState.PAUSED),
        waiting("B", 60, on=20),
        transition=suspending("A"),
    )
    assert told(snapshot) == []


def test_a_move_that_did_not_work_is_not_tried_again_too_early():
    later = NOW + timedelta(seconds=1)
    snapshot = gpu(
        waiting("A", 40, out=30),
        idle("B", 40, on=40, for_s=900, not_before=later),
        idle("C", 40, on=40, for_s=100),
    )
    assert told(snapshot) == []
    assert told(gpu(waiting("A", 40, out=30, not_before=later))) == []


def test_a_hold_up_of_one_does_not_stop_the_others():
    later = NOW + timedelta(seconds=1)
    snapshot = gpu(waiting("A", 40, out=30, not_before=later), waiting("B", 40, out=30))
    assert told(snapshot) == ["resume B"]


def test_holders_are_told_apart_in_the_wait_list():
    snapshot = gpu(running("A", 10, on=5), stopped("J", 20), stopped("K", 20))
    assert [w.place for w in decide(snapshot).waits] == [1, 2]
    assert Holder.JOB == "job"
    assert decide(snapshot).waits[0].need_mib == 20 * GIB
