"""The gate of a served slice: when it opens and closes, and what the cells before it are told."""

from datetime import timedelta

import pytest
from sublet_agent.residency.gate import Gate
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.actions import Wait, WaitReason

from tests.support.agent_cases import START, level
from tests.support.served_slices import (
    CAP_MIB,
    Cell,
    after,
    assignment,
    judge,
    process,
    served_as,
)

WAIT = Wait(SliceId("s"), WaitReason.TURN, 1)


def test_an_open_gate_has_a_turn_and_no_wait_and_lets_its_processes_run(served):
    judge(served)
    served.show_wait(WAIT)
    served.pause(START)
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


def test_a_cell_at_the_gate_keeps_its_owner_active_however_late_it_is_judged(owners):
    owners.enter_gate(Cell().request, START)
    judge(owners, after(10_000))
    assert owners.active


def test_a_cell_waits_before_a_closed_gate_until_it_opens(owners):
    cell = Cell()
    assert not owners.enter_gate(cell.request, START)
    assert owners.requests == (cell.request,)
    assert not owners.lets_through(cell.request)
    owners.open_gate(after(1))
    assert owners.lets_through(cell.request)
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
        owners.lets_through(cell.request)
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
    job.pause(START)
    assert job.paused
    assert job.gate == Gate()


def test_a_job_that_waits_already_waits_on_when_it_is_paused(job):
    judge(job)
    job.pause(START)
    assert job.gate == Gate(waiting_since=START)


def test_an_unpaused_job_waits_for_its_gate(job):
    job.pause(START)
    job.unpause()
    assert not job.paused
    assert not job.gate_open


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
