"""What a job says of itself: lines of JSON in a file that the service made.

The job writes them under its owner's account, so they are read like anything a tenant says:
bounded, and only in the shape that is known.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sublet_quota.wire.api import JobFailure

_MOST_LINE = 256 * 1024
_MOST_AT_ONCE = 1024 * 1024
_MOST_REASON = 2000
_MOST_CELLS = 1_000_000
_MOST_TRACEBACK = 20_000


class CellReached(BaseModel):
    """The job has come to a cell."""

    model_config = ConfigDict(extra="ignore")

    cell: int = Field(ge=0, le=_MOST_CELLS)
    total: int = Field(ge=0, le=_MOST_CELLS)
    at: AwareDatetime | None = None
    state: str = Field(default="", max_length=64)


class CellError(BaseModel):
    """What went wrong, and in which cell."""

    model_config = ConfigDict(extra="ignore")

    cell: int | None = Field(default=None, ge=0, le=_MOST_CELLS)
    name: str = ""
    message: str = ""
    traceback: str = ""

    def __str__(self) -> str:
        """For the owner: ``cell 3: ValueError: no such file``."""
        where = "" if self.cell is None else f"cell {self.cell}: "
        return f"{where}{self.name}: {self.message}"[:_MOST_REASON]


class Ended(BaseModel):
    """The job is over."""

    model_config = ConfigDict(extra="ignore")

    ended: Literal[True]
    ok: bool
    error: CellError | None = None
    output: str | None = Field(default=None, max_length=4000)


_LINE: TypeAdapter[Ended | CellReached] = TypeAdapter(Ended | CellReached)
_ENDED: TypeAdapter[Ended] = TypeAdapter(Ended)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come."""

    cells_done: int = 0
    cells_total: int | None = None
    ended: Ended | None = None
    current_cell: int | None = None
    """``None`` before the first."""


class ProgressFile:
    """Reads what was added since it was read last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self.progress = Progress()

    def read(self) -> Progress:
        """Take in new lines; a line that cannot be read is passed over."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                new = file.read(_MOST_AT_ONCE)
        except OSError:
            return self.progress
        self._offset += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        self._rest = self._rest[-_MOST_LINE:]
        for line in lines:
            self._take(line)
        return self.progress

    def _take(self, line: bytes) -> None:
        try:
            said = _LINE.validate_json(line[:_MOST_LINE])
        except ValidationError:
            return
        before = self.progress
        match said:
            case Ended():
                self.progress = replace(before, ended=said)
            case CellReached():
                done = said.cell if said.state in {"done", "finished"} else max(0, said.cell - 1)
                done = max(before.cells_done, min(done, said.total))
                cell = min(said.cell, said.total) or None
                self.progress = Progress(done, said.total, before.ended, cell)


def last_failure(path: Path) -> JobFailure | None:
    """Why a process that has ended failed, from what it said last; nothing where it said nothing.

    A tenant wrote it: what is too long is cut.
    """
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _MOST_LINE))
            lines = file.read(_MOST_LINE).splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            said = _ENDED.validate_json(line)
        except ValidationError:
            continue
        if said.error is None:
            return None
        error = said.error
        return JobFailure(
            cell=None if error.cell is None else max(0, error.cell),
            name=error.name[:_MOST_REASON],
            message=error.message[:_MOST_REASON],
            traceback=error.traceback[-_MOST_TRACEBACK:],
        )
    return None
