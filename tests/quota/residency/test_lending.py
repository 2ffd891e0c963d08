"""Cases: what may be lent to jobs, and how it comes home."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.actions import OpenGate
from sublet_quota.residency.lending import lendable_mib
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import Rank, SliceView

from tests.quota.residency.gpu_pictures import (
    GIB,
    NOW,
    ago,
    gpu,
    idle,
    running,
    stopped,
    told,
    training,
    waiting,
    waits,
    whom,
    with_settings,
)

RATE = {"suspend_mib_per_s": 3 * GIB}


#  GPU [AAAA BBBB] host [J]           B is kept: only A may be lent, and that is not enough
def test_a_kept_slice_is_not_lent():
    snapshot = gpu(
        idle("A", 40, on=40, for_s=10),
        idle("B", 40, on=40, kept_until=NOW + timedelta(hours=1)),
        stopped("J", 50, out=40),
    )
    assert told(snapshot) == []
    assert waits(snapshot) == [("J", WaitReason.NOT_IDLE_YET)]
    assert whom(decide(snapshot), "J") == ["B"]


def test_a_kept_slice_may_be_lent_when_its_time_is_over():
    snapshot = gpu(idle("B", 40, on=40, kept_until=ago(1)), stopped("J", 50, out=40))
    assert told(snapshot) == ["suspend B for J"]


#  GPU [BBBB CCCC] host [A!]          an owner's need comes before a wish; who kept leaves last
def test_a_kept_slice_makes_room_for_an_owner_after_all_others():
    kept = NOW + timedelta(hours=1)
    snapshot = gpu(
        waiting("A", 40, out=40),
        idle("B", 40, on=40, for_s=900, kept_until=kept),
        idle("C", 40, on=40, for_s=10),
    )
    assert told(snapshot) == ["suspend C for A"]


#  GPU [JJJJJJJJJJJ] host [BBB]       B is kept while it is away: it comes home, the job gives way
def test_a_slice_that_is_kept_while_lent_comes_home():
    kept = NOW + timedelta(hours=1)
    snapshot = gpu(idle("B", 40, out=30, for_s=5, kept_until=kept), training("J", 60, on=60))
    assert told(snapshot) == ["pause J", "suspend J for B"]


#  GPU [JJJJJJJJJ ......] host [BBB]  lending stops: the job is paused, and leaves for B
def test_with_lending_off_everything_lent_is_given_back():
    snapshot = gpu(idle("B", 40, out=40, for_s=5), training("J", 60, on=60), lending=False)
    assert told(snapshot) == ["pause J", "suspend J for B"]
    assert waits(snapshot) == [("J", WaitReason.LENDING_OFF)]


def test_with_lending_off_a_slice_comes_home_at_once_where_there_is_room():
    snapshot = gpu(idle("B", 40, out=40, for_s=5), stopped("J", 30, on=30), lending=False)
    assert told(snapshot) == ["resume B"]


def test_a_pool_that_does_not_lend_runs_no_job():
    snapshot = with_settings(gpu(stopped("J", 30)), lend=False)
    assert told(snapshot) == []
    assert waits(snapshot) == [("J", WaitReason.LENDING_OFF)]


#  3 GiB/s for 30 s: 90 GiB may be in the way; for 10 s: 30 GiB
@pytest.mark.parametrize(
    ("within_s", "expected"),
    [(30, ["open J"]), (10, [])],
    ids=["it could leave in time", "it could not"],
)
def test_a_job_begins_only_if_it_could_leave_within_the_pools_time(within_s, expected):
    snapshot = with_settings(
        gpu(idle("A", 60, on=10), stopped("J", 40), **RATE),
        give_back_within=timedelta(seconds=within_s),
    )
    assert told(snapshot) == expected


def test_a_job_that_could_not_leave_in_time_is_told_so():
    snapshot = with_settings(
        gpu(idle("A", 60), stopped("J", 40), **RATE), give_back_within=timedelta(seconds=10)
    )
    assert waits(snapshot) == [("J", WaitReason.GIVE_BACK_TOO_SLOW)]


def test_a_job_that_is_in_nobodys_way_need_not_leave_fast():
    snapshot = with_settings(
        gpu(idle("A", 40), stopped("J", 40)), give_back_within=timedelta(seconds=1)
    )
    assert told(snapshot) == ["open J"]


#  two jobs of 20 GiB each could leave alone in 10 s (30 GiB), but not both
def test_jobs_count_together_for_the_time_to_give_back():
    snapshot = with_settings(
        gpu(idle("A", 60), training("J", 20, on=20), stopped("K", 20), **RATE),
        give_back_within=timedelta(seconds=10),
    )
    assert waits(snapshot) == [("K", WaitReason.GIVE_BACK_TOO_SLOW)]


#  J holds 30 GiB of its cap of 10: with K that is more than the 30 GiB that can leave in 10 s
def test_a_job_that_grew_is_itself_too_slow_and_keeps_none_from_beginning_that_is_not():
    snapshot = with_settings(
        gpu(idle("A", 60), training("J", 10, on=30), stopped("K", 10), **RATE),
        give_back_within=timedelta(seconds=10),
    )
    assert waits(snapshot) == [("J", WaitReason.GIVE_BACK_TOO_SLOW)]


def test_a_job_that_has_begun_is_not_stranded_by_a_falling_rate():
    snapshot = gpu(idle("A", 60), stopped("J", 40, out=40), suspend_mib_per_s=1)
    assert told(snapshot) == ["resume J"]


def test_a_failing_gpu_takes_no_new_job():
    snapshot = gpu(stopped("J", 40), closed="XID 79")
    assert told(snapshot) == []
    assert waits(snapshot) == [("J", WaitReason.GPU_CLOSED)]


def test_a_failing_gpu_still_serves_its_owners():
    assert told(gpu(waiting("A", 40, on=10), closed="XID 79")) == ["open A"]


#  GPU [................] host [AA BB]   nobody needs the room: the latest active comes home first
def test_the_latest_active_slice_comes_home_first():
    snapshot = gpu(idle("A", 40, out=30, for_s=900), idle("B", 40, out=30, for_s=300))
    assert told(snapshot) == ["resume B"]


def test_what_was_lent_stays_away_for_the_least_time():
    assert told(gpu(idle("A", 40, out=30, for_s=59))) == []


def test_a_lent_slice_stays_away_while_a_job_waits_for_owners():
    snapshot = gpu(running("B", 20, on=10), idle("A", 40, out=30), stopped("J", 50, out=30))
    assert told(snapshot) == []


def test_a_slice_comes_home_beside_a_job_that_leaves_it_room():
    snapshot = gpu(training("J", 40, on=30), idle("A", 40, out=30))
    assert told(snapshot) == ["resume A"]


def test_a_slice_comes_home_although_a_job_is_there_that_can_never_begin():
    snapshot = gpu(idle("A", 40, out=30), stopped("J", 40), closed="XID 79")
    assert told(snapshot) == ["resume A"]


def test_slices_do_not_come_home_while_an_owner_waits():
    snapshot = gpu(
        running("A", 50, on=50, for_s=5), waiting("B", 50, out=30), idle("C", 20, out=10)
    )
    assert told(snapshot) == []


def test_slices_do_not_come_home_while_a_job_still_lacks_room():
    later = NOW + timedelta(seconds=1)
    snapshot = gpu(idle("B", 40, on=40, not_before=later), idle("C", 20, out=10), stopped("J", 60))
    assert told(snapshot) == []


#  [AAAA kkkk] of 80 with 90 GiB that could leave in time: A is active, K kept
def test_what_can_be_lent_is_what_active_and_kept_slices_leave():
    kept = NOW + timedelta(hours=1)
    snapshot = gpu(
        running("A", 20, on=5), idle("K", 30, on=1, kept_until=kept), idle("B", 80, on=40)
    )
    assert lendable_mib(snapshot) == 30 * GIB


def test_what_can_be_lent_is_no_more_than_could_leave_in_time():
    snapshot = with_settings(
        gpu(idle("A", 60), training("J", 5, on=5), **RATE), give_back_within=timedelta(seconds=10)
    )
    assert lendable_mib(snapshot) == 25 * GIB


def test_what_is_in_nobodys_way_can_be_lent_whatever_the_rate():
    assert lendable_mib(gpu(idle("A", 60), suspend_mib_per_s=1)) == 20 * GIB


@pytest.mark.parametrize(
    "why_not",
    [{"lending": False}, {"closed": "XID 79"}, {"foreign_present": True}, {"unfit": True}],
)
def test_nothing_can_be_lent_where_no_job_would_begin(why_not):
    assert lendable_mib(gpu(**why_not)) == 0


#  GPU [Aaaaa ........]               A is idle, but its cell runs on and may fill its cap
def test_the_cap_of_an_idle_slice_in_a_cell_is_lent_only_once_it_is_suspended():
    in_a_cell = idle("A", 50, on=5, runs_a_cell=True)
    assert told(gpu(in_a_cell, stopped("J", 60))) == ["suspend A for J"]
    assert told(gpu(in_a_cell, stopped("J", 30))) == ["open J"]
    assert lendable_mib(gpu(in_a_cell)) == 80 * GIB


#  GPU [AAaaa ........]  B            A's turn is over, and it could not be stopped
def test_a_cell_that_goes_on_after_its_turn_keeps_its_cap_from_others():
    goes_on = waiting("A", 50, on=20, for_s=1, past_the_gate=True)
    rests = replace(goes_on, not_before=NOW + timedelta(seconds=1))
    other = waiting("B", 50, for_s=100)
    assert told(gpu(goes_on, other)) == ["suspend A for B"]
    assert told(gpu(rests, other)) == []
    assert told(gpu(rests, waiting("B", 30, for_s=100))) == ["open B", "open A"]


def test_an_idle_slice_in_a_cell_that_holds_nothing_keeps_no_room():
    assert told(gpu(idle("A", 50, runs_a_cell=True), stopped("J", 60))) == ["open J"]


def test_an_idle_slice_in_a_cell_comes_home_only_where_its_whole_cap_is_free():
    away = idle("A", 50, out=5, runs_a_cell=True)
    assert told(gpu(away, idle("B", 40, on=30))) == ["resume A"]
    assert told(gpu(away, idle("B", 40, on=31))) == []


def test_a_slice_past_its_gate_comes_home_only_where_its_whole_cap_is_free():
    away = idle("A", 50, out=5, past_the_gate=True)
    assert told(gpu(away, idle("B", 40, on=30))) == ["resume A"]
    assert told(gpu(away, idle("B", 40, on=31))) == []


#  GPU [KKKKKKKK ....] host []   K is held back, and leaves when nothing else moves: 60 GiB together
def test_the_bytes_of_a_job_that_stands_still_count_for_the_time_to_give_back():
    held = stopped("K", 40, on=40, held_back=True)
    snapshot = with_settings(
        gpu(idle("A", 60), held, stopped("J", 20), **RATE), give_back_within=timedelta(seconds=15)
    )
    assert ("J", WaitReason.GIVE_BACK_TOO_SLOW) in waits(snapshot)
    assert told(snapshot) == ["suspend K"]


def test_a_job_that_stands_still_and_would_be_ended_takes_no_time_to_leave():
    held = stopped("K", 40, on=40, held_back=True, unsuspendable="shared memory")
    snapshot = with_settings(
        gpu(idle("A", 60), held, stopped("J", 20), **RATE), give_back_within=timedelta(seconds=15)
    )
    assert told(snapshot) == ["open J"]


def test_a_job_within_a_guarantee_does_not_wait_for_the_bytes_of_others():
    snapshot = with_settings(
        gpu(idle("A", 60), stopped("K", 40, on=40), stopped("J", 20, rank=Rank.ENTITLED)),
        give_back_within=timedelta(seconds=15),
    )
    assert "open J" in told(snapshot)


def _as_job(name: str, gib: int, how: str) -> SliceView:
    match how:
        case "runs":
            return training(name, gib, on=gib)
        case "stands still":
            return stopped(name, gib, on=gib, held_back=True)
        case "is out":
            return stopped(name, gib, out=gib)
        case _:
            return stopped(name, gib)


_HOW = ("runs", "stands still", "is out", "is new", "is new")
_SOME_JOBS = st.lists(
    st.tuples(st.sampled_from((5, 10, 20, 40)), st.sampled_from(_HOW)), min_size=1, max_size=5
)


@settings(max_examples=500)
@given(_SOME_JOBS, st.sampled_from((20, 40, 60, 80)), st.sampled_from((3, 5, 10, 20)))
def test_no_job_begins_beside_more_than_can_leave_in_time(drawn, owners_gib, within_s):
    jobs = [_as_job(f"J{at}", *each) for at, each in enumerate(drawn)]
    idles = idle("A", owners_gib)
    snapshot = with_settings(gpu(idles, *jobs), give_back_within=timedelta(seconds=within_s))
    begins = {a.slice_id for a in decide(snapshot).actions if isinstance(a, OpenGate)}
    if not any(s.slice_id in begins and s.held_mib == s.image_mib == 0 for s in jobs):
        return
    there_mib = sum(s.cap_mib if s.gate_open or s.slice_id in begins else s.held_mib for s in jobs)
    in_time_mib = snapshot.suspend_mib_per_s * within_s
    assert there_mib <= max(in_time_mib, snapshot.usable_mib - idles.cap_mib)
