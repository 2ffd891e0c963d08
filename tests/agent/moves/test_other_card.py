"""A slice that left one card is brought back on another: mapped, with room there, or not at all."""

from dataclasses import replace

import pytest
from sublet_agent.devices.interface import ResumeRefusedError
from sublet_agent.moves.pausing import PauseReason
from sublet_agent.moves.plan import MoveEnd, MovePlan, UndoSwitch
from sublet_agent.moves.recovery import recover
from sublet_agent.moves.resume import resume_slice
from sublet_agent.moves.suspend import suspend_slice
from sublet_agent.state_files.journal import Journal, Step
from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.staying import Staying, Stays

from tests.support.fake_device import GPU
from tests.support.fake_service_link import slice_assignment

OTHER = GpuId("FAKE-1")
GIB = 1024


@pytest.fixture
def bench(bench):
    bench.device.cards = (GPU, OTHER)
    return bench


def left_for_the_other(bench, *targets):
    """Suspend a slice, and say in the journal that it comes back on the other card."""
    assert suspend_slice(bench.tools, bench.plan(*targets), UndoSwitch()).end is MoveEnd.DONE
    moved = tuple(target.at_home(OTHER) for target in targets)
    bench.journal.write(Step.SUSPENDED, moved)
    return MovePlan(targets[0].slice_id, OTHER, moved)


def neighbour(bench, pid, memory_mib):
    target = bench.process("b", pid, memory_mib, gpu_id=OTHER)
    bench.owners[pid] = replace(target, gpu_id=OTHER)
    return bench.owners[pid]


def test_it_is_brought_back_there_with_a_mapping_beside_neighbours_that_stand_still(bench):
    one, two = bench.process("a", 1, 20 * GIB), bench.process("a", 2, 10 * GIB)
    neighbour(bench, 3, 10 * GIB)
    plan = left_for_the_other(bench, one, two)
    outcome = resume_slice(bench.tools, plan)
    assert outcome.end is MoveEnd.DONE
    assert bench.device.mapped == [(1, {GPU: OTHER}), (2, {GPU: OTHER})]
    assert {p.pid: p.gpu_id for p in bench.device.processes_here.values()} == dict.fromkeys(
        (1, 2, 3), OTHER
    )
    assert ("pause", 3) in bench.device.calls
    assert set(bench.states().values()) == {"running"}


def test_once_it_is_there_it_needs_no_mapping_any_more(bench):
    one = bench.process("a", 1, 20 * GIB)
    plan = left_for_the_other(bench, one)
    resume_slice(bench.tools, plan)
    there = replace(one, gpu_id=OTHER)
    bench.owners[1] = there
    away = suspend_slice(bench.tools, MovePlan("a", OTHER, (there,)), UndoSwitch())
    assert [t.left_gpu_id for t in away.suspended.values()] == [None]
    assert resume_slice(bench.tools, MovePlan("a", OTHER, (there,))).end is MoveEnd.DONE
    assert bench.device.mapped[-1] == (1, None)


def test_the_room_of_the_other_card_counts(bench):
    one = bench.process("a", 1, 40 * GIB)
    neighbour(bench, 3, 45 * GIB)
    outcome = resume_slice(bench.tools, left_for_the_other(bench, one))
    assert outcome.end is MoveEnd.PUT_OFF
    assert not bench.device.mapped
    assert bench.states() == {1: "suspended", 3: "running"}
    assert outcome.stays is None


def test_who_may_not_is_never_tried(bench):
    one = bench.process("a", 1, 10 * GIB)
    plan = left_for_the_other(bench, one)
    bench.device.processes_here[1].stays = Stays(Staying.SEES_SOME_CARDS)
    outcome = resume_slice(bench.tools, plan)
    assert outcome.stays == Stays(Staying.SEES_SOME_CARDS)
    assert not bench.device.mapped
    assert bench.states() == {1: "suspended"}


def test_who_is_refused_there_counts_as_lost_nowhere(bench):
    one, two = bench.process("a", 1, 10 * GIB), bench.process("a", 2, 10 * GIB)
    plan = left_for_the_other(bench, one, two)
    bench.device.fail("resume", 2, ResumeRefusedError("no"))
    outcome = resume_slice(bench.tools, plan)
    assert outcome.stays == Stays(Staying.REFUSED, "no")
    assert not outcome.refused
    # What was there already is put away again, from there.
    left = {t.identity.pid: (t.gpu_id, t.left_gpu_id) for t in outcome.suspended.values()}
    assert left == {1: (OTHER, None), 2: (OTHER, GPU)}
    back = tuple(t.at_home(GPU) for t in outcome.suspended.values())
    assert resume_slice(bench.tools, MovePlan("a", GPU, back)).end is MoveEnd.DONE
    assert [p.gpu_id for p in bench.device.processes_here.values()] == [GPU, GPU]


def test_a_neighbour_of_before_is_nobody_that_the_first_card_holds(bench):
    one = bench.process("a", 1, 10 * GIB)
    plan = left_for_the_other(bench, one)
    bench.tools.paused_processes.exchange(
        plan.processes[0], PauseReason.SUSPENDED, PauseReason.MOVE
    )
    [held] = bench.tools.paused_processes.held_for(PauseReason.MOVE)
    assert held.gpu_id == OTHER


def test_the_next_agent_reads_where_it_comes_back(bench):
    one = bench.process("a", 1, 10 * GIB)
    plan = left_for_the_other(bench, one)
    bench.journal.close()
    bench.journal = Journal(bench.folder / "journal.jsonl")
    tools = replace(bench.tools, journal=bench.journal)
    recovered = recover(tools, bench.attribution, ())
    assert recovered.suspended == list(plan.processes)
    assert resume_slice(tools, plan).end is MoveEnd.DONE
    assert bench.device.mapped == [(1, {GPU: OTHER})]


def test_who_may_come_back_on_either_card_needs_room_on_both(bench):
    one = bench.process("a", 1, 40 * GIB)
    plan = bench.plan(one)
    assert suspend_slice(bench.tools, plan, UndoSwitch()).end is MoveEnd.DONE
    # The journal is lost, and an agent before may have brought it to the card it is wanted on.
    bench.journal.write(Step.GONE, plan.processes)
    bench.table.uids[1] = 1000
    bench.table.environments[1] = {"SUBLET_SLICE_ID": "a"}
    assigned = slice_assignment("a", GPU, 40 * GIB, uid=1000, move_to=OTHER)
    bench.attribution.serve([assigned])
    recovered = recover(bench.tools, bench.attribution, [assigned])
    assert [t.gpu_id for t in recovered.suspended] == [GPU]
    neighbour(bench, 3, 45 * GIB)
    found = MovePlan("a", GPU, tuple(recovered.suspended))
    assert resume_slice(bench.tools, found).end is MoveEnd.PUT_OFF
    assert not bench.device.mapped
    bench.end(3)
    assert resume_slice(bench.tools, found).end is MoveEnd.DONE
    assert not bench.tools.perhaps_on
