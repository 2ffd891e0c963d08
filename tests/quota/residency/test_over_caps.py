"""Who has more than its cap: nobody who keeps to theirs waits for that, or loses anything by it."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.policy import _plan, decide
from sublet_quota.residency.snapshot import GpuSnapshot, Rank

from tests.quota.residency.any_snapshot import snapshots
from tests.quota.residency.gpu_pictures import gpu, idle, running, stopped, told, training, waiting
from tests.quota.residency.gpu_pictures import waits as who_waits

_ENDLESS_MIB = 10_000
examples = settings(max_examples=300)


def _grown(snapshot: GpuSnapshot, who: list[int], beyond: int) -> GpuSnapshot:
    """Return the GPU with some slices that have so much more than their caps."""
    slices = list(snapshot.slices)
    for at in who:
        if at < len(slices):
            has_mib = max(slices[at].held_mib, slices[at].image_mib)
            slices[at] = replace(slices[at], cap_mib=max(0, has_mib - beyond))
    return replace(snapshot, slices=tuple(slices))


_WHO = st.lists(st.integers(0, 6), max_size=3)
gpus = st.builds(_grown, snapshots(), _WHO, st.sampled_from((1, 5, 20)))


def _with_host_memory(snapshot: GpuSnapshot) -> GpuSnapshot:
    """Return a GPU whose slices can all be moved, but for who keeps to their cap and cannot be."""
    slices = (
        replace(s, unsuspendable=None, not_before=None) if s.is_over_cap else s
        for s in snapshot.slices
    )
    return replace(
        snapshot,
        slices=tuple(slices),
        host_free_mib=_ENDLESS_MIB,
        foreign_present=False,
        unfit=False,
        transition=None,
    )


def _without_who_is_over(snapshot: GpuSnapshot) -> GpuSnapshot:
    return replace(snapshot, slices=tuple(s for s in snapshot.slices if not s.is_over_cap))


@examples
@given(gpus)
def test_who_keeps_to_their_cap_has_the_seat_it_would_have_if_nobody_were_over(snapshot):
    snapshot = _with_host_memory(snapshot)
    alone = _without_who_is_over(snapshot)
    owners_at_work = [s for s in alone.slices if s.active and not s.is_job]
    if not owners_at_work:
        return
    plan, _, _ = _plan(snapshot)
    plan_alone, _, _ = _plan(alone)
    within = {s.slice_id for s in alone.slices}
    assert [s.slice_id for s in plan.seated if s.slice_id in within] == [
        s.slice_id for s in plan_alone.seated
    ]


@examples
@given(gpus)
def test_a_job_that_keeps_to_what_it_asked_for_runs_as_if_no_job_had_more(snapshot):
    snapshot = _with_host_memory(snapshot)
    jobs_alone = tuple(
        s
        for s in snapshot.slices
        if not (s.is_over_cap and (s.is_job or s.active)) and not (s.active and not s.is_job)
    )
    with_more = tuple(s for s in snapshot.slices if s in jobs_alone or (s.is_over_cap and s.is_job))
    plan, _, _ = _plan(replace(snapshot, slices=with_more))
    plan_alone, _, _ = _plan(replace(snapshot, slices=jobs_alone))
    seated = {s.slice_id for s in plan.seated}
    assert {s.slice_id for s in plan_alone.seated} <= seated


@examples
@given(gpus)
def test_nobody_at_work_who_keeps_to_their_cap_leaves_for_who_does_not(snapshot):
    views = {s.slice_id: s for s in snapshot.slices}
    for action in decide(snapshot).actions:
        room_for = getattr(action, "room_for", None)
        if room_for is not None and views[room_for].is_over_cap:
            leaves = views[action.slice_id]
            assert leaves.is_over_cap or leaves.is_job or not leaves.active


def test_the_seat_is_lost_at_once_and_the_slice_suspended_for_a_promise():
    snapshot = gpu(running("A", 40, on=45, rank=Rank.ENTITLED), running("P", 40, on=10))
    assert told(snapshot) == ["suspend A for P"]
    assert who_waits(snapshot) == [("A", WaitReason.OVER_CAP)]


def test_suspended_it_is_still_over_and_comes_back_only_beside_who_keeps_to_theirs():
    beside = gpu(waiting("A", 40, out=45), running("P", 40, on=10))
    assert told(beside) == []
    assert who_waits(beside) == [("A", WaitReason.OVER_CAP)]
    assert told(gpu(waiting("A", 40, out=45), running("P", 30, on=10))) == ["resume A"]


def test_two_who_are_over_take_turns_with_each_other():
    snapshot = gpu(running("A", 40, on=45, for_s=70), waiting("B", 40, out=45, for_s=9))
    assert told(snapshot) == ["suspend A for B"]


def test_an_idle_slice_that_is_over_makes_way_before_a_job_and_before_other_idle_ones():
    others = (idle("I", 40, on=10, for_s=900), stopped("J", 10, on=10))
    snapshot = gpu(waiting("P", 40, out=5), idle("A", 20, on=35, for_s=1), *others)
    assert told(snapshot) == ["suspend A for P"]


def test_a_job_over_what_it_asked_for_makes_way_for_one_that_is_not():
    snapshot = gpu(training("J", 20, on=50), stopped("K", 40, out=30))
    assert told(snapshot) == ["pause J", "suspend J for K"]
    assert dict(who_waits(snapshot))["J"] is WaitReason.OVER_CAP


def test_a_job_that_grew_too_large_to_leave_in_time_is_suspended_though_nobody_waits():
    owner = idle("A", 60, out=20)
    snapshot = gpu(owner, training("J", 20, on=70), suspend_mib_per_s=1024)
    assert told(snapshot) == ["pause J", "suspend J"]
    assert ("J", WaitReason.GIVE_BACK_TOO_SLOW) in who_waits(snapshot)
    assert told(gpu(owner, training("J", 70, on=70), suspend_mib_per_s=1024)) == []
