"""Two agents on one state folder: the second waits for the first one's end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from sublet_agent.state_files import one_agent

LONG_S = 600.0
AGENT = """
import logging, os, sys, time
from pathlib import Path
from sublet_agent.state_files.one_agent import become_the_only_agent
logging.basicConfig()
become_the_only_agent(Path(sys.argv[1]), float(sys.argv[2]))
if os.fork() == 0:
    os.setsid()
    os.closerange(0, 3)
    time.sleep(30)
    os._exit(0)
print(os.getpid(), flush=True)
time.sleep(600)
"""
WATCHDOG = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"


def begin(folder: Path, within_s: float = LONG_S, *program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", *program, AGENT, str(folder), str(within_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def told_pid(agent: subprocess.Popen[str]) -> int:
    """Return the pid of the agent's own process, once it is the only one."""
    assert agent.stdout is not None
    return int(agent.stdout.readline())


def test_an_agent_waits_for_the_one_before_but_not_for_what_that_has_left(tmp_path):
    with begin(tmp_path) as first:
        assert told_pid(first) == first.pid
        with begin(tmp_path) as second:
            assert second.stderr is not None
            assert "waiting for its end" in second.stderr.readline()
            first.kill()
            assert told_pid(second) == second.pid
            second.kill()


def test_one_that_nobody_looks_after_and_that_does_not_end_in_time_is_killed(tmp_path):
    with begin(tmp_path, LONG_S, WATCHDOG) as watchdog:
        first = told_pid(watchdog)
        watchdog.kill()
        watchdog.wait()
        # Only now: the kernel ends whoever is stopped already when nobody could let it go on.
        os.kill(first, signal.SIGSTOP)
        with begin(tmp_path, 0.0) as second:
            assert told_pid(second) == second.pid
            second.kill()
            assert second.stderr is not None
            assert f"(process {first}) does not end, and is killed" in second.stderr.read()


def test_one_whose_watchdog_lives_is_left_alone(tmp_path):
    with begin(tmp_path) as first:
        told_pid(first)
        lock = one_agent._open(tmp_path)
        assert one_agent._holder(lock) == first.pid
        assert not one_agent._kill_the_holder(lock)
        assert not one_agent.is_the_only_agent(tmp_path)
        assert first.poll() is None
        os.close(lock)
        first.kill()


def test_who_finds_nobody_at_work_is_the_only_one(tmp_path):
    assert one_agent.is_the_only_agent(tmp_path)
