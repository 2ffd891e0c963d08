"""One child process that reads for this one, and can be given up in the middle of a read."""

import errno
import json
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from sublet_procfs import right_to_trace

_PROGRAM: Final = Path(__file__).with_name("reader_process.py")
_STARTS_WITHIN_S: Final = 10.0
_DIES_WITHIN_S: Final = 0.2
_STARVED_FOR_S: Final = 10.0
"""How much longer a reader may take that waits for a processor."""
_LOOK_EVERY_S: Final = 0.1


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
    def start(cls, within_s: float = _STARTS_WITHIN_S) -> Self:
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
            reader._line(time.monotonic() + within_s)
        except OSError:
            reader.give_up()
            raise
        return reader

    def ask(
        self, request: Mapping[str, Any], within_s: float, starved_s: float = _STARVED_FOR_S
    ) -> dict[str, Any]:
        """Return the answer. ``TimeoutError``: it waits for a tenant; ``ReaderLostError``.

        ``starved_s``: how much longer it may take where it gets no processor, or is stopped.
        """
        _forget_ended()
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it was started so
        began_s = time.monotonic()
        try:
            # Shorter than what a pipe takes at once.
            stdin.write(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise ReaderLostError("the reading process takes no request") from error
        line, stopped_s = self._line_within(began_s, within_s, starved_s)
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise ReaderLostError("the reading process talks nonsense") from error
        if stopped_s and "took_s" in told:
            # It cannot know that itself.
            told["took_s"] = max(0.0, told["took_s"] - stopped_s)
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
            # What is there already is heard, also where this process itself stood still meanwhile.
            left_s = max(0.0, until - time.monotonic())
            if not ready.poll(left_s * 1000):
                raise TimeoutError(errno.ETIMEDOUT, "the reading process does not answer")
            told = stdout.read(65536)
            if not told:
                raise ReaderLostError("the reading process has ended")
            self._rest += told
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _line_within(
        self, began_s: float, within_s: float, starved_s: float
    ) -> tuple[bytes, float]:
        """Return the next line, and for how long the reader was seen to stand stopped meanwhile.

        It may run or be held up for ``within_s``. What it has to wait for a processor, or stands
        stopped, comes on top of that, up to a bound.
        """
        before = self._work()
        until_s, last, last_s, stopped_s = began_s + within_s, before, began_s, 0.0
        while True:
            try:
                line = self._line(until_s)
            except TimeoutError:
                now_s, now = time.monotonic(), self._work()
                if now.is_stopped or last.is_stopped:
                    # By a signal, which is none of those whose memory it reads.
                    stopped_s += now_s - last_s
                waited_s = stopped_s + now.queued_s - before.queued_s
                left_s = within_s - (now_s - began_s - waited_s)
                # The kernel counts what one waits for a processor when that comes to an end.
                waits = now.is_runnable and (last is before or now.ran == last.ran)
                if now_s >= began_s + within_s + starved_s or (left_s <= 0 and not waits):
                    raise
                until_s, last, last_s = now_s + max(left_s, _LOOK_EVERY_S), now, now_s
            else:
                if last.is_stopped:
                    stopped_s += time.monotonic() - last_s
                return line, stopped_s

    def _work(self) -> "_Work":
        folder = f"/proc/{self._process.pid}"
        try:
            stat = Path(f"{folder}/stat").read_bytes()
            fields = stat[stat.rfind(b")") + 2 :].split()
            state, ran = fields[0], int(fields[11]) + int(fields[12])
        except (OSError, ValueError, IndexError):
            return _Work(is_runnable=False, is_stopped=False, ran=0, queued_s=0)
        try:
            ran, queued, _ = map(int, Path(f"{folder}/schedstat").read_bytes().split())
        except (OSError, ValueError):
            # Not every kernel counts that.
            queued = 0
        is_stopped = state in {b"T", b"t"}
        return _Work(state == b"R", is_stopped, ran, queued / 1e9)


@dataclass(frozen=True, slots=True)
class _Work:
    """What the kernel tells of a process's work."""

    is_runnable: bool
    """Whether it runs, or would if it had a processor."""
    is_stopped: bool
    """Whether a signal or a debugger has stopped it."""
    ran: int
    """How long it has run, in whatever the kernel counts."""
    queued_s: float
    """How long it has waited for a processor."""


def _forget_ended() -> None:
    with _guard:
        _given_up[:] = [process for process in _given_up if process.poll() is None]


class _Child(subprocess.Popen[bytes]):
    """A process that may be left behind, if nothing ends it."""

    def __del__(self) -> None:
        """Leave it, without the warning that it still runs: nobody asks it any more, so it ends."""
