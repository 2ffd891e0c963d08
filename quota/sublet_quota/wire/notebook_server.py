"""What a notebook server answers by itself below its ``/sublet/api/``, for its own front ends."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue, StringConstraints

from sublet_quota.wire.schema import (
    AnswerModel,
    BoundedBy,
    Bytes,
    Count,
    Mib,
    Name,
    PathText,
    Pid,
    WireModel,
    Words,
    keeps_first,
)

_MOST_LISTED: Final = 10_000
_Literal = Annotated[str, StringConstraints(max_length=256 * 1024)]
"""A text of Python; the server takes no longer body."""


class LiteralProblem(StrEnum):
    """Why a text is no value that a job is given just as Python reads it."""

    NOT_A_LITERAL = "not-a-literal"
    """The text is no literal, or no Python at all."""
    TOO_LARGE = "too-large"
    """The text is too long, or too deeply nested."""
    TUPLE = "tuple"
    """JSON has lists alone."""
    KEY = "key"
    """JSON has keys of text alone."""
    NOT_IN_JSON = "not-in-json"
    """Sets, bytes, complex numbers, ``...`` and halves of characters."""
    INFINITE = "infinite"
    """JSON has no infinite numbers."""
    LARGE_INTEGER = "large-integer"
    """Beyond 2^53 - 1 a page's numbers lose digits."""
    WHOLE_FLOAT = "whole-float"
    """A page writes 2.0 as 2, which Python reads as an integer."""


class LiteralReading(AnswerModel):
    """What Python reads in a text, and whether it survives JSON and a page's numbers."""

    type: Name | None
    """Python's name of the value's type, such as ``int`` or ``NoneType``; ``None``: no literal."""
    value: Annotated[JsonValue, BoundedBy("the text that it is read from")] = None
    """The value of a text without a problem, and of a finite number, which may do as a float."""
    problem: LiteralProblem | None


class LiteralsRequest(WireModel):
    """``POST notebooks/literals``: texts to read; the answer has as many readings, in order."""

    texts: Annotated[tuple[_Literal, ...], Field(max_length=1000)]


class NotebookParameter(AnswerModel):
    """A variable of the cell tagged ``parameters``."""

    name: Name
    type: Words
    """``int``, ``float``, ``str``, ``bool``, ``list`` or ``dict``: as declared, else its default's.

    ``None`` where neither says. Only a declared type is held against what a job is given.
    """
    default: Words
    """The default as it is written in the cell; cut where it is longer than can be shown."""
    reading: LiteralReading
    """The whole default, as Python reads it."""
    help: Words = ""
    """The comment behind the parameter."""


class FolderEntry(AnswerModel):
    """A file or folder beside the notebook, that a job could take along."""

    path: PathText
    """The path below the notebook's folder, which ``JobRequest.take_along`` takes."""
    kind: Literal["file", "folder"]
    files: Count
    bytes: Bytes
    """The size of the file, or of all that would be taken of the folder."""


class FolderFacts(AnswerModel):
    """What lies in the notebook's folder: all that ``take_along=["."]`` would take.

    Hidden files, links, results of earlier jobs and the notebook itself are not counted.
    Counting ends at the limit: then ``files`` and ``bytes`` are at least so many.
    """

    files: Count
    bytes: Bytes
    too_large: bool
    limit_bytes: Bytes
    limit_files: Count
    entries: tuple[FolderEntry, ...] = Field(default=(), max_length=_MOST_LISTED)
    """What is directly in the folder, folders first; at most 200."""
    more: Count = 0
    """How many more there are directly in the folder."""


class NotebookInspection(AnswerModel):
    """``GET notebooks/inspect?path=``: what a dialog needs to make a job of a notebook."""

    path: PathText
    """The path below the server's root folder, which ``JobRequest.notebook`` takes."""
    name: Name
    """A sensible name for the job."""
    cells: Count
    """How many cells would run."""
    parameters: Annotated[tuple[NotebookParameter, ...], keeps_first(_MOST_LISTED)] = Field(
        max_length=_MOST_LISTED
    )
    left_out: Count
    """How many cells are tagged ``skip`` or ``interactive``."""
    environment: tuple[Name, ...] = Field(max_length=_MOST_LISTED)
    """Variables that the notebook reads by ``os.environ`` or ``os.getenv``."""
    folder: FolderFacts
    problems: tuple[Words, ...] = Field(max_length=_MOST_LISTED)
    """Why the notebook cannot run as a job as it is, and what to do; empty: it can."""


class KernelHolding(AnswerModel):
    """``GET kernels``: one of the server's kernels, and what it holds of the slice."""

    kernel_id: Name
    name: Name
    """The name of the kernel's kind, such as ``python3``."""
    notebook: PathText | None
    """The notebook's (or console's) path below the root folder; ``None`` where it has none."""
    pids: Annotated[tuple[Pid, ...], keeps_first(_MOST_LISTED)] = Field(max_length=_MOST_LISTED)
    memory_mib: Mib
    """What the kernel holds on the GPU."""
    memory_told: bool = True
    """Whether the GPU tells all of that; else it is only the least."""
    host_mib: Mib
    """What the kernel holds in host memory, to come back."""
    state: Name
    """Jupyter's word: ``idle``, ``busy``, ``starting``, ..."""
    waits: bool = False
    """Whether a cell of the kernel waits at the gate: interrupting the kernel takes it back."""
