"""The progress of a running job, for the hub service: one JSON object a line, the last ends it."""

import contextlib
import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_MOST_TRACEBACK = 20_000
_MOST_MESSAGE = 2_000
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def plain(text: str) -> str:
    """Return the text without the terminal escapes that kernels put into tracebacks."""
    return _ESCAPES.sub("", text)


@dataclass(frozen=True, slots=True)
class JobError:
    """The reason why a job failed. ``cell`` counts from 1; 0 is before the first."""

    cell: int
    name: str
    message: str
    traceback: str = ""


class ProgressWriter:
    """The lines of a job's progress, on a descriptor that the service opened for appending."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.cell = 0
        self.total = 0

    def starts(self, total: int) -> None:
        """Say that the kernel starts, and how many cells will run."""
        self.total = total
        self._state("starting")

    def cell_starts(self) -> None:
        """Say that the next cell runs now."""
        self.cell += 1
        self._state("running")

    def cell_ends(self, *, failed: bool) -> None:
        """Say that the cell has ended."""
        self._state("failed" if failed else "done")

    def end(self, error: JobError | None, output: Path) -> None:
        """Write the last line."""
        line: dict[str, Any] = {
            "ended": True,
            "ok": error is None,
            "error": None,
            "output": str(output),
        }
        if error is not None:
            line["error"] = {
                "cell": error.cell,
                "name": error.name[:255],
                "message": plain(error.message)[:_MOST_MESSAGE],
                "traceback": plain(error.traceback)[-_MOST_TRACEBACK:],
            }
        self._write(line)

    def _state(self, state: str) -> None:
        self._write({"cell": self.cell, "total": self.total, "state": state})

    def _write(self, line: dict[str, Any]) -> None:
        line["at"] = datetime.now(UTC).isoformat()
        # A full disk of the service ends no training.
        with contextlib.suppress(OSError):
            os.write(self._descriptor, json.dumps(line).encode() + b"\n")
