"""One child process that reads for this one, and can be given up in the middle of a read."""

import errno
import json
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from sublet_procfs import right_to_trace

_PROGRAM: Final = Path(__file__).with_name("reader_process.py")
_STARTS_WITHIN_S: Final = 10.0
_DIES_WITHIN_S: Final = 0.2
_STARVED_FOR_S: Final = 10.0
"""How much longer a reader may take that is not waiting, but gets no processor."""


_guard: Final = threading.Lock()
_given_up: Final[list[subprocess.Popen[bytes]]] = []
"""Those that had not ended when they were killed: each is asked for until it has, whoever gave it
up, or it would be a zombie for as long as this process lives."""


class ReaderLostError(OSError):
    """The reading process is gone, or says what it should not."""

    def __init__(self, what: str) -> None:
        super().__init__(errno.EIO, what)


class Reader:
    """A reading process, idle or in a read. One thread at a time asks it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._rest = b""

    @classmethod
    def start(cls) -> Self:
        """Start one, and wait until it can be asked, for ten seconds at the worst. ``OSError``."""
        _forget_ended()
        # A signal for this process's group is not for the reader: it ends when nobody asks.
        with right_to_trace.handed_on():
            process = _Child(
                [sys.executable, "-I", "-S", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
                bufsize=0,
            )
        reader = cls(process)
        try:
            reader._line(time.monotonic() + _STARTS_WITHIN_S)
        except OSError:
            reader.give_up()
            raise
        return reader

    def ask(self, request: Mapping[str, Any], within_s: float) -> dict[str, Any]:
        """Return the answer. ``TimeoutError``: it waits for a tenant; ``ReaderLostError``."""
        _forget_ended()
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it was started so
        try:
            # Shorter than what a pipe takes at once.
            stdin.write(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise ReaderLostError("the reading process takes no request") from error
        try:
            line = self._line(time.monotonic() + within_s)
        except TimeoutError:
            if not self._gets_no_processor():
                raise
            line = self._line(time.monotonic() + _STARVED_FOR_S)
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise ReaderLostError("the reading process talks nonsense") from error
        return told

    def give_up(self) -> bool:
        """Kill the process; return whether it has ended.

        Who waits for a file of a tenant's own file system may end only when that answers.
        """
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(_DIES_WITHIN_S)
        except subprocess.TimeoutExpired:
            with _guard:
                _given_up.append(self._process)
            return False
        return True

    def has_ended(self) -> bool:
        """Whether a process that was given up is no more."""
        return self._process.poll() is not None

    def _line(self, until: float) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - it was started so
        ready = select.poll()
        ready.register(stdout, select.POLLIN)
        while b"\n" not in self._rest:
            left_s = until - time.monotonic()
            if left_s <= 0 or not ready.poll(left_s * 1000):
                raise TimeoutError(errno.ETIMEDOUT, "the reading process does not answer")
            told = stdout.read(65536)
            if not told:
                raise ReaderLostError("the reading process has ended")
            self._rest += told
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _gets_no_processor(self) -> bool:
        try:
            text = Path(f"/proc/{self._process.pid}/stat").read_bytes()
        except OSError:
            return False
        return text[text.rfind(b")") + 2 :].startswith(b"R")


def _forget_ended() -> None:
    with _guard:
        _given_up[:] = [process for process in _given_up if process.poll() is None]


class _Child(subprocess.Popen[bytes]):
    """A process that may be left behind, if nothing ends it."""

    def __del__(self) -> None:
        """Leave it, without the warning that it still runs: nobody asks it any more, so it ends."""
