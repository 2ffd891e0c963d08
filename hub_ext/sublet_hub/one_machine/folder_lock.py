"""The claim of one running program to a folder: which one that is, and what it has started.

The claim is a lock that ends with the program, however that ends, since the parts do not inherit
it. What a killed program has left running is told to its successor, who stops it: two services must
not share a ledger, nor two hubs a proxy.
"""

import contextlib
import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

import psutil

from sublet_hub.one_machine.paths import PRIVATE_FILE

_SAME_START_S = 0.02


class FolderInUseError(Exception):
    """Another program runs on the folder; the message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Started:
    """A process, known again by its number and by when it began."""

    name: str
    pid: int
    at_s: float
    """When the process began, in seconds since the machine's start: its clock may be set meanwhile.
    """

    @classmethod
    def of(cls, name: str, pid: int) -> "Started":
        """Return the record of a process that is there."""
        return cls(name, pid, _began_s(psutil.Process(pid)))

    def find(self) -> psutil.Process | None:
        """Return this very process; ``None`` where it has ended."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            if abs(_began_s(process) - self.at_s) < _SAME_START_S:
                return process
        return None


def _began_s(process: psutil.Process) -> float:
    return float(process.create_time() - psutil.boot_time())


@dataclass(slots=True)
class FolderClaim:
    """A claim on a folder: a locked file that lists the program's process, then the parts."""

    path: Path
    left_over: tuple[Started, ...] = ()
    """The processes that the program before had started, and had not stopped."""
    _file: TextIO | None = field(default=None, init=False)

    def take(self) -> None:
        """Claim the folder, made if need be. ``FolderInUseError`` where another program has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        file = os.fdopen(handle, "r+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                refusal = _refusal(self.path.parent, _listed(file.read()))
            raise FolderInUseError(refusal) from None
        self._file, self.left_over = file, _listed(file.read())[1:]
        self._write(Started.of("the program", os.getpid()), *self.left_over)

    def note(self, name: str, pid: int) -> None:
        """Write down a part that was started."""
        file = self._held()
        json.dump(asdict(Started.of(name, pid)), file)
        file.write("\n")
        file.flush()

    def give_up(self) -> None:
        """Let others have the folder: everything that was started has ended.

        What was left over and runs on is told to the next one.
        """
        self._write(
            Started.of("the program", os.getpid()),
            *(each for each in self.left_over if each.find() is not None),
        )
        self._held().close()
        self._file = None

    def _write(self, *listed: Started) -> None:
        file = self._held()
        file.seek(0)
        file.truncate()
        file.writelines(json.dumps(asdict(each)) + "\n" for each in listed)
        file.flush()

    def _held(self) -> TextIO:
        if self._file is None:
            message = f"{self.path.parent} is not claimed: take() comes first"
            raise RuntimeError(message)
        return self._file


def _listed(text: str) -> tuple[Started, ...]:
    """Return what a claim lists; a line that a killed program could not end is none."""
    found = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError, TypeError):
            found.append(Started(**json.loads(line)))
    return tuple(found)


def _refusal(folder: Path, listed: tuple[Started, ...]) -> str:
    who = f"process {listed[0].pid}" if listed else "another process"
    stop = f"`kill {listed[0].pid}`" if listed else "SIGTERM"
    return (
        f"{folder} is in use: {who} runs a hub on it. Stop that one, by Ctrl-C in its terminal or"
        f" by {stop}, or give this one a folder and a port of its own:"
        f" make up UP_OPTIONS='--folder {folder}-2 --port 8001'"
    )
