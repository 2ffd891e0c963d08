"""Suspending slices: each hazard, and what must be left after it."""

import pytest
from sublet_agent.devices.interface import DeviceError, NotSupportedError
from sublet_agent.moves.pausing import PauseReason
from sublet_agent.moves.plan import MoveEnd, UndoSwitch
from sublet_agent.moves.resume import resume_slice
from sublet_agent.moves.suspend import suspend_slice
from sublet_agent.state_files.journal import Step
from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable

from tests.support.agent_cases import Bench

GIB = 1024
SHARES = Unsuspendable(Obstacle.CUDA_IPC, "it shares memory")


def test_suspending_a_slice_moves_all_its_processes(bench):
    a, b = bench.process("s", 1, 8 * GIB), bench.process("s", 2, 4 * GIB)
    outcome = suspend_slice(bench.tools, bench.plan(a, b), UndoSwitch())
    assert outcome.end is MoveEnd.DONE
    assert bench.states() == {1: "suspended", 2: "suspended"}
    assert {t.image_mib for t in outcome.suspended.values()} == {8 * GIB, 4 * GIB}
    assert bench.host.free_mib() == 10**6 - 12 * GIB


def test_what_a_process_needs_to_come_back_is_measured_while_it_stands_still(bench):
    a = bench.process("s", 1, 8 * GIB)
    bench.device.before["pause", 1] = lambda: setattr(
        bench.device.processes_here[1], "memory_mib", 9 * GIB
    )
    outcome = suspend_slice(bench.tools, bench.plan(a), UndoSwitch())
    assert outcome.suspended[a.identity].image_mib == 9 * GIB


def test_every_change_of_a_process_is_written_down_before_it_is_made(bench):
    a = bench.process("s", 1, GIB)
    seen = {}
    for call in ("pause", "suspend", "resume", "unpause"):
        bench.device.before[call, 1] = lambda call=call: seen.update(
            {call: [e.step for e in bench.journal.entries()]}
        )
    (image,) = suspend_slice(bench.tools, bench.plan(a), UndoSwitch()).suspended.values()
    resume_slice(bench.tools, bench.plan(image))
    assert seen == {
        "pause": [Step.PAUSING],
        "suspend": [Step.SUSPENDING],
        "resume": [Step.RESUMING],
        "unpause": [Step.UNPAUSING],
    }


@pytest.mark.parametrize("which", [1, 2])
def test_a_process_that_cannot_be_suspended_keeps_its_whole_slice_on_the_gpu(bench, which):
    a, b = bench.process("s", 1, GIB), bench.process("s", 2, GIB)
    bench.device.processes_here[which].unsuspendable = SHARES
    outcome = suspend_slice(bench.tools, bench.plan(a, b), UndoSwitch())
    assert outcome.end is MoveEnd.REFUSED
    assert (outcome.obstacle, outcome.detail) == (Obstacle.CUDA_IPC, "it shares memory")
    assert bench.device.calls == []


def test_ipc_that_begins_after_the_first_look_is_seen_right_before_the_suspend(bench):
    a = bench.process("s", 1, GIB)
    bench.device.before["pause", 1] = lambda: setattr(
        bench.device.processes_here[1], "unsuspendable", SHARES
    )
    outcome = suspend_slice(bench.tools, bench.plan(a), UndoSwitch())
    assert outcome.end is MoveEnd.REFUSED
    assert bench.states() == {1: "running"}
    assert bench.device.counted()["suspend"] == 0


def test_a_process_whose_memory_is_not_told_is_not_suspended(bench):
    a = bench.process("s", 1, 8 * GIB)
    bench.device.processes_here[1].told = False
    outcome = suspend_slice(bench.tools, bench.plan(a), UndoSwitch())
    assert (outcome.end, outcome.obstacle) == (MoveEnd.REFUSED, Obstacle.MEMORY_UNKNOWN)
    assert outcome.blame == a.identity
    assert bench.states() == {1: "running"}
    assert bench.device.counted()["suspend"] == 0


def test_managed_memory_is_refused_by_the_driver_and_the_process_runs_on(bench):
    a = bench.process("s", 1, GIB)
    bench.device.fail("suspend", 1, NotSupportedError("managed memory"))
    outcome = suspend_slice(bench.tools, bench.plan(a), UndoSwitch())
    assert (outcome.end, outcome.blame) == (MoveEnd.REFUSED, a.identity)
    assert bench.states() == {1: "running"}
    assert bench.host.free_mib() == 10**6


def test_when_the_second_process_refuses_the_first_comes_back(bench):
    a, b = bench.process("s", 1, GIB), bench.process("s", 2, GIB)
    bench.device.fail("suspend", 2, NotSupportedError("managed memory"))
    outcome = suspend_slice(bench.tools, bench.plan(a, b), UndoSwitch())
    assert outcome.end is MoveEnd.REFUSED
    assert bench.states() == {1: "running", 2: "running"}
    assert outcome.on_gpu == {a.identity, b.identity}


def test_coming_back_from_a_failed_suspend_never_restores_without_room(bench):
    a, b = bench.process("s", 1, 40 * GIB), bench.process("s", 2, GIB)

    def somebody_takes_the_room():
        bench.process("other", 3, 60 * GIB)

    bench.device.before["suspend", 2] = somebody_takes_the_room
    bench.device.fail("suspend", 2, DeviceError("an error"))
    outcome = suspend_slice(bench.tools, bench.plan(a, b), UndoSwitch())
    assert bench.states() == {1: "suspended", 2: "paused", 3: "running"}
    assert bench.device.counted()["resume"] == 0
    assert set(outcome.suspended) == {a.identity}
    assert bench.paused_processes.of(b.identity) == {PauseReason.SLICE}


def test_a_suspend_is_undone_while_its_bytes_have_not_begun_to_move(bench):
    a = bench.process("s", 1, GIB)
    undo = UndoSwitch()
    bench.device.before["pause", 1] = undo.ask
    outcome = suspend_slice(bench.tools, bench.plan(a), undo)
    assert outcome.end is MoveEnd.UNDONE
    assert bench.states() == {1: "running"}


def test_a_suspend_cannot_be_undone_once_bytes_move(bench):
    a = bench.process("s", 1, GIB)
    undo, answers = UndoSwitch(), []
    bench.device.before["suspend", 1] = lambda: answers.append((undo.undoable, undo.ask()))
    assert suspend_slice(bench.tools, bench.plan(a), undo).end is MoveEnd.DONE
    assert answers == [(False, False)]


def test_a_process_born_during_a_suspend_goes_with_its_slice(bench):
    a = bench.process("s", 1, GIB)
    bench.device.before["pause", 1] = lambda: bench.process("s", 2, 2 * GIB)
    outcome = suspend_slice(bench.tools, bench.plan(a), UndoSwitch())
    assert outcome.end is MoveEnd.DONE
    assert bench.states() == {1: "suspended", 2: "suspended"}


def test_a_slice_that_bears_processes_without_end_is_let_be(bench):
    a = bench.process("s", 1, GIB)

    def bear():
        bench.process("s", max(bench.owners) + 1, 10)
        bench.device.before_listing.append(bear)

    # One listing drains what was there when it began: each birth adds the next one.
    for _ in range(20):
        bench.device.before["pause", max(bench.owners) + 1] = lambda: None
    births = iter(range(100))

    def each_pause():
        next(births)
        target = bench.process("s", max(bench.owners) + 1, 10)
        bench.device.before["pause", target.identity.pid] = each_pause

    bench.device.before["pause", 1] = each_pause
    outcome = suspend_slice(bench.tools, bench.plan(a), UndoSwitch())
    assert outcome.end is MoveEnd.PUT_OFF
    assert set(bench.states().values()) == {"running"}


def test_a_process_that_ends_during_its_suspend_is_simply_gone(bench):
    a, b = bench.process("s", 1, GIB), bench.process("s", 2, GIB)
    bench.device.before["suspend", 1] = lambda: bench.end(1)
    outcome = suspend_slice(bench.tools, bench.plan(a, b), UndoSwitch())
    assert outcome.end is MoveEnd.DONE
    assert outcome.gone == {a.identity}
    assert bench.states() == {2: "suspended"}
    assert bench.host.free_mib() == 10**6 - GIB


def test_a_reused_pid_is_never_suspended(bench):
    a = bench.process("s", 1, GIB)

    def another_gets_the_pid():
        bench.table.add(1, start=999)

    bench.device.before["pause", 1] = another_gets_the_pid
    outcome = suspend_slice(bench.tools, bench.plan(a), UndoSwitch())
    assert a.identity in outcome.gone
    assert bench.device.counted()["suspend"] == 0


def test_a_process_that_is_stopped_puts_the_suspend_off_and_says_why(bench):
    other, stopped = bench.process("s", 1, GIB), bench.process("s", 2, GIB, stopped=True)
    outcome = suspend_slice(bench.tools, bench.plan(other, stopped), UndoSwitch())
    assert (outcome.end, outcome.obstacle) == (MoveEnd.PUT_OFF, None)
    assert "process 2 is stopped" in outcome.detail
    assert bench.states() == {1: "running", 2: "running"}


def test_an_endless_kernel_puts_the_suspend_off_and_everybody_runs_on(bench):
    a, b = bench.process("s", 1, GIB), bench.process("s", 2, GIB, endless=True)
    outcome = suspend_slice(bench.tools, bench.plan(a, b), UndoSwitch())
    assert outcome.end is MoveEnd.PUT_OFF
    assert bench.states() == {1: "running", 2: "running"}


@pytest.mark.parametrize("limits", [{"host_mib": 4 * GIB}, {"own_limit_mib": 4 * GIB}])
def test_a_suspend_needs_host_memory_for_all_its_bytes(tmp_path, limits):
    bench = Bench(tmp_path, **limits)
    a = bench.process("s", 1, 3 * GIB)
    b = bench.process("s", 2, 5 * GIB)
    outcome = suspend_slice(bench.tools, bench.plan(a, b), UndoSwitch())
    assert outcome.end in {MoveEnd.PUT_OFF, MoveEnd.REFUSED}
    assert bench.states() == {1: "running", 2: "running"}
    assert bench.device.counted()["suspend"] == 0
    bench.close()


def test_a_slice_that_holds_more_than_could_ever_come_back_is_not_suspended(bench):
    a, b = bench.process("s", 1, 40 * GIB), bench.process("s", 2, 39 * GIB + 512)
    outcome = suspend_slice(bench.tools, bench.plan(a, b), UndoSwitch())
    assert outcome.end is MoveEnd.PUT_OFF
    assert "could come back" in outcome.detail
    assert bench.states() == {1: "running", 2: "running"}


@pytest.mark.parametrize("call", ["pause", "suspend"])
def test_a_move_that_breaks_off_unexpectedly_leaves_nobody_held(bench, call):
    a, b = bench.process("s", 1, GIB), bench.process("s", 2, GIB)

    def break_off():
        raise RuntimeError("what nobody reckoned with")

    bench.device.before[call, 2] = break_off
    outcome = suspend_slice(bench.tools, bench.plan(a, b), UndoSwitch())
    assert outcome.end is MoveEnd.PUT_OFF
    assert bench.states() == {1: "running", 2: "running"}
    assert [bench.paused_processes.of(t.identity) for t in (a, b)] == [frozenset(), frozenset()]
    assert bench.host.free_mib() == 10**6
