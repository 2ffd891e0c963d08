"""Cases: owners that do not fit together, and memory that is not ours to move."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import GpuSnapshot

from tests.quota.residency.gpu_pictures import (
    GIB,
    NOW,
    ago,
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


#  GPU [AAAAAAAAAAAA ....] host [BBB]   A! has its turn, B! waits for its end
def test_who_does_not_fit_waits_for_a_turn_to_end():
    snapshot = gpu(running("A", 60, on=60, for_s=30), waiting("B", 40, out=30, for_s=30))
    assert told(snapshot) == []
    wait = decide(snapshot).waits[0]
    assert (wait.reason, wait.place, wait.waits_for) == (WaitReason.TURN, 1, ("A",))
    assert wait.turn_ends == NOW + timedelta(seconds=30)


def test_a_turn_that_is_over_ends_for_who_waits():
    snapshot = gpu(running("A", 60, on=60, for_s=60), waiting("B", 40, out=30, for_s=30))
    assert told(snapshot) == ["suspend A for B"]
    assert waits(snapshot) == [("B", WaitReason.MAKING_ROOM), ("A", WaitReason.TURN)]


def test_a_turn_goes_on_while_nobody_waits():
    assert told(gpu(running("A", 60, on=60, for_s=9999))) == []


def test_a_turn_goes_on_while_who_waits_fits_beside_it():
    snapshot = gpu(running("A", 40, on=40, for_s=9999), waiting("B", 40, on=0))
    assert told(snapshot) == ["open B"]


#  GPU [AAAA BBBB] host [C]   one turn's end is enough: the longest ends
def test_the_longest_turn_ends_first():
    snapshot = gpu(
        running("A", 40, on=40, for_s=70),
        running("B", 40, on=40, for_s=90),
        waiting("C", 40, out=9),
    )
    assert told(snapshot) == ["suspend B for C"]


def test_only_as_many_turns_end_as_must():
    snapshot = gpu(
        running("A", 10, on=10, for_s=99),
        running("B", 60, on=60, for_s=90),
        waiting("C", 60, out=9),
    )
    assert told(snapshot) == ["suspend B for C"]


def test_who_waited_longest_comes_first():
    snapshot = gpu(
        running("A", 60, on=60, for_s=60),
        waiting("B", 60, out=9, for_s=10),
        waiting("C", 60, out=9, for_s=20),
    )
    assert told(snapshot) == ["suspend A for C"]
    assert [s for s, _ in waits(snapshot)] == ["C", "B", "A"]


#  GPU [AAAAAAAA ........] host [BB C]   C! would fit now, but then B! would wait for C's turn too
def test_the_one_in_front_is_never_passed_over():
    snapshot = gpu(
        running("A", 40, on=40, for_s=30),
        waiting("B", 60, out=30, for_s=20),
        waiting("C", 30, on=0, for_s=10),
    )
    assert told(snapshot) == []
    assert whom(decide(snapshot), "C") == ["B", "A"]


#  GPU [AAAAAAAA ........] host [BB C]   C! fits beside A now and beside B later
def test_who_does_not_put_off_the_one_in_front_runs_meanwhile():
    snapshot = gpu(
        running("A", 40, on=40, for_s=30),
        waiting("B", 60, out=30, for_s=20),
        waiting("C", 20, on=0, for_s=10),
    )
    assert told(snapshot) == ["open C"]


#  GPU [AAAA DD ..] host [BB]   D came by that rule: with it the room for B is used up
def test_those_who_run_meanwhile_are_added_up():
    snapshot = gpu(
        running("A", 40, on=40, for_s=30),
        running("D", 20, on=20, for_s=5),
        waiting("B", 60, out=30, for_s=20),
        waiting("C", 10, on=0, for_s=1),
    )
    assert told(snapshot) == []


#  GPU [AAAAAAAA ........] host [B C D]   C and D fit beside A, but not both beside B
def test_those_who_are_let_in_meanwhile_at_once_are_added_up():
    snapshot = gpu(
        running("A", 40, on=40, for_s=30),
        waiting("B", 60, out=30, for_s=20),
        waiting("C", 15, on=0, for_s=10),
        waiting("D", 15, on=0, for_s=5),
    )
    assert told(snapshot) == ["open C"]


#  A waits longer than B but was seated later: beside it C may run, it puts nobody off
def test_a_turn_that_ends_anyhow_leaves_room_for_others_meanwhile():
    snapshot = gpu(
        running("A", 60, on=60, for_s=10),
        waiting("B", 60, out=30, for_s=50),
        waiting("C", 15, on=0, for_s=1),
    )
    assert told(snapshot) == ["open C"]


#  GPU [YYYY ........] host [A B]   A! waits while Y leaves; B! may take only what A leaves over
def test_room_that_is_being_made_for_one_is_not_given_to_another():
    snapshot = gpu(
        waiting("A", 50, out=40, for_s=9),
        waiting("B", 25, out=10, for_s=5),
        idle("Y", 40, on=40),
        transition=suspending("Y"),
    )
    assert told(snapshot) == []
    small = gpu(
        waiting("A", 50, out=40, for_s=9),
        waiting("B", 25, on=0, for_s=5),
        idle("Y", 40, on=40),
        transition=suspending("Y"),
    )
    assert told(small) == ["open B"]


#  GPU [YYYYYYYY ZZ ......] host [A]   Y leaves for A, which leaves 20 over: not enough for B
def test_who_comes_later_has_only_what_is_left_over_of_the_room_made_for_another():
    snapshot = gpu(
        waiting("A", 50, out=40, for_s=9),
        waiting("B", 25, on=0, for_s=5),
        idle("Y", 40, on=40, for_s=900),
        idle("Z", 20, on=10, for_s=100),
    )
    assert told(snapshot) == ["suspend Y for A"]


def test_who_has_all_it_is_owed_runs_beside_one_that_waits_for_room():
    snapshot = gpu(
        waiting("A", 50, out=40, for_s=9), waiting("B", 30, on=30, for_s=5), idle("Y", 40, on=40)
    )
    assert told(snapshot) == ["suspend Y for A", "open B"]


#  GPU [AAAAAAAAAAAAAAAA over its cap] P is promised 40
def test_who_is_over_its_cap_leaves_when_promises_can_no_longer_be_kept():
    snapshot = gpu(running("A", 40, on=60, for_s=5), running("P", 40, on=10, for_s=3))
    assert told(snapshot) == ["suspend A for P"]
    assert waits(snapshot) == [("A", WaitReason.OVER_CAP)]


def test_an_idle_slice_leaves_first_when_promises_can_no_longer_be_kept():
    snapshot = gpu(
        running("A", 40, on=50, for_s=5), running("P", 20, on=10, for_s=3), idle("B", 40, on=20)
    )
    assert told(snapshot) == ["suspend B for P"]


def test_nobody_who_keeps_to_their_cap_waits_for_the_turn_of_one_who_does_not():
    snapshot = gpu(running("A", 40, on=60, for_s=5), waiting("P", 40, out=10, for_s=3))
    assert told(snapshot) == ["suspend A for P"]
    assert waits(snapshot) == [("P", WaitReason.MAKING_ROOM), ("A", WaitReason.OVER_CAP)]


def test_who_is_over_its_cap_runs_on_while_nobody_else_needs_the_room():
    assert told(gpu(running("A", 40, on=60), running("P", 20, on=10), idle("B", 40))) == []


def test_who_is_over_its_cap_leaves_before_a_longer_turn():
    snapshot = gpu(
        running("A", 30, on=40, for_s=70),
        running("B", 40, on=40, for_s=99),
        waiting("P", 40, out=9),
    )
    assert told(snapshot) == ["suspend A for P"]


def test_who_came_back_over_its_cap_is_owed_all_it_has():
    assert told(gpu(waiting("A", 40, out=60), idle("B", 40, on=30))) == ["suspend B for A"]


#  GPU [XX AAAA JJJJ]   X is nobody's: pausing is all that may be done
def test_beside_a_foreign_process_nothing_is_moved():
    snapshot = gpu(
        waiting("A", 40, on=30),
        training("J", 60, on=45),
        foreign_mib=2 * GIB,
        foreign_present=True,
    )
    assert told(snapshot) == ["pause J"]
    assert waits(snapshot)[0] == ("A", WaitReason.FOREIGN_PROCESS)


def test_on_a_gpu_that_is_being_tried_nothing_is_moved_and_that_is_why_it_waits():
    snapshot = gpu(waiting("A", 40, on=30), waiting("B", 9, out=9), training("J", 60, on=45))
    snapshot = replace(snapshot, unfit=True, return_put_off=True)
    assert told(snapshot) == ["pause J"]
    of_owners = [(name, reason) for name, reason in waits(snapshot) if name in {"A", "B"}]
    assert {reason for _, reason in of_owners} == {WaitReason.UNFIT_GPU}
    assert len(of_owners) == 2
    alone = replace(gpu(idle("A", 30, out=20), stopped("J", 20)), unfit=True)
    assert told(alone) == []
    assert waits(alone) == [("J", WaitReason.UNFIT_GPU)]


#  GPU [CCCC JJJJ ....] aa   A! has work, and an unfit GPU has room: it is not held for ever
def test_on_a_gpu_that_is_not_fit_who_is_away_comes_back_into_what_is_free():
    unfit = replace(
        gpu(waiting("A", 20, out=10), idle("C", 20, on=20), training("J", 30, on=30)), unfit=True
    )
    assert told(unfit) == ["pause J", "resume A"]
    assert waits(unfit)[0] == ("A", WaitReason.COMING_BACK)


def test_on_a_gpu_that_is_not_fit_nobody_leaves_for_who_is_away_and_that_is_why_it_waits():
    unfit = replace(gpu(waiting("A", 50, out=10), idle("C", 50, on=50)), unfit=True)
    assert told(unfit) == []
    assert waits(unfit) == [("A", WaitReason.UNFIT_GPU)]


def test_to_a_gpu_that_is_not_fit_idle_ones_come_home_only_where_nothing_may_be_lent():
    unfit = replace(gpu(idle("A", 30, out=20)), unfit=True)
    assert told(unfit) == []
    assert told(replace(unfit, lending=False)) == ["resume A"]
    assert told(replace(unfit, lending=False, return_put_off=True)) == []


def test_beside_a_foreign_process_owners_run_in_what_is_free():
    snapshot = gpu(
        waiting("A", 30, on=20), training("J", 60, on=45), foreign_mib=2 * GIB, foreign_present=True
    )
    assert told(snapshot) == ["pause J", "open A"]


def test_beside_a_foreign_process_nobody_comes_back_even_with_room():
    snapshot = gpu(waiting("A", 30, out=20), foreign_mib=GIB, foreign_present=True)
    assert told(snapshot) == []
    assert waits(snapshot) == [("A", WaitReason.FOREIGN_PROCESS)]


def test_who_cannot_come_back_beside_a_foreign_process_holds_nobody_up():
    snapshot = gpu(
        waiting("A", 60, out=20, for_s=9),
        waiting("B", 50, on=10),
        foreign_mib=GIB,
        foreign_present=True,
    )
    assert told(snapshot) == ["open B"]


def test_no_job_begins_or_comes_back_beside_a_foreign_process():
    snapshot = gpu(stopped("J", 20), stopped("K", 20, out=5), foreign_mib=GIB, foreign_present=True)
    assert told(snapshot) == []
    assert {r for _, r in waits(snapshot)} == {WaitReason.FOREIGN_PROCESS}


def test_a_job_runs_on_beside_a_foreign_process_that_came_later():
    assert told(gpu(training("J", 20, on=9), foreign_mib=GIB, foreign_present=True)) == []


def test_nobody_comes_home_beside_a_foreign_process():
    assert told(gpu(idle("A", 30, out=20), foreign_mib=GIB, foreign_present=True)) == []


#  GPU [UUUUUUUUUU ......] host [A]   U cannot be suspended: it counts with its whole cap
def test_an_unsuspendable_slice_stays_and_counts_with_its_whole_cap():
    snapshot = gpu(waiting("A", 50, out=30), idle("U", 40, on=10, unsuspendable="managed memory"))
    assert told(snapshot) == []
    assert waits(snapshot) == [("A", WaitReason.UNSUSPENDABLE)]
    assert whom(decide(snapshot), "A") == ["U"]


def test_an_unsuspendable_owner_runs_at_once_when_it_wakes():
    snapshot = gpu(waiting("U", 40, on=10, unsuspendable="managed memory"), stopped("J", 40, on=40))
    assert told(snapshot) == ["open U"]


def test_an_unsuspendable_slice_without_anything_on_the_gpu_takes_nothing():
    snapshot = gpu(waiting("A", 60, on=1), idle("U", 40, unsuspendable="managed memory"))
    assert told(snapshot) == ["open A"]


def test_an_unsuspendable_owner_keeps_its_turn_and_the_others_are_told():
    snapshot = gpu(
        running("U", 60, on=30, for_s=999, unsuspendable="CUDA IPC"), waiting("A", 40, out=20)
    )
    assert told(snapshot) == []
    assert waits(snapshot) == [("A", WaitReason.UNSUSPENDABLE)]


def test_who_can_never_fit_holds_nobody_up():
    snapshot = gpu(
        idle("U", 40, on=10, unsuspendable="managed memory"),
        waiting("A", 60, out=9, for_s=99),
        waiting("B", 40, on=9),
    )
    assert told(snapshot) == ["open B"]


#  host [full]: B's 40 GiB have nowhere to go
def test_nothing_is_suspended_that_host_memory_cannot_take():
    snapshot = gpu(waiting("A", 60, on=1), idle("B", 40, on=40), host_free_mib=39 * GIB)
    assert told(snapshot) == []
    assert waits(snapshot) == [("A", WaitReason.HOST_MEMORY)]


def test_a_smaller_slice_leaves_where_host_memory_cannot_take_the_first():
    snapshot = gpu(
        waiting("A", 40, on=1),
        idle("B", 40, on=40, for_s=900),
        idle("C", 40, on=20, for_s=100),
        host_free_mib=25 * GIB,
    )
    assert told(snapshot) == ["suspend C for A"]


def test_nobody_leaves_when_host_memory_cannot_take_all_who_would_have_to():
    snapshot = gpu(
        waiting("A", 70, on=1),
        idle("B", 40, on=40, for_s=900),
        idle("C", 40, on=30, for_s=100),
        host_free_mib=45 * GIB,
    )
    assert told(snapshot) == []


def test_who_waits_for_host_memory_holds_nobody_up():
    snapshot = gpu(
        waiting("A", 60, on=1, for_s=99),
        idle("B", 40, on=40),
        waiting("C", 30, on=1),
        host_free_mib=0,
    )
    assert told(snapshot) == ["open C"]


def test_a_job_is_evicted_without_host_memory():
    snapshot = gpu(
        waiting("A", 60, on=1), stopped("N", 40, on=40, unsuspendable="NCCL"), host_free_mib=0
    )
    assert told(snapshot) == ["evict N for A"]


def test_a_job_waits_for_host_memory_too():
    snapshot = gpu(idle("A", 60, on=60), stopped("J", 40), host_free_mib=GIB)
    assert told(snapshot) == []
    assert waits(snapshot) == [("J", WaitReason.HOST_MEMORY)]


#  GPU [AAAA AAAA <- host]   what comes back is owed its whole cap at once
def test_the_room_of_who_comes_back_is_not_given_to_another():
    snapshot = gpu(
        waiting("A", 60, out=20, for_s=9), waiting("B", 30, on=0), transition=resuming("A")
    )
    assert told(snapshot) == []


#  GPU [(A)AA aaaa CC ....]   A comes back, and B may not take the rest of A's cap meanwhile
def test_who_comes_back_has_the_rest_of_its_cap_reserved():
    snapshot = gpu(
        waiting("A", 60, out=20, for_s=9),
        waiting("B", 20, on=0),
        idle("C", 20, on=20),
        transition=resuming("A"),
    )
    assert told(snapshot) == []


def test_the_room_of_who_leaves_is_not_free_before_it_is_out():
    snapshot = gpu(
        waiting("A", 60, on=0),
        idle("B", 40, on=40, state=SliceState.PAUSED),
        transition=suspending("B"),
    )
    assert told(snapshot) == []


def test_the_margin_is_never_given_away():
    assert told(gpu(waiting("A", 40, out=1), stopped("J", 41, on=41))) == ["suspend J for A"]
    assert told(gpu(waiting("A", 40, out=1), stopped("J", 40, on=40))) == ["resume A"]


#  the driver takes 0.5 GiB for itself: a slice of the whole GPU still gets all there is
def test_a_slice_of_the_whole_gpu_runs_although_the_driver_takes_some():
    assert told(gpu(waiting("A", 80, on=0), foreign_mib=GIB // 2)) == ["open A"]


def test_others_memory_beyond_the_margin_is_waited_for():
    snapshot = gpu(waiting("A", 80, on=0), foreign_mib=2 * GIB)
    assert told(snapshot) == []
    assert waits(snapshot) == [("A", WaitReason.FOREIGN_PROCESS)]


#  GPU [aaa] host [AAA]   a process was born in a suspended slice: it counts, and can leave
def test_bytes_of_a_suspended_slice_that_are_on_the_gpu_count():
    born_since = idle("A", 40, on=10, out=30)
    assert told(gpu(born_since, waiting("B", 75, on=1))) == ["suspend A for B"]


@pytest.mark.parametrize("lending", [True, False])
def test_an_empty_gpu_needs_nothing(lending):
    snapshot: GpuSnapshot = gpu(lending=lending)
    assert told(snapshot) == []


def test_an_old_wait_counts_from_when_it_began():
    snapshot = gpu(
        running("A", 60, on=60, for_s=60),
        waiting("B", 60, out=9, waiting_since=None, for_s=30),
        waiting("C", 60, out=9, waiting_since=ago(10), for_s=500),
    )
    assert told(snapshot) == ["suspend A for B"]
