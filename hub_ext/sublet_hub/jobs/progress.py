"""What a job says of itself: lines of JSON in a file that the service made.

The job writes them under its owner's account, so they are read like anything a tenant says:
bounded, and only in the shape that is known. However much a job writes, a round looks at a part of
it that takes a millisecond or few; what counts in the end stands in its last lines.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
)
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode
from sublet_quota.wire.jobs import JobFailure

from sublet_hub.ledger.text import storable

_MOST_LINE = 256 * 1024
_MOST_AT_ONCE = 64 * 1024
_MOST_LINES = 500
_LAST_LINES = 20
_MOST_REASON = 2000
_MOST_CELLS = 1_000_000
_MOST_TRACEBACK = 20_000

_MOST_STRINGS: Final = 64
_MOST_BETWEEN: Final = 500
"""Of a line: how many strings, names among them, and how many bytes beside these."""
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)

_Shape = TypeVar("_Shape")
_Said = Annotated[str, AfterValidator(storable)]


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
    name: _Said = ""
    message: _Said = ""
    traceback: _Said = ""

    @property
    def reason(self) -> JobReason:
        """Why the job has failed; in words ``cell 3: ValueError: no such file``."""
        told = f"{self.name}: {self.message}"
        if self.cell is None:
            return JobReason(JobReasonCode.NOTEBOOK_FAILED, told=told)
        return JobReason(JobReasonCode.CELL_FAILED, {"cell": self.cell}, told)


class Ended(BaseModel):
    """The job is over."""

    model_config = ConfigDict(extra="ignore")

    ended: Literal[True]
    ok: bool
    error: CellError | None = None
    output: _Said | None = Field(default=None, max_length=4000)


_LINE: TypeAdapter[Ended | CellReached] = TypeAdapter(Ended | CellReached)
_ENDED: TypeAdapter[Ended] = TypeAdapter(Ended)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come."""

    cells_done: int = 0
    cells_total: int | None = None
    ended: Ended | None = None
    current_cell: int | None = None
    """The cell that runs; ``None`` before the first."""


class ProgressFile:
    """Reads what was added since it was read last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self.progress = Progress()

    def read(self) -> Progress:
        """Take in some of what is new but unreadable lines; return how far the job has come."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                new = file.read(_MOST_AT_ONCE)
        except OSError:
            return self.progress
        self._offset += len(new)
        *lines, self._rest = _last_parts(self._rest + new)
        self._rest = self._rest[-_MOST_LINE:]
        return self._take_all(_last(lines, _MOST_LINES))

    def read_end(self) -> Progress:
        """Take in the last lines of a process that has ended; return how far the job has come."""
        return self._take_all(_last_lines(self._path))

    def _take_all(self, lines: Iterable[bytes]) -> Progress:
        for line in lines:
            self._take(line)
        return self.progress

    def _take(self, line: bytes) -> None:
        said = _understand(_LINE, line[:_MOST_LINE])
        before = self.progress
        match said:
            case Ended():
                self.progress = replace(before, ended=said)
            case CellReached():
                done = said.cell if said.state in {"done", "finished"} else max(0, said.cell - 1)
                # One that counts its cells anew has never done more than it has.
                done = min(max(before.cells_done, done), said.total)
                cell = min(said.cell, said.total) or None
                self.progress = Progress(done, said.total, before.ended, cell)
            case None:
                return


def last_failure(path: Path) -> JobFailure | None:
    """Return why a process that has ended failed, from what it said last; ``None``: nothing.

    A tenant wrote it: what is too long is cut.
    """
    for line in reversed(_last_lines(path)):
        said = _understand(_ENDED, line)
        if said is None:
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


def _last_lines(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _MOST_LINE))
            return _last(_last_parts(file.read(_MOST_LINE).rstrip()), _LAST_LINES)
    except OSError:
        return []


def _last_parts(text: bytes) -> list[bytes]:
    """Return the last lines of a text, empty ones among them: of a flood of these not all."""
    parts = text.rsplit(b"\n", _MOST_LINES)
    return parts[1:] if len(parts) > _MOST_LINES else parts


def _last(lines: list[bytes], most: int) -> list[bytes]:
    return [line for line in lines if line.strip()][-most:]


def _understand(shape: TypeAdapter[_Shape], line: bytes) -> _Shape | None:
    """Return what a line of progress says; ``None`` where it is none of this shape."""
    if not _has_few_parts(line):
        return None
    try:
        if b"\\u" in line:
            # Half a character, which Python writes, is no JSON to the parser of the shape.
            line = storable(json.dumps(json.loads(line), ensure_ascii=False)).encode()
        return shape.validate_json(line)
    except (ValueError, RecursionError):
        return None


def _has_few_parts(line: bytes) -> bool:
    """Whether a line is mostly text in a few strings, as each of the shapes is.

    A parser would make an object of every part of an array that nobody knows.
    """
    between, end = 0, 0
    for _ in range(_MOST_STRINGS):
        begin = line.find(b'"', end)
        if begin < 0:
            return between + len(line) - end <= _MOST_BETWEEN
        between += begin - end
        string = _STRING.match(line, begin)
        if string is None or between > _MOST_BETWEEN:
            return False
        end = string.end()
    return False
