"""Who is stopped (Ctrl-Z) while the driver moves them: they go on, and nobody runs before."""

import os
import signal
import subprocess
import sys
import time

import pytest
from sublet_agent.app.watchdog import let_owners_run
from sublet_agent.devices.interface import ProcessState
from sublet_agent.moves.plan import MoveEnd, UndoSwitch
from sublet_agent.moves.recovery import recover
from sublet_agent.moves.resume import resume_slice
from sublet_agent.moves.suspend import suspend_slice
from sublet_agent.processes.process_table import LinuxProcessTable, ProcessIdentity
from sublet_agent.state_files.journal import Step

from tests.support.simulated_gpus import wait_until

GIB = 1024


def out_and_back(bench, target):
    out = suspend_slice(bench.tools, bench.plan(target), UndoSwitch())
    assert out.end is MoveEnd.DONE
    (image,) = out.suspended.values()
    return resume_slice(bench.tools, bench.plan(image))


@pytest.mark.parametrize("call", ["suspend", "resume"])
def test_one_that_is_stopped_in_mid_move_goes_on_each_time_and_it_is_told_once(bench, call, caplog):
    target = bench.process("s", 1, GIB)

    def stops_twice():
        for times in (1, 2):
            bench.table.stopped.add(1)
            wait_until(lambda times=times: len(bench.table.signals) >= times, 60)

    bench.table.after_signal = lambda pid, _number: bench.table.stopped.discard(pid)
    bench.device.before[call, 1] = stops_twice
    assert out_and_back(bench, target).end is MoveEnd.DONE
    assert bench.table.signals == [(1, signal.SIGCONT)] * 2
    assert [r.getMessage() for r in caplog.records] == [
        "process 1 was stopped in mid-move, and goes on"
    ]


def test_one_that_is_stopped_between_moves_stays_so(bench):
    target = bench.process("s", 1, GIB)
    bench.device.before["unpause", 1] = lambda: bench.table.stopped.add(1)
    assert out_and_back(bench, target).end is MoveEnd.DONE
    assert bench.table.signals == []


def left_in_mid_move(bench, step):
    """Leave one stopped in mid-move, and a neighbour paused; return when each state was asked."""
    moving = bench.process("s", 1, GIB, state=ProcessState.SUSPENDED, stopped=True)
    neighbour = bench.process("n", 2, GIB, state=ProcessState.PAUSED)
    # The neighbour first: the order of the journal must not matter.
    bench.journal.write(Step.PAUSING, [neighbour])
    bench.journal.write(step, [moving])
    seen, state = [], bench.device.state

    def ask(pid):
        seen.append((pid, bench.states()[2]))
        return state(pid)

    bench.device.state = ask
    return seen


def rescued(bench):
    return let_owners_run(bench.folder / "journal.jsonl", bench.device, bench.table)


def recovered(bench):
    found = recover(bench.tools, bench.attribution, [])
    return [t.identity.pid for t in found.unpaused]


@pytest.mark.parametrize("look_after", [rescued, recovered])
@pytest.mark.parametrize("step", [Step.SUSPENDING, Step.RESUMING])
def test_after_the_agents_death_one_that_is_stopped_goes_on_before_anybody_else_runs(
    bench, step, look_after
):
    seen = left_in_mid_move(bench, step)
    bench.table.stopped.add(1)

    def goes_on(pid, _number):
        bench.table.stopped.discard(pid)
        bench.device.processes_here[pid].stopped = False

    bench.table.after_signal = goes_on
    assert look_after(bench) == [2]
    assert bench.table.signals == [(1, signal.SIGCONT)]
    assert {how for pid, how in seen if pid == 1} == {"paused"}


@pytest.mark.parametrize("look_after", [rescued, recovered])
def test_after_the_agents_death_one_that_a_debugger_holds_is_waited_for(bench, look_after):
    seen = left_in_mid_move(bench, Step.RESUMING)
    ask = bench.device.state

    def let_go_of_after_three_questions(pid):
        if len(seen) == 3:
            bench.device.processes_here[1].stopped = False
        return ask(pid)

    bench.device.state = let_go_of_after_three_questions
    assert look_after(bench) == [2]
    assert bench.table.signals == []
    assert seen[:4] == [(1, "paused")] * 4


@pytest.mark.parametrize("look_after", [rescued, recovered])
def test_after_the_agents_death_nobody_is_waited_for_without_end(bench, look_after, monkeypatch):
    for module in ("app.watchdog", "moves.recovery"):
        monkeypatch.setattr(f"sublet_agent.{module}.AT_THE_LATEST_S", 0.1)
    left_in_mid_move(bench, Step.RESUMING)
    began = time.monotonic()
    assert look_after(bench) == [2]
    assert time.monotonic() - began >= 0.1


def test_the_process_table_tells_who_is_stopped():
    table = LinuxProcessTable()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = table.identify(process.pid)
        assert not table.is_stopped(identity)
        os.kill(process.pid, signal.SIGSTOP)
        wait_until(lambda: table.is_stopped(identity), 60)
        other = ProcessIdentity(identity.boot_id, identity.pid, identity.start_ticks + 1)
        assert not table.is_stopped(other)
        table.send_signal(identity, signal.SIGCONT)
        wait_until(lambda: not table.is_stopped(identity), 60)
        process.kill()
        process.wait()
        assert not table.is_stopped(identity)
