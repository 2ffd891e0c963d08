"""The kinds of change that an installation makes, and what is found where one is to be made."""

import hashlib
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of root's."""

    path: PurePosixPath
    what: str
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class File:
    """A file of root's with a given text."""

    path: PurePosixPath
    what: str
    text: str
    once: bool = False
    """Whether the file is the admin's from then on: made where there is none, and left alone."""
    restarts: tuple[str, ...] = ()
    """The units that read the file when they start."""

    @property
    def content(self) -> bytes:
        """The text as bytes."""
        return self.text.encode()


@dataclass(frozen=True, slots=True)
class Secret:
    """A file of mode 0600 with a secret that is made with it."""

    path: PurePosixPath
    what: str
    owner: str
    """The account that reads it, beside root."""
    restarts: tuple[str, ...] = ()
    """The units that read the secret when they start."""


@dataclass(frozen=True, slots=True)
class Line:
    """One marked line at the end of a file that is somebody else's."""

    path: PurePosixPath
    what: str
    line: str
    mark: str
    """What the line ends with, by which it is found again."""


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    path: PurePosixPath
    what: str
    target: str


@dataclass(frozen=True, slots=True)
class Account:
    """A system account that nobody logs in to."""

    name: str
    what: str
    home: PurePosixPath


Change = Folder | File | Secret | Line | Link | Account


class Kind(Enum):
    """The kind of thing that is found at a path."""

    NOTHING = "nothing"
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Found:
    """The thing at a path."""

    kind: Kind = Kind.NOTHING
    content: bytes = b""
    """A file's content."""
    mode: int = 0
    """A file's mode."""
    target: str = ""
    """A link's target."""
    is_empty: bool = True
    """Whether a folder is empty."""


def digest(content: bytes) -> str:
    """Return the digest by which a content is known again."""
    return hashlib.sha256(content).hexdigest()


def with_line(content: bytes, line: Line) -> bytes:
    """Return a file's content with the line at its end, in place of an earlier one of its mark."""
    kept = without_line(content, line.mark)
    if kept and not kept.endswith(b"\n"):
        kept += b"\n"
    return kept + line.line.encode() + b"\n"


def without_line(content: bytes, mark: str) -> bytes:
    """Return a file's content without the lines that end with the mark."""
    lines = content.splitlines(keepends=True)
    return b"".join(each for each in lines if not each.rstrip().endswith(mark.encode()))


def has_line(content: bytes, line: Line) -> bool:
    """Whether a file's content has the line already, as it should be."""
    marked = [each for each in content.splitlines() if each.rstrip().endswith(line.mark.encode())]
    return marked == [line.line.encode()]
