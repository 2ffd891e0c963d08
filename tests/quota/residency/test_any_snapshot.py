"""Properties of every decision, whatever the agent measured."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.actions import (
    Decision,
    Evict,
    OpenGate,
    Pause,
    Resume,
    Suspend,
    Undo,
    Unpause,
)
from sublet_quota.residency.lending import lendable_mib
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import GpuSnapshot, Rank, SliceView

from tests.quota.residency.any_snapshot import most_it_may_hold_mib, snapshots
from tests.quota.residency.gpu_pictures import NOW, stopped

examples = settings(max_examples=200)


def _view(snapshot: GpuSnapshot, name: str) -> SliceView:
    return next(s for s in snapshot.slices if s.slice_id == name)


def _of(decision: Decision, *kinds: type) -> list[str]:
    return [a.slice_id for a in decision.actions if isinstance(a, kinds)]


def _entitled(snapshot: GpuSnapshot) -> set[str]:
    """Return the jobs that take turns with borrowed slices."""
    stands = not snapshot.is_lent or snapshot.pause_only is not None
    return set() if stands else {s.slice_id for s in snapshot.slices if s.is_entitled_job}


def _an_owner_is_active(snapshot: GpuSnapshot) -> bool:
    return any(s.active and not s.is_job for s in snapshot.slices)


@examples
@given(snapshots())
def test_nobody_is_promised_or_given_room_that_is_not_there(snapshot):
    decision = decide(snapshot)
    takes_room = _of(decision, Resume) or [
        name
        for name in _of(decision, OpenGate)
        if _view(snapshot, name).cap_mib > _view(snapshot, name).held_mib
    ]
    most_mib = sum(most_it_may_hold_mib(snapshot, s, decision) for s in snapshot.slices)
    assert not takes_room or most_mib <= snapshot.usable_mib


@examples
@given(snapshots())
def test_at_most_one_slice_moves_and_none_while_another_does(snapshot):
    moves = _of(decide(snapshot), Suspend, Resume)
    assert len(moves) <= (0 if snapshot.transition is not None else 1)


@examples
@given(snapshots())
def test_no_job_runs_beside_an_active_owner_but_entitled_ones(snapshot):
    decision = decide(snapshot)
    if not _an_owner_is_active(snapshot):
        return
    entitled = _entitled(snapshot)
    jobs = {s.slice_id for s in snapshot.slices if s.is_job} - entitled
    assert not jobs.intersection(_of(decision, OpenGate, Unpause, Resume))
    moving = snapshot.transition.slice_id if snapshot.transition is not None else None
    runs = {
        s.slice_id
        for s in snapshot.slices
        if s.is_job
        and s.slice_id not in entitled
        and s.state is SliceState.RESIDENT
        and (s.gate_open or s.held_mib)
        and s.slice_id != moving
    }
    assert runs <= set(_of(decision, Pause))


@examples
@given(snapshots(), st.randoms(use_true_random=False))
def test_the_answer_depends_on_nothing_but_the_snapshot(snapshot, order: random.Random):
    shuffled = list(snapshot.slices)
    order.shuffle(shuffled)
    assert decide(snapshot) == decide(replace(snapshot, slices=tuple(shuffled)))


@examples
@given(snapshots())
def test_only_what_can_be_suspended_and_kept_in_host_memory_is_suspended(snapshot):
    for name in _of(decide(snapshot), Suspend):
        view = _view(snapshot, name)
        assert view.unsuspendable is None
        assert view.on_gpu
        assert view.held_mib <= snapshot.host_free_mib
        assert view.not_before is None or view.not_before <= snapshot.now


@examples
@given(snapshots())
def test_only_what_is_away_and_may_be_tried_is_resumed(snapshot):
    for name in _of(decide(snapshot), Resume):
        view = _view(snapshot, name)
        assert view.state is SliceState.SUSPENDED
        assert view.not_before is None or view.not_before <= snapshot.now


@examples
@given(snapshots())
def test_beside_foreign_processes_and_where_returns_are_put_off_nothing_moves(snapshot):
    for reason in ({"foreign_present": True}, {"unfit": True, "return_put_off": True}):
        decision = decide(replace(snapshot, **reason))
        assert not _of(decision, Suspend, Resume)


@examples
@given(snapshots())
def test_on_a_gpu_that_is_not_fit_nothing_leaves_and_no_job_comes(snapshot):
    decision = decide(replace(snapshot, unfit=True))
    assert not _of(decision, Suspend)
    assert not any(_view(snapshot, name).is_job for name in _of(decision, Resume))


@examples
@given(snapshots())
def test_only_jobs_that_cannot_be_suspended_are_evicted_and_only_for_active_owners(snapshot):
    for action in decide(snapshot).actions:
        if isinstance(action, Evict):
            view = _view(snapshot, action.slice_id)
            assert view.is_job
            assert view.unsuspendable is not None
            needs_it = _view(snapshot, action.room_for)
            assert needs_it.active
            assert not needs_it.is_job


@examples
@given(snapshots())
def test_an_idle_slice_leaves_only_for_somebody_with_work(snapshot):
    for action in decide(snapshot).actions:
        if isinstance(action, Suspend):
            leaves = _view(snapshot, action.slice_id)
            needs_it = _view(snapshot, action.room_for)
            assert needs_it.active or leaves.is_job


@examples
@given(snapshots())
def test_no_owners_work_and_no_kept_slice_leaves_for_a_job(snapshot):
    for action in decide(snapshot).actions:
        if isinstance(action, Suspend) and _view(snapshot, action.room_for).is_job:
            leaves = _view(snapshot, action.slice_id)
            kept = leaves.kept_until is not None and leaves.kept_until > snapshot.now
            if action.room_for in _entitled(snapshot):
                lower = leaves.rank < Rank.BORROWED
                assert leaves.is_job or not lower or not (kept and not leaves.active)
            else:
                assert leaves.is_job or not (leaves.active or kept)


@examples
@given(snapshots())
def test_everybody_with_work_runs_or_is_told_why_not(snapshot):
    decision = decide(snapshot)
    told = [w.slice_id for w in decision.waits]
    assert len(told) == len(set(told))
    assert [w.place for w in decision.waits] == list(range(1, len(told) + 1))
    opened = set(_of(decision, OpenGate))
    for view in snapshot.slices:
        if view.active and not view.gate_open:
            assert (view.slice_id in opened) is not (view.slice_id in told)


@examples
@given(snapshots())
def test_no_slice_is_told_two_things_that_contradict(snapshot):
    decision = decide(snapshot)
    for kinds in ((Suspend, Resume, OpenGate, Evict), (Pause, Unpause), (Undo, OpenGate)):
        told = _of(decision, *kinds)
        assert len(told) == len(set(told))
    assert not set(_of(decision, Pause)) & set(_of(decision, OpenGate))


@examples
@given(snapshots())
def test_a_gate_is_opened_only_to_who_is_on_the_gpu(snapshot):
    decision = decide(snapshot)
    moving = snapshot.transition.slice_id if snapshot.transition is not None else None
    for name in _of(decision, OpenGate):
        view = _view(snapshot, name)
        assert name != moving
        assert view.active
        assert not view.gate_open
        assert view.image_mib == 0
        assert view.state is SliceState.RESIDENT or name in _of(decision, Unpause)


@examples
@given(snapshots())
def test_a_job_that_can_be_lent_to_is_never_refused_for_its_size(snapshot):
    largest = lendable_mib(snapshot)
    if largest == 0:
        return
    job = replace(stopped("z", 0), cap_mib=largest, entitlement=9, since=NOW)
    decision = decide(replace(snapshot, slices=(*snapshot.slices, job)))
    refused = {WaitReason.GIVE_BACK_TOO_SLOW, WaitReason.NOT_IDLE_YET, WaitReason.GPU_CLOSED}
    assert not [w for w in decision.waits if w.slice_id == "z" and w.reason in refused]
