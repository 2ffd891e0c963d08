"""Questions to the driver helper, from any thread: it is started where there is none.

A helper that does not answer in time, or that ends in the middle of a call, is no reason to think
that the call was not made: ``NO_ANSWER`` says that it may be under way, and the next helper knows.
What waits for its turn then is not begun any more.
"""

import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from sublet_agent.driver_helper.messages import (
    MOST_BYTES,
    DriverAnswer,
    DriverRequest,
    Outcome,
    now_s,
)
from sublet_agent.processes.peer import credentials_of

CLAIM_NAME: Final = "claim"
"""The file, in its folder, on which the one helper that serves there has a lock."""
_START_WITHIN_S: Final = 30.0
_LOOK_EVERY_S: Final = 0.02
_BEYOND_S: Final = 5.0
"""How much longer than the helper its asker waits: a helper that is stopped says nothing."""


class NoHelperError(Exception):
    """No helper can call the driver, and none can be started: the message says why."""


class _Broken(Exception):  # noqa: N818 - never leaves this module
    """The helper is not there, or left in the middle."""


class DriverHelper:
    """The node's helper, with a connection for each calling thread."""

    def __init__(self, folder: Path, *, is_ours: bool = True) -> None:
        """Ask the helper at ``folder``; one that ``is_ours`` is started where there is none."""
        self._folder: Final = folder
        self._is_ours: Final = is_ours
        self._starting: Final = threading.Lock()
        self._local: Final = threading.local()

    def first_word(self) -> DriverAnswer:
        """Return what the helper says of the driver: its version, and ``cuInit``'s result.

        ``NoHelperError`` where the driver cannot be used here.
        """
        self._leave()
        self._connected(time.monotonic() + _START_WITHIN_S)
        first: DriverAnswer = self._local.first
        return first

    def ask(self, request: DriverRequest) -> DriverAnswer:
        """Let a call be made, and return what came of it. ``NoHelperError``.

        What was not begun when its time is over, or when this process ends, is not begun later.
        """
        request = request.model_copy(update={"until_s": now_s() + request.within_s})
        try:
            connection = self._connected(time.monotonic() + _START_WITHIN_S)
            connection.settimeout(request.within_s + _BEYOND_S)
            try:
                connection.sendall(request.line())
            except OSError:
                # The helper has ended since the last call: nothing was asked of it yet.
                self._leave()
                connection = self._connected(time.monotonic() + _START_WITHIN_S)
                connection.settimeout(request.within_s + _BEYOND_S)
                connection.sendall(request.line())
            return self._read(connection)
        except TimeoutError:
            self._leave()
            detail = f"the driver helper did not answer within {request.within_s + _BEYOND_S:g} s"
        except (_Broken, OSError) as error:
            self._leave()
            detail = f"the driver helper ended in the middle of a call: {error}"
        except BaseException:
            # An answer that nobody waits for must not be taken for the next one.
            self._leave()
            raise
        return DriverAnswer(outcome=Outcome.NO_ANSWER, detail=detail)

    def close(self) -> None:
        """Close the calling thread's connection."""
        self._leave()

    def stop(self, within_s: float = 10.0) -> None:
        """Let a helper of ours end, if there is one; what is under way goes on without it."""
        if not self._is_ours:
            return
        self._leave()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self._folder / "socket"))
            pid, _ = credentials_of(probe)
            ended = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(ended, signal.SIGTERM)
                select.select([ended], [], [], within_s)
            finally:
                os.close(ended)
        _forget_ended()

    def _connected(self, deadline: float) -> socket.socket:
        connection: socket.socket | None = getattr(self._local, "connection", None)
        if connection is not None and self._local.pid == os.getpid():
            return connection
        while True:
            with contextlib.suppress(OSError, _Broken):
                return self._connect(deadline)
            if time.monotonic() > deadline:
                message = f"no driver helper answers at {self._folder}, and none could be started"
                raise NoHelperError(message)
            if self._is_ours and not _is_claimed(self._folder):
                with self._starting:
                    start_helper(self._folder)
            time.sleep(_LOOK_EVERY_S)

    def _connect(self, deadline: float) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(max(0.1, deadline - time.monotonic()))
            connection.connect(str(self._folder / "socket"))
            self._local.received = b""
            first = self._read(connection)
        except BaseException:
            connection.close()
            raise
        if first.outcome is not Outcome.DONE:
            connection.close()
            raise NoHelperError(first.detail)
        self._local.connection, self._local.pid, self._local.first = connection, os.getpid(), first
        return connection

    def _read(self, connection: socket.socket) -> DriverAnswer:
        received: bytes = self._local.received
        while b"\n" not in received:
            piece = connection.recv(MOST_BYTES)
            if not piece or len(received) > MOST_BYTES:
                raise _Broken("it closed the connection")
            received += piece
        line, _, self._local.received = received.partition(b"\n")
        try:
            return DriverAnswer.model_validate_json(line)
        except ValidationError as error:
            raise _Broken(str(error)) from error

    def _leave(self) -> None:
        connection: socket.socket | None = getattr(self._local, "connection", None)
        if connection is not None:
            self._local.connection = None
            if self._local.pid == os.getpid():
                connection.close()


_started: dict[Path, subprocess.Popen[bytes]] = {}


def start_helper(folder: Path) -> None:
    """Start a helper that outlives this process, unless one that it started runs. ``OSError``."""
    _forget_ended()
    if folder not in _started:
        _started[folder] = subprocess.Popen(
            [sys.executable, "-P", "-m", "sublet_agent.driver_helper", "--folder", str(folder)],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def _is_claimed(folder: Path) -> bool:
    """Whether some helper runs for this folder, though it may not listen yet."""
    with contextlib.suppress(FileNotFoundError), (folder / CLAIM_NAME).open("rb") as claim:
        try:
            fcntl.flock(claim, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _forget_ended() -> None:
    for folder, process in tuple(_started.items()):
        if process.poll() is not None:
            del _started[folder]
