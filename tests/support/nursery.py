"""Starts programs of the project from a process that has imported them: a start then costs a fork.

Each test process has one nursery, which ends with it, and what it started ends with the nursery.
What is forked runs the very module that the command line runs. Not for processes that are known
by their environment: ``/proc`` goes on showing the nursery's.

What ``SUBLET_TEST_PRELOAD`` in its environment names (libraries, by their paths) a process loads
before it is what it shall be: the loader's own path is read only when a program begins.

Run as a script with a Unix socket as its standard input. Each message is a JSON object with a
``module``, its ``argv`` and ``environment``; three descriptors come with it: its stdout, its
stderr, and where its exit status is written when it has ended. The answer is its pid.
"""

import atexit
import contextlib
import ctypes
import functools
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

# What is imported by the modules that are run; these themselves are run anew each time.
import sublet_agent.app.application
import sublet_agent.app.node_agent
import sublet_agent.simulated.server.server  # noqa: F401

PRELOAD_VARIABLE = "SUBLET_TEST_PRELOAD"
_ROOT = Path(__file__).parents[2]
_PR_SET_PDEATHSIG = 1
_MOST_MESSAGE_BYTES = 1 << 20


class NurserySprout:
    """A process that a nursery started, as far as it is used like a ``subprocess.Popen``."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """Return its exit status where it has ended, as ``Popen`` tells it."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended."""
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired([f"process {self.pid}"], timeout or 0.0)
        return status

    def send_signal(self, number: int) -> None:
        # Its pid is its own until the status of its end is told.
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, within_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], within_s)[0]:
            told = os.read(self._status, 100)
            os.close(self._status)
            # A nursery that was killed told nothing, and what it started has ended with it.
            self.returncode = int(told) if told else -signal.SIGKILL
        return self.returncode


class Nursery:
    """The nursery, as those see it who have programs started."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.nursery"], stdin=theirs, cwd=_ROOT
            )

    def start(
        self, module: str, argv: Sequence[str], stdout: int, stderr: int = 2
    ) -> NurserySprout:
        """Run a module as ``python -m`` would, in this process's environment of this moment."""
        order = {"module": module, "argv": [*argv], "environment": dict(os.environ)}
        status, theirs = os.pipe()
        with self._one_at_a_time:
            socket.send_fds(self._line, [json.dumps(order).encode()], [stdout, stderr, theirs])
            os.close(theirs)
            return NurserySprout(int(self._line.recv(100)), status)

    def end(self) -> None:
        self._line.close()
        self._process.wait()


@functools.cache
def nursery() -> Nursery:
    """Return this process's nursery."""
    made = Nursery()
    atexit.register(made.end)
    return made


def _take_away(statuses: dict[int, int]) -> None:
    """Tell of those that have ended, and let the kernel forget them."""
    while statuses:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        told = statuses.pop(pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(told)


def _be(module: str, argv: list[str], environment: dict[str, str], handles: list[int]) -> NoReturn:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number, handle in enumerate(handles[:2], start=1):
        os.dup2(handle, number)
    os.closerange(3, max(256, *handles) + 1)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *argv]
    status = 1
    try:
        for library in filter(None, environment.get(PRELOAD_VARIABLE, "").split(":")):
            ctypes.CDLL(library)
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            status = leaving.code or 0
        else:
            print(leaving.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - told on stderr; the exit status says the rest
        traceback.print_exc()
    finally:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _import_nvidias_packages() -> None:
    """Have what the agent imports beside the libraries, which each process loads by itself."""
    importlib.import_module("cuda.core")
    importlib.import_module("pynvml")


def main() -> None:
    line = socket.socket(fileno=0)
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    statuses: dict[int, int] = {}
    while True:
        ready = select.select([line, ended], [], [])[0]
        if ended in ready:
            os.read(ended, 4096)
            _take_away(statuses)
        if line not in ready:
            continue
        message, handles, _, _ = socket.recv_fds(line, _MOST_MESSAGE_BYTES, 3)
        if not message:
            return
        order = json.loads(message)
        if PRELOAD_VARIABLE in order["environment"]:
            _import_nvidias_packages()
        pid = os.fork()
        if not pid:
            _be(**order, handles=handles)
        statuses[pid] = handles.pop()
        for handle in handles:
            os.close(handle)
        line.send(str(pid).encode())


if __name__ == "__main__":
    main()
