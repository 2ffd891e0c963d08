"""A served slice keeps its parts in line with each other, and is changed by its verbs alone."""

import pytest
from sublet_agent.residency.gate import Gate
from sublet_agent.residency.kept_slice import CapCheck, MoveFailures, PauseFailures
from sublet_agent.residency.served_slice import ServedSlice
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable
from sublet_quota.residency.cap_watch import CapLevel
from sublet_quota.residency.snapshot import Holder, Rank

from tests.support.agent_cases import START, level
from tests.support.served_slices import (
    CAP_MIB,
    Cell,
    activity_record,
    after,
    assignment,
    judge,
    process,
    served_as,
)

PUBLIC = [name for name in dir(ServedSlice) if not name.startswith("_")]


@pytest.mark.parametrize("name", [*PUBLIC, "anything_else"])
def test_nothing_of_a_slice_can_be_assigned_from_elsewhere(owners, name):
    with pytest.raises(AttributeError):
        setattr(owners, name, None)


def test_who_waits_at_the_gate_cannot_be_changed_from_elsewhere(owners):
    assert isinstance(owners.requests, tuple)


def test_only_a_change_of_an_owners_activity_is_told(owners):
    assert not judge(owners)
    assert not judge(owners, after(1))
    assert judge(owners, after(400))
    assert not judge(owners, after(401))


def test_a_job_is_not_judged(job):
    assert not judge(job, after(10_000))
    assert job.activity is None
    assert job.active


def test_a_job_whose_pause_did_not_work_runs_and_is_paused_again_later(job):
    job.pause(START)
    job.pausing_fails(after(1))
    assert not job.paused
    assert job.pause_failures == PauseFailures(1, after(1))
    assert not job.is_pausing_due(START)
    assert job.is_pausing_due(after(1))


def test_a_job_that_cannot_be_paused_cannot_be_suspended_either_until_a_pause_works(job):
    job.pausing_fails(after(1))
    job.mark_unpausable("it hangs")
    job.pausing_fails(after(2))
    assert job.unsuspendable() == Unsuspendable(Obstacle.CANNOT_PAUSE, "it hangs")
    job.pausing_works()
    assert job.unsuspendable() is None
    assert job.pause_failures == PauseFailures()


def test_a_new_slice_is_nobodys_until_it_is_assigned(unserved):
    assert (unserved.assignment, unserved.cap_mib, unserved.holder) == (None, 0, Holder.NOTEBOOK)
    assert not unserved.active
    assert not unserved.released


def test_an_assignment_brings_holder_and_cap_and_tells_whether_it_is_new(unserved):
    assert unserved.assign(assignment(holder="job"), START)
    assert (unserved.is_job, unserved.cap_mib) == (True, CAP_MIB)
    assert not unserved.assign(assignment(holder="job"), START)
    assert unserved.assign(assignment(holder="job", entitlement=3), START)
    assert unserved.assign(assignment(holder="job", entitlement=3, rank=Rank.CALLED_BACK), START)


def test_a_released_slice_has_no_assignment_gate_judgement_or_cells(served):
    cell = Cell()
    judge(served)
    served.enter_gate(cell.request, START)
    served.open_gate(START)
    fresh = activity_record()
    served.release(fresh)
    assert served.released
    assert (served.assignment, served.holder) == (None, Holder.NOTEBOOK)
    assert (served.gate, served.requests, served.activity) == (Gate(), (), None)
    assert served.activity_record is fresh
    assert cell.refusals == ["slice s is no longer on this GPU"]
    assert not served.active


def test_a_released_slice_has_a_way_back_for_what_is_away(owners):
    owners.processes.track(process(1)).goes_away(300)
    owners.processes.track(process(2)).note_measured(200)
    owners.release(activity_record())
    assert (owners.cap_mib, owners.active) == (300, True)


def test_a_released_job_that_was_paused_names_who_may_run_now(job):
    here, away = job.processes.track(process(1)), job.processes.track(process(2))
    here.note_measured(200)
    away.goes_away(300)
    job.pause(START)
    assert [(t.identity, t.holder) for t in job.release(activity_record())] == [
        (here.identity, Holder.NOTEBOOK)
    ]
    assert not job.paused


def test_a_released_slice_that_was_not_paused_names_nobody(job):
    job.processes.track(process(1)).note_measured(200)
    assert job.release(activity_record()) == ()


def test_a_slice_that_is_assigned_again_is_not_released(owners):
    owners.release(activity_record())
    owners.assign(assignment(), START)
    assert not owners.released


@pytest.mark.parametrize(
    ("paused", "on_gpu", "away", "state"),
    [
        (False, False, False, SliceState.RESIDENT),
        (False, True, False, SliceState.RESIDENT),
        (True, False, False, SliceState.RESIDENT),
        (True, True, False, SliceState.PAUSED),
        (False, False, True, SliceState.SUSPENDED),
        (True, True, True, SliceState.SUSPENDED),
    ],
)
def test_where_its_state_is_follows_from_its_processes(job, paused, on_gpu, away, state):
    if on_gpu:
        job.processes.track(process(1)).note_measured(200)
    if away:
        job.processes.track(process(2)).goes_away(300)
    if paused:
        job.pause(START)
    assert job.state() is state


def test_moves_that_do_not_work_are_counted_until_one_does(owners):
    owners.moving_fails(after(1))
    owners.moving_fails(after(2))
    assert owners.move_failures == MoveFailures(2, after(2))
    owners.moving_works()
    assert owners.move_failures == MoveFailures()


def test_moves_that_are_put_off_for_another_reason_are_not_counted(owners):
    owners.moving_fails(after(1))
    owners.put_off_moves(after(5))
    assert owners.move_failures == MoveFailures(1, after(5))


def test_a_moved_slice_is_where_it_is_since_then(owners):
    owners.note_moved(after(4))
    assert owners.state_since == after(4)


def test_use_of_the_gpu_adds_up_and_is_work(owners):
    judge(owners)
    judge(owners, after(400))
    owners.note_use(30, after(400))
    owners.note_use(12, after(400))
    judge(owners, after(400))
    assert (owners.gpu_busy_ms, owners.active) == (42, True)


def test_coming_to_the_cap_and_over_it_and_back_is_told_once_each(owners):
    tracked = owners.processes.track(process(1))
    seen = []
    for held_mib in (CAP_MIB, CAP_MIB + 1, CAP_MIB + 2, CAP_MIB, CAP_MIB // 2):
        tracked.note_measured(held_mib)
        check = owners.check_cap(START)
        seen.append((check.told, check.changed, owners.over_cap))
    assert seen == [
        (CapLevel.NEAR, False, False),
        (CapLevel.OVER, True, True),
        (None, False, True),
        (None, True, False),
        (CapLevel.WITHIN, False, False),
    ]


def test_what_is_in_host_memory_counts_into_the_cap_and_moving_it_is_no_news(owners):
    tracked = owners.processes.track(process(1))
    tracked.note_measured(CAP_MIB + 1)
    assert owners.check_cap(START).told is CapLevel.OVER
    tracked.goes_away(CAP_MIB + 1)
    assert owners.check_cap(START) == CapCheck(changed=False, kept=False, told=None)
    assert owners.over_cap


def test_what_an_agent_before_told_is_not_told_again(owners):
    tracked = owners.processes.track(process(1))
    tracked.note_measured(CAP_MIB + 1)
    owners.check_cap(START)
    successor = served_as("notebook")
    successor.recall_cap(owners.cap_watch)
    successor.processes.track(process(1)).note_measured(CAP_MIB + 1)
    assert successor.check_cap(after(60)).told is None
    assert successor.over_cap
    assert successor.cap_watch.over_since == START


def test_a_slice_that_is_not_assigned_has_no_cap_to_go_over(unserved):
    unserved.processes.track(process(1)).note_measured(5)
    assert unserved.check_cap(START) == CapCheck(changed=False, kept=False, told=None)


def is_let_in_and_ends(owners, pid=1):
    """A kernel's cell ran, and is over after 10 seconds; the slice waits for its room again."""
    cell = Cell()
    owners.enter_gate(cell.request, after(0))
    judge(owners, after(1))
    owners.open_gate(after(1))
    assert owners.lets_through(cell.request)
    owners.processes.track(process(pid)).note_measured(10)
    owners.activity_record.kernel_reports(level("k", 1, "c"), after(2))
    owners.activity_record.kernel_reports(level("k", 2), after(10))
    judge(owners, after(10))
    owners.begin_suspend(after(10))


def test_who_has_nothing_to_run_waits_for_nothing_and_becomes_idle(owners):
    is_let_in_and_ends(owners)
    for seconds in range(11, 309):
        judge(owners, after(seconds))
    assert owners.active
    assert owners.rests_since(after(308)) == after(10)
    # Their wait begins with the next cell.
    assert owners.gate.waiting_since == after(308)
    judge(owners, after(311))
    assert not owners.active


def test_a_program_that_is_no_kernels_may_run_and_waits_as_before(owners):
    is_let_in_and_ends(owners, pid=2)
    for seconds in range(11, 400):
        judge(owners, after(seconds))
    assert owners.active
    assert owners.rests_since(after(400)) is None
    assert owners.gate.waiting_since == after(10)


def test_a_cell_that_runs_on_while_its_slice_is_away_waits_as_before(owners):
    is_let_in_and_ends(owners)
    owners.activity_record.kernel_reports(level("k", 3, "c2"), after(11))
    for seconds in range(11, 400):
        judge(owners, after(seconds))
    assert owners.active
    assert owners.rests_since(after(400)) is None
