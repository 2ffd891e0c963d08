"""Cases: jobs within their group's guarantee, beside owners: who has the room, and by turns."""

from datetime import timedelta

import pytest
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import Rank

from tests.quota.residency.gpu_pictures import (
    GIB,
    NOW,
    gpu,
    idle,
    running,
    stopped,
    told,
    training,
    waiting,
    waits,
    whom,
)

DUE = {"rank": Rank.ENTITLED}
KEPT = {"kept_until": NOW + timedelta(hours=1)}


#  GPU [BBBB JJJJJJJJ ....]          B! wakes; its cap fits beside the job's: both run
@pytest.mark.parametrize("rank", Rank)
def test_an_entitled_job_runs_on_beside_an_owner_where_both_fit(rank):
    snapshot = gpu(waiting("B", 30, on=20, rank=rank), training("J", 50, on=40, **DUE))
    assert told(snapshot) == ["open B"]
    assert waits(snapshot) == []


#  GPU [B! ................]          a job within the guarantee need not wait until B is idle
def test_an_entitled_job_begins_beside_an_owner_at_work():
    snapshot = gpu(running("B", 30, on=20), stopped("J", 50, **DUE), stopped("K", 10))
    assert told(snapshot) == ["open J"]
    assert waits(snapshot) == [("K", WaitReason.OWNERS_ACTIVE)]


#  GPU [JJJJJJJJJJJJJ ....] host [E]  E! is entitled: the job makes way at once
@pytest.mark.parametrize("job", [Rank.ENTITLED, Rank.ENTITLED_IN_PART])
def test_an_entitled_job_makes_way_for_an_entitled_owner_at_once(job):
    snapshot = gpu(waiting("E", 40, out=30, **DUE), training("J", 60, on=50, rank=job))
    assert told(snapshot) == ["pause J", "suspend J for E"]
    assert waits(snapshot)[-1] == ("J", WaitReason.CALLED_BACK)


#  GPU [JJJJJJJJJJJJJ ....] host [B]  B! borrows: it waits until the job's turn is over
def test_an_owner_who_borrows_waits_for_the_end_of_an_entitled_jobs_turn():
    wakes = waiting("B", 40, out=30)
    within = gpu(wakes, training("J", 60, on=50, turn_since=NOW - timedelta(seconds=20), **DUE))
    assert told(within) == []
    assert waits(within) == [("B", WaitReason.TURN)]
    assert whom(decide(within), "B") == ["J"]
    assert decide(within).waits[0].turn_ends == NOW + timedelta(seconds=40)
    over = gpu(wakes, training("J", 60, on=50, turn_since=NOW - timedelta(seconds=60), **DUE))
    assert told(over) == ["pause J", "suspend J for B"]


#  GPU [BBBBBBBBBB ......] host [J]   the job's turn comes when B's is over
def test_an_entitled_job_waits_for_the_end_of_a_borrowed_slices_turn():
    job = stopped("J", 60, out=50, waiting_since=NOW - timedelta(seconds=30), **DUE)
    within = gpu(running("B", 40, on=40, for_s=59), job)
    assert told(within) == []
    assert waits(within) == [("J", WaitReason.TURN)]
    over = gpu(running("B", 40, on=40, for_s=60), job)
    assert told(over) == ["suspend B for J"]


def test_who_waited_longest_comes_next_be_it_a_job_or_an_owner():
    turn = running("B", 60, on=60, for_s=60)
    job = stopped("J", 60, out=50, waiting_since=NOW - timedelta(seconds=30), **DUE)
    first = gpu(turn, job, waiting("C", 60, out=50, for_s=20))
    assert told(first) == ["suspend B for J"]
    second = gpu(turn, job, waiting("C", 60, out=50, for_s=40))
    assert told(second) == ["suspend B for C"]


#  GPU [CCCCCC ...........] host [J]  C is called back: its place is due to others, so to the job
def test_a_slice_that_is_called_back_makes_way_for_an_entitled_job_at_once():
    snapshot = gpu(
        running("C", 40, on=40, for_s=1, rank=Rank.CALLED_BACK), stopped("J", 60, out=50, **DUE)
    )
    assert told(snapshot) == ["suspend C for J"]
    assert waits(snapshot)[-1] == ("C", WaitReason.CALLED_BACK)


#  GPU [BBBB KKKKK ......] host [J]   another job leaves first, then an idle borrowed slice
def test_room_for_an_entitled_job_is_made_by_other_jobs_and_then_by_idle_slices():
    busy = running("A", 10, on=10)
    job = stopped("J", 60, out=50, **DUE)
    assert told(gpu(busy, job, training("K", 40, on=40), idle("B", 40, on=20))) == [
        "pause K",
        "suspend K for J",
    ]
    assert told(gpu(busy, job, idle("B", 40, on=20))) == ["suspend B for J"]


#  GPU [KKKKKKKKKK .......]           nobody is at work: who runs without a right makes way, too
def test_a_job_that_is_not_entitled_is_suspended_for_an_entitled_one():
    snapshot = gpu(training("K", 50, on=40), stopped("J", 60, entitlement=1, **DUE))
    assert told(snapshot) == ["pause K", "suspend K for J"]
    back = gpu(stopped("K", 50, out=40), training("J", 60, on=60, entitlement=1, **DUE))
    assert told(back) == []
    assert waits(back) == [("K", WaitReason.NOT_IDLE_YET)]


def test_of_two_entitled_jobs_the_one_that_runs_goes_on():
    snapshot = gpu(training("J", 50, on=40, entitlement=1, **DUE), stopped("K", 50, out=40, **DUE))
    assert told(snapshot) == []
    assert waits(snapshot) == [("K", WaitReason.NOT_IDLE_YET)]


#  GPU [BBBBBBBBB ........] host [J]  what is only borrowed is nobody's to keep from who is entitled
def test_a_kept_slice_is_kept_from_an_entitled_job_only_by_who_is_entitled_to_it():
    job = stopped("J", 60, out=50, **DUE)
    assert told(gpu(idle("B", 40, on=40, **KEPT), job)) == ["suspend B for J"]
    kept = gpu(idle("E", 40, on=40, **KEPT, **DUE), job)
    assert told(kept) == []
    assert waits(kept) == [("J", WaitReason.NOT_IDLE_YET)]


def test_beside_owners_at_work_too_an_entitled_owner_keeps_a_slice_from_jobs():
    at_work, job = running("A", 10, on=10), stopped("J", 60, out=50, **DUE)
    assert told(gpu(at_work, idle("B", 40, on=40, **KEPT), job)) == ["suspend B for J"]
    kept = gpu(at_work, idle("E", 40, on=40, **KEPT, **DUE), job)
    assert told(kept) == []
    assert [name for name, _ in waits(kept)] == ["J"]


def test_an_idle_entitled_slice_lends_its_room_to_an_entitled_job_as_to_any():
    assert told(gpu(idle("E", 60, on=60, **DUE), stopped("J", 60, **DUE))) == ["suspend E for J"]


#  GPU [NNNNNNNNN ........] host [B]  N cannot be suspended: it keeps its turn from who borrows
def test_an_entitled_job_that_cannot_be_suspended_is_ended_only_for_who_is_entitled():
    stuck = {"unsuspendable": "NCCL", "turn_since": NOW - timedelta(hours=1)}
    job = training("N", 60, on=60, **DUE, **stuck)
    borrows = gpu(waiting("B", 40, out=30, for_s=900), job)
    assert told(borrows) == []
    assert waits(borrows) == [("B", WaitReason.UNSUSPENDABLE)]
    entitled = gpu(waiting("E", 40, out=30, **DUE), job)
    assert told(entitled) == ["pause N", "evict N for E"]


def test_a_job_that_cannot_be_suspended_makes_way_after_all_that_can():
    snapshot = gpu(
        waiting("E", 30, out=30, **DUE),
        training("N", 30, on=30, unsuspendable="NCCL", **DUE),
        running("B", 40, on=40, for_s=1),
    )
    assert told(snapshot) == ["suspend B for E"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"lending": False}, WaitReason.LENDING_OFF),
        ({"foreign_present": True}, WaitReason.OWNERS_ACTIVE),
        ({"unfit": True}, WaitReason.OWNERS_ACTIVE),
    ],
    ids=["lending off", "foreign process", "unfit"],
)
def test_where_nothing_is_lent_or_moved_an_entitled_job_stands_behind_owners(change, why):
    snapshot = gpu(running("B", 10, on=5), training("J", 50, on=40, **DUE), **change)
    assert told(snapshot)[:1] == ["pause J"]
    assert waits(snapshot) == [("J", why)]


#  Only what entitled owners have there may be put in their way no longer than the pool says
def test_an_entitled_job_may_be_in_the_way_of_who_borrows_however_long_it_takes_to_leave():
    slow = {"suspend_mib_per_s": GIB}
    assert told(gpu(idle("B", 60, on=10), stopped("J", 60, **DUE), **slow)) == ["open J"]
    entitled = gpu(idle("E", 60, on=10, **DUE), stopped("J", 60, **DUE), **slow)
    assert waits(entitled) == [("J", WaitReason.GIVE_BACK_TOO_SLOW)]


def test_nobody_idle_comes_home_while_an_entitled_job_waits_for_its_turn():
    snapshot = gpu(
        running("B", 40, on=40, for_s=10),
        stopped("J", 60, out=50, **DUE),
        idle("C", 20, out=10, for_s=900),
    )
    assert told(snapshot) == []
