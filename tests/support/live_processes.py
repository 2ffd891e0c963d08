"""The processes of this machine, each as it is now; and one that begins with a pid of another's."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

_LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
_TRIES = 500


def live_processes() -> Iterator[psutil.Process]:
    """Yield every process.

    ``psutil.process_iter`` keeps whose a pid was when it looked before: where it is another's by
    now, that one cannot be ended.
    """
    for pid in psutil.pids():
        with suppress(psutil.NoSuchProcess):
            yield psutil.Process(pid)


def command_of(process: psutil.Process) -> list[str]:
    """Return a process's command line; of one that has ended none."""
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def start_with_pid(
    pid: int, command: Sequence[str], env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program with a pid that nobody has now; skip the test where that is not allowed.

    Its input is a pipe.
    """
    for _ in range(_TRIES):
        try:
            _LAST_PID.write_text(str(pid - 1))
        except OSError as why:
            pytest.skip(f"pids cannot be chosen here: {why}")
        started = subprocess.Popen(command, env=env, stdin=subprocess.PIPE)
        if started.pid == pid:
            return started
        started.kill()
        started.wait()
    message = f"others were quicker each time: no program began with pid {pid}"
    raise LookupError(message)
