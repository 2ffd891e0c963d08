"""Run one part within its limit; what takes longer is ended cleanly, with all that it started."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LOOK_EVERY_S: Final = 0.05
_ROOT: Final = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Run:
    """How a command went."""

    exit_code: int
    stopped: bool
    """Whether it ran beyond its limit."""
    left: int
    """How many of its processes were still there afterwards, and had to be killed."""
    took_s: float


def run_within(
    command: list[str],
    output: Path,
    limit_s: float,
    environment: dict[str, str],
    grace_s: float = 20,
) -> Run:
    """Run a command, what it says kept in a file; stop it where it takes longer than its limit.

    It is asked to end (SIGINT: tests then write what they have), and after a grace killed; so is
    whatever it has left behind.
    """
    began = time.monotonic()
    mark = f"SUBLET_CARD_RUN={os.getpid()}.{time.monotonic_ns()}"
    name, _, value = mark.partition("=")
    with output.open("wb") as file, _sigint_not_ignored():
        process = subprocess.Popen(
            command,
            cwd=_ROOT,
            env={**os.environ, **environment, "PYTHONPATH": str(_ROOT), name: value},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with process:
        try:
            stopped = not _ends_by(process, began + limit_s)
            if stopped:
                process.send_signal(signal.SIGINT)
                _ends_by(process, time.monotonic() + grace_s)
        finally:
            left = _kill(_marked(mark.encode()))
            process.wait()
    return Run(process.returncode, stopped, left, time.monotonic() - began)


@contextlib.contextmanager
def _sigint_not_ignored() -> Iterator[None]:
    """Let what is started in the block hear SIGINT.

    A shell starts what runs in its background with SIGINT ignored, and children inherit that.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _ends_by(process: subprocess.Popen[bytes], ends: float) -> bool:
    while process.poll() is None:
        if time.monotonic() > ends:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def _marked(mark: bytes) -> list[int]:
    """Return the processes with this mark in their environment, whoever their parent is now."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def _kill(pids: Iterable[int]) -> int:
    killed = 0
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed
