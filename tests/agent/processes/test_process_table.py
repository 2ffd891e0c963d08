"""What can be told of a process when looking at it fails."""

import os
import resource
import signal
import subprocess
import sys

import pytest
from sublet_agent.app import serving
from sublet_agent.processes.process_table import LinuxProcessTable

from tests.support.leaderless import leaderless


def test_that_no_file_is_left_to_look_with_is_not_told_as_a_death():
    table = LinuxProcessTable()
    own = table.identify(os.getpid())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # No number is below it: whatever is opened now is one too many.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            table.is_alive(own)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert table.is_alive(own)


def test_who_has_ended_is_nobody():
    table = LinuxProcessTable()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
        assert table.identify(ended.pid) is None


def test_whose_main_thread_has_ended_lives_as_long_as_another_does():
    table = LinuxProcessTable()
    with leaderless(SUBLET_SLICE_ID="s1") as pid:
        identity = table.identify(pid)
        assert identity is not None
        assert table.is_alive(identity)
        assert table.environment(pid, "SUBLET_SLICE_ID") == "s1"
        assert table.send_signal(identity, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert not table.is_alive(identity)


@pytest.mark.parametrize("error", [ValueError("not allowed"), OSError("not permitted")])
def test_where_the_limit_of_open_files_cannot_be_raised_the_agent_starts_all_the_same(
    monkeypatch, error, caplog
):
    def refuse(*_):
        raise error

    monkeypatch.setattr(serving.resource, "setrlimit", refuse)
    serving._open_as_many_files_as_allowed()
    assert str(error) in caplog.text
