"""A slice comes back while the others are frozen: what is done, and in which order."""

from dataclasses import replace

import pytest
from sublet_agent.moves.plan import MoveEnd, UndoSwitch
from sublet_agent.moves.resume import resume_slice
from sublet_agent.moves.suspend import suspend_slice

from tests.support.fake_freezer import FakeFreezer

GIB = 1024


@pytest.fixture
def freezer(bench):
    made = FakeFreezer(bench.device.calls)
    bench.tools = replace(bench.tools, freezer=made)
    return made


def suspended(bench, *targets):
    outcome = suspend_slice(bench.tools, bench.plan(*targets), UndoSwitch())
    assert outcome.end is MoveEnd.DONE
    bench.device.calls.clear()
    return bench.plan(*outcome.suspended.values())


def test_the_others_are_paused_then_frozen_then_thawed_and_only_then_run(bench, freezer):
    plan = suspended(bench, bench.process("s", 1, 8 * GIB))
    bench.process("neighbour", 2, GIB)
    assert resume_slice(bench.tools, plan).end is MoveEnd.DONE
    assert freezer.told == [
        ("pause", 2),
        ("freeze", (1,)),
        ("resume", 1),
        ("thaw", ()),
        ("unpause", 2),
        ("unpause", 1),
    ]


def test_a_neighbour_that_is_stopped_is_frozen_instead_and_asked_nothing(bench, freezer):
    plan = suspended(bench, bench.process("s", 1, 8 * GIB))
    bench.process("neighbour", 2, GIB)
    bench.process("stopped", 3, GIB, stopped=True)
    freezer.frozen = {2, 3}
    assert resume_slice(bench.tools, plan).end is MoveEnd.DONE
    assert [call for call, _ in freezer.told] == [
        *("pause", "freeze", "resume", "thaw", "unpause", "unpause")
    ]
    assert bench.states() == {1: "running", 2: "running", 3: "running"}


@pytest.mark.usefixtures("freezer")
def test_a_neighbour_that_is_stopped_and_in_no_frozen_group_keeps_the_slice_away(bench):
    plan = suspended(bench, bench.process("s", 1, 8 * GIB))
    bench.process("stopped", 3, GIB, stopped=True)
    outcome = resume_slice(bench.tools, plan)
    assert outcome.end is MoveEnd.PUT_OFF
    assert "process 3 is stopped" in outcome.detail
    assert bench.device.counted()["resume"] == 0


def test_all_processes_of_a_slice_come_back_in_one_freeze(bench, freezer):
    plan = suspended(bench, bench.process("s", 1, GIB), bench.process("s", 2, GIB))
    assert resume_slice(bench.tools, plan).end is MoveEnd.DONE
    assert [call for call, _ in freezer.told].count("freeze") == 1


def test_what_is_suspended_is_set_apart_before_it_is_moved(bench, freezer):
    target = bench.process("s", 1, GIB)
    suspend_slice(bench.tools, bench.plan(target), UndoSwitch())
    calls = [call for call, _ in freezer.told]
    assert calls.index("set apart") < calls.index("suspend")


def test_who_cannot_be_frozen_in_time_keeps_the_slice_away_and_everybody_runs_on(bench, freezer):
    plan = suspended(bench, bench.process("s", 1, GIB))
    bench.process("neighbour", 2, GIB)
    freezer.problem = "processes beside it do not come to rest"
    outcome = resume_slice(bench.tools, plan)
    assert (outcome.end, outcome.detail) == (MoveEnd.PUT_OFF, freezer.problem)
    assert bench.states() == {1: "suspended", 2: "running"}
    freezer.problem = ""
    assert resume_slice(bench.tools, plan).end is MoveEnd.DONE


def test_a_process_frozen_as_it_was_born_is_not_paused_and_what_it_took_is_counted(bench, freezer):
    plan = suspended(bench, bench.process("s", 1, 60 * GIB))
    freezer.frozen.add(3)
    freezer.when_frozen = lambda: bench.process("neighbour", 3, 30 * GIB)
    outcome = resume_slice(bench.tools, plan)
    assert outcome.end is MoveEnd.PUT_OFF
    assert "are needed with the margin" in outcome.detail
    assert bench.states() == {1: "suspended", 3: "running"}
    assert [call for call, _ in freezer.told] == ["freeze", "thaw"]


def test_what_was_asked_of_the_driver_right_before_the_freeze_is_waited_for(bench, freezer):
    plan = suspended(bench, bench.process("s", 1, 60 * GIB))
    freezer.frozen.add(3)

    late = []
    freezer.when_frozen = lambda: late.append("an allocation")
    listings = bench.device.processes

    def processes(gpu_id):
        found = listings(gpu_id)
        if late:
            late.clear()
            bench.process("neighbour", 3, 30 * GIB)
        return found

    bench.device.processes = processes
    outcome = resume_slice(bench.tools, plan)
    assert outcome.end is MoveEnd.PUT_OFF
    assert bench.device.counted()["resume"] == 0


def test_room_is_compared_only_once_two_listings_of_the_frozen_card_agree(bench, freezer):
    plan = suspended(bench, bench.process("s", 1, 8 * GIB))
    freezer.frozen.add(3)
    looks = []
    freezer.when_frozen = lambda: looks.append("frozen")
    listings, memory = bench.device.processes, bench.device.memory

    def processes(gpu_id):
        found = listings(gpu_id)
        looks.append("listed")
        if looks[-2:] == ["frozen", "listed"]:
            # What was asked of the driver before the freeze is done only now.
            bench.process("neighbour", 3, GIB)
        return found

    def room(gpu_id):
        looks.append("compared")
        return memory(gpu_id)

    bench.device.processes, bench.device.memory = processes, room
    assert resume_slice(bench.tools, plan).end is MoveEnd.DONE
    since = looks[looks.index("frozen") + 1 :]
    assert since[:4] == ["listed", "listed", "listed", "compared"]


def test_a_process_that_ends_while_it_is_looked_at_is_nobodys_and_is_waited_for(bench, freezer):
    plan = suspended(bench, bench.process("s", 1, GIB))
    ending = bench.process("neighbour", 2, GIB)
    bench.table.kill(2)
    del bench.owners[2]
    outcome = resume_slice(bench.tools, plan)
    assert outcome.end is MoveEnd.PUT_OFF
    assert outcome.detail == "processes start and end on this GPU faster than they can be paused"
    bench.end(ending.identity.pid)
    assert resume_slice(bench.tools, plan).end is MoveEnd.DONE
    assert freezer.told


def test_a_suspend_that_moved_nothing_freezes_nobody(bench, freezer):
    target = bench.process("s", 1, GIB)
    bench.device.processes_here[1].endless = True
    suspend_slice(bench.tools, bench.plan(target), UndoSwitch())
    assert "freeze" not in [call for call, _ in freezer.told]
