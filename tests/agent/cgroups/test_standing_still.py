"""Whose threads do not run, and why: such a process could not answer the driver."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sublet_agent.cgroups.standing_still import StandingStill, Stillness

from tests.support.control_groups import GPU, WITHIN_S, Groups, control_groups, needs_freezer, until
from tests.support.leaderless import leaderless

PTRACE_ATTACH, PTRACE_DETACH = 16, 17


@pytest.fixture
def asleep() -> Iterator[psutil.Process]:
    # A name that would be mistaken for the end of the name, and a state, by who reads carelessly.
    rename = "open('/proc/self/comm', 'w').write('a) T 1 (b'); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", rename], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield psutil.Process(process.pid)
        process.kill()


@pytest.fixture
def groups(tmp_path: Path) -> Iterator[Groups]:
    with control_groups(needs_freezer(tmp_path), tmp_path) as made:
        yield made


def test_who_sleeps_or_is_gone_does_not_stand_still(asleep: psutil.Process) -> None:
    still = StandingStill()
    assert still.why(asleep.pid) is None
    asleep.kill()
    assert still.why(asleep.pid) is None
    assert still.why(2**22 - 1) is None


def test_who_was_stopped_stands_still_until_it_goes_on(asleep: psutil.Process) -> None:
    still = StandingStill()
    asleep.suspend()
    until(lambda: still.why(asleep.pid) is Stillness.STOPPED)
    asleep.resume()
    until(lambda: still.why(asleep.pid) is None)


def test_who_is_held_by_a_debugger_stands_still(asleep: psutil.Process) -> None:
    still, libc = StandingStill(), ctypes.CDLL(None, use_errno=True)
    assert libc.ptrace(PTRACE_ATTACH, asleep.pid, 0, 0) == 0, os.strerror(ctypes.get_errno())
    until(lambda: still.why(asleep.pid) is Stillness.TRACED)
    assert libc.ptrace(PTRACE_DETACH, asleep.pid, 0, 0) == 0
    until(lambda: still.why(asleep.pid) is None)


def test_who_is_frozen_stands_still_and_so_does_a_stopped_neighbour(groups: Groups) -> None:
    ada, ben, stopped = groups.family(), groups.family(), groups.family()
    groups.serve(
        *(groups.slice(name, each) for name, each in zip("abs", (ada, ben, stopped), strict=True))
    )
    kernel = ada.starts("child")
    still = StandingStill([groups.tree])
    psutil.Process(stopped.pid).suspend()
    with groups.freezer.freeze_neighbours(GPU, "a", [kernel], WITHIN_S) as stillness:
        assert stillness.problem == ""
        assert stillness.has_frozen(stopped.pid)
        assert [still.why(pid) for pid in (kernel, ben.pid)] == [None, Stillness.FROZEN]
        assert still.why(stopped.pid) is not None
        # Let go on by anybody, it does not.
        psutil.Process(stopped.pid).resume()
        assert stillness.has_frozen(stopped.pid)
    until(lambda: still.why(ben.pid) is None)
    until(lambda: still.why(stopped.pid) is None)


def test_whose_main_thread_has_ended_stands_still_as_its_other_threads_do() -> None:
    still = StandingStill()
    with leaderless() as pid:
        assert still.why(pid) is None
        os.kill(pid, signal.SIGSTOP)
        until(lambda: still.why(pid) is Stillness.STOPPED)
        os.kill(pid, signal.SIGCONT)
        until(lambda: still.why(pid) is None)


def test_whose_main_thread_has_ended_is_in_the_group_of_its_other_threads(groups: Groups) -> None:
    tree = groups.tree
    with leaderless() as pid:
        place = f"/leaderless-{pid}"
        tree.make(place)
        tree.move(pid, place)
        try:
            assert tree.place_of(pid) == place
            tree.begin_freezing(place)
            assert StandingStill([tree]).why(pid) is Stillness.FROZEN
        finally:
            tree.thaw(place)
            tree.move(pid, "/")
            tree.remove(place)
