"""Processes whose memory cannot be read: a read of it waits for as long as they like."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_PROGRAM = Path(__file__).with_name("memory_holder.py")
_HOLDER = 65431


def pretended_process(proc: Path, pid: int, environment: bytes = b"", *, uid: int = 1001) -> Path:
    """A process of a pretended ``/proc``: its account, its environment, and nothing mapped."""
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "status").write_text(f"Name:\tprogram\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
    (folder / "environ").write_bytes(environment)
    (folder / "maps").touch()
    (folder / "task").mkdir()
    # Its one thread, which tells the same.
    (folder / "task" / str(pid)).symlink_to(folder)
    return folder


def holding_process(proc: Path, pid: int, *, uid: int = 1001) -> Path:
    """A pretended process whose environment and map nobody ever gets to read."""
    folder = pretended_process(proc, pid, uid=uid)
    for name in ("environ", "maps"):
        (folder / name).unlink()
        # Whoever opens it waits for somebody to write.
        os.mkfifo(folder / name)
    return folder


@dataclass(frozen=True)
class Holder:
    """A real process that holds its memory map, of an account that nobody else has."""

    pid: int
    uid: int

    def still(self) -> bool:
        """Whether it does: who was not given up would have waited for its end."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "D"


@contextlib.contextmanager
def memory_held(folder: Path) -> Iterator[Holder]:
    """A real process that holds its memory map, by a file system of its own; else skipped.

    When it ends, all who wait go on. Until then `ps` waits, too: not for long, therefore.
    """
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(_PROGRAM), str(folder), str(_HOLDER)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stderr is not None
            if holder.stdout.readline() != b"held\n":
                os.killpg(holder.pid, signal.SIGKILL)
                lines = holder.stderr.read().decode().splitlines()
                pytest.skip(f"nobody can hold a memory map here: {lines[-1:]}")
            yield Holder(holder.pid, _HOLDER)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(holder.pid, signal.SIGKILL)
