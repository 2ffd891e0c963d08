"""A served slice keeps its parts in line with each other, and is changed by its verbs alone."""

from datetime import timedelta

import pytest
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.residency.activity import ActivityRecord, ActivitySettings
from sublet_agent.residency.gate import Gate, GateRequest
from sublet_agent.residency.served_slice import (
    MoveFailures,
    PauseFailures,
    ServedSlice,
)
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable
from sublet_quota.residency.actions import Wait, WaitReason
from sublet_quota.residency.snapshot import Holder

from tests.support.agent_cases import START, level
from tests.support.fake_device import BOOT, GPU
from tests.support.fake_service_link import slice_assignment

IDLE_AFTER = timedelta(seconds=300)
AGAIN = timedelta(seconds=60)
CAP_MIB = 1000
WAIT = Wait(SliceId("s"), WaitReason.TURN, 1)


def after(seconds):
    return START + timedelta(seconds=seconds)


def activity_record():
    return ActivityRecord(START, ActivitySettings())


def assignment(memory_mib=CAP_MIB, **fields):
    return slice_assignment("s", GPU, memory_mib, **{"created_at": START, **fields})


def process(pid):
    return ProcessIdentity(BOOT, pid, 1)


def judge(served, now=START):
    return served.judge(IDLE_AFTER, AGAIN, now)


def served_as(holder):
    served = ServedSlice(SliceId("s"), GPU, activity_record(), START)
    served.assign(assignment(holder=holder), START)
    return served


class Cell:
    """A cell at the gate, and what it was told there."""

    def __init__(self, name="c"):
        self.changes = 0
        self.refusals = []
        self.request = GateRequest("k", name, self._change, process(1), self.refusals.append)

    def _change(self):
        self.changes += 1


@pytest.fixture
def unserved():
    return ServedSlice(SliceId("s"), GPU, activity_record(), START)


@pytest.fixture
def owners():
    return served_as("notebook")


@pytest.fixture
def job():
    return served_as("job")


@pytest.fixture(params=["notebook", "job"])
def served(request):
    return served_as(request.param)


PUBLIC = [name for name in dir(ServedSlice) if not name.startswith("_")]


@pytest.mark.parametrize("name", [*PUBLIC, "anything_else"])
def test_nothing_of_a_slice_can_be_assigned_from_elsewhere(owners, name):
    with pytest.raises(AttributeError):
        setattr(owners, name, None)


def test_who_waits_at_the_gate_cannot_be_changed_from_elsewhere(owners):
    assert isinstance(owners.requests, tuple)


def test_an_open_gate_has_a_turn_and_no_wait_and_lets_its_processes_run(served):
    judge(served)
    served.show_wait(WAIT)
    served.pause()
    served.open_gate(after(7))
    assert served.gate == Gate(turn_since=after(7))
    assert served.gate_open
    assert not served.paused


def test_opening_a_gate_says_how_long_it_waited(owners):
    judge(owners)
    assert owners.open_gate(after(7)) == timedelta(seconds=7)


def test_a_gate_that_nobody_waited_before_opens_at_once(owners):
    assert owners.open_gate(after(7)) == timedelta(0)


def test_an_open_gate_keeps_its_turn_when_it_is_opened_again(owners):
    owners.open_gate(START)
    assert owners.open_gate(after(7)) is None
    assert owners.gate.turn_since == START


def test_the_gate_of_a_slice_without_work_is_not_opened(unserved):
    assert unserved.open_gate(START) is None
    assert unserved.gate == Gate()


def test_an_open_gate_is_told_no_wait(owners):
    owners.open_gate(START)
    owners.show_wait(WAIT)
    assert owners.gate == Gate(turn_since=START)


def test_a_waiting_cell_is_called_once_for_each_new_wait(owners):
    cell = Cell()
    owners.enter_gate(cell.request, START)
    owners.show_wait(WAIT)
    owners.show_wait(WAIT)
    assert (owners.gate.wait, cell.changes) == (WAIT, 1)


def test_waiting_cells_are_called_when_they_are_to_look(owners):
    cells = [Cell("c1"), Cell("c2")]
    for cell in cells:
        owners.enter_gate(cell.request, START)
    owners.call_requests()
    assert [cell.changes for cell in cells] == [1, 1]


def test_a_slice_with_work_and_a_closed_gate_waits_since_it_was_first_judged_so(served):
    judge(served, after(1))
    judge(served, after(2))
    assert served.gate == Gate(waiting_since=after(1))


def test_an_owner_who_falls_idle_has_a_closed_gate_and_waits_for_nothing(owners):
    judge(owners)
    owners.open_gate(START)
    assert judge(owners, after(301))
    assert not owners.active
    assert owners.gate == Gate()


def test_cells_of_a_slice_that_has_no_work_any_more_are_called_as_its_wait_ends(job):
    cell = Cell()
    job.enter_gate(cell.request, START)
    job.show_wait(WAIT)
    job.evict()
    judge(job)
    judge(job)
    assert (job.gate, cell.changes) == (Gate(), 2)


def test_only_a_change_of_an_owners_activity_is_told(owners):
    assert not judge(owners)
    assert not judge(owners, after(1))
    assert judge(owners, after(400))
    assert not judge(owners, after(401))


def test_a_job_is_not_judged(job):
    assert not judge(job, after(10_000))
    assert job.activity is None
    assert job.active


def test_a_cell_at_the_gate_keeps_its_owner_active_however_late_it_is_judged(owners):
    owners.enter_gate(Cell().request, START)
    judge(owners, after(10_000))
    assert owners.active


def test_a_cell_waits_before_a_closed_gate_until_it_opens(owners):
    cell = Cell()
    assert not owners.enter_gate(cell.request, START)
    assert owners.requests == (cell.request,)
    assert not owners.lets_through(cell.request, START)
    owners.open_gate(after(1))
    assert owners.lets_through(cell.request, after(1))
    assert owners.requests == ()


def test_a_cell_that_enters_by_an_open_gate_waits_nowhere(owners):
    owners.open_gate(START)
    assert owners.enter_gate(Cell().request, START)
    assert owners.requests == ()


@pytest.mark.parametrize("waits_first", [True, False])
def test_a_cell_that_was_let_through_is_past_the_gate_when_that_closes(owners, waits_first):
    cell = Cell()
    if waits_first:
        owners.enter_gate(cell.request, START)
    owners.open_gate(START)
    if waits_first:
        owners.lets_through(cell.request, START)
    else:
        owners.enter_gate(cell.request, START)
    assert not owners.past_the_gate(START)
    owners.begin_suspend(START)
    assert owners.past_the_gate(START)
    owners.activity_record.kernel_reports(level("k", 1, None), after(6))
    assert not owners.past_the_gate(after(6))


def test_a_cell_that_gives_up_waiting_is_forgotten_and_no_other(owners):
    first, second = Cell("c1"), Cell("c2")
    owners.enter_gate(first.request, START)
    owners.enter_gate(second.request, START)
    owners.leave_gate(first.request)
    owners.leave_gate(first.request)
    assert owners.requests == (second.request,)


def test_a_kernel_that_asks_is_known(owners):
    owners.enter_gate(Cell().request, START)
    assert owners.kernels.has(process(1))
    assert not owners.kernels.has(process(2))


def test_a_paused_job_has_a_closed_gate(job):
    job.open_gate(START)
    job.pause()
    assert job.paused
    assert job.gate == Gate()


def test_a_job_that_waits_already_waits_on_when_it_is_paused(job):
    judge(job)
    job.pause()
    assert job.gate == Gate(waiting_since=START)


def test_an_unpaused_job_waits_for_its_gate(job):
    job.pause()
    job.unpause()
    assert not job.paused
    assert not job.gate_open


def test_a_job_whose_pause_did_not_work_runs_and_is_paused_again_later(job):
    job.pause()
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


def test_a_slice_whose_bytes_leave_has_a_closed_gate_and_waits_where_it_has_work(owners):
    owners.open_gate(START)
    owners.begin_suspend(after(5))
    assert owners.gate == Gate(waiting_since=after(5))


def test_an_idle_slice_whose_bytes_leave_waits_for_nothing(owners):
    judge(owners)
    judge(owners, after(400))
    owners.begin_suspend(after(400))
    assert owners.gate == Gate()


def test_an_evicted_job_has_a_closed_gate_and_no_work_and_is_told_once(job):
    job.open_gate(START)
    assert job.evict()
    assert job.gate == Gate()
    assert not job.active
    assert not job.evict()


def test_a_new_slice_is_nobodys_until_it_is_assigned(unserved):
    assert (unserved.assignment, unserved.cap_mib, unserved.holder) == (None, 0, Holder.NOTEBOOK)
    assert not unserved.active
    assert not unserved.released


def test_an_assignment_brings_holder_and_cap_and_tells_whether_it_is_new(unserved):
    assert unserved.assign(assignment(holder="job"), START)
    assert (unserved.is_job, unserved.cap_mib) == (True, CAP_MIB)
    assert not unserved.assign(assignment(holder="job"), START)
    assert unserved.assign(assignment(holder="job", entitlement=3), START)


def test_an_owners_slice_that_grows_waits_for_what_it_may_have_more(owners):
    owners.open_gate(START)
    owners.assign(assignment(2 * CAP_MIB), after(3))
    assert owners.gate == Gate(waiting_since=after(3))


@pytest.mark.parametrize(
    ("holder", "memory_mib"), [("notebook", CAP_MIB // 2), ("notebook", CAP_MIB), ("job", 9000)]
)
def test_other_changes_of_a_slice_leave_its_gate_open(holder, memory_mib):
    served = served_as(holder)
    served.open_gate(START)
    served.assign(assignment(memory_mib, holder=holder), after(3))
    assert served.gate == Gate(turn_since=START)


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
    job.pause()
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
        job.pause()
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


def test_going_over_the_cap_and_back_is_told_once_each(owners):
    tracked = owners.processes.track(process(1))
    seen = []
    for held_mib in (CAP_MIB, CAP_MIB + 1, CAP_MIB + 2, CAP_MIB):
        tracked.note_measured(held_mib)
        seen.append((owners.check_cap(), owners.over_cap))
    assert seen == [(False, False), (True, True), (False, True), (True, False)]


def test_a_slice_that_is_not_assigned_has_no_cap_to_go_over(unserved):
    unserved.processes.track(process(1)).note_measured(5)
    assert not unserved.check_cap()
