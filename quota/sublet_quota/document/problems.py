"""The problems of a quota document: line, key, what is wrong, what is allowed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sublet_quota.errors import SubletQuotaError

KeyPath = tuple[str | int, ...]

MOST_SHOWN: Final = 60
"""The number of characters of a key or a value that are shown in a message."""


@dataclass(frozen=True, slots=True)
class DocumentProblem:
    """A thing that is wrong in a document, and where."""

    line: int
    path: KeyPath
    message: str
    column: int | None = None
    """Where on the line its key or value begins, from 1 in characters; ``None``: not known."""

    @property
    def key(self) -> str:
        """The path as people write it: ``pools.interactive.types[0]``."""
        return written_path(self.path)

    def __str__(self) -> str:
        """Return it for people: ``line 7: pools.fast.lend: 'perhaps' is neither true nor ...``."""
        return f"line {self.line}: {self.key or 'the document'}: {self.message}"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A place where two entries do not fit together."""

    path: KeyPath
    message: str


def nearest_line(lines: Mapping[KeyPath, int], path: KeyPath) -> int | None:
    """Return the line of a path, or of the nearest one around it; ``None``: none has a line."""
    for length in range(len(path), 0, -1):
        line = lines.get(path[:length])
        if line is not None:
            return line
    return None


def written_path(path: KeyPath) -> str:
    """Return a path as people write it: ``groups.science.limit.H100``, ``exceptions[2].set``."""
    written = ""
    for step in path:
        if isinstance(step, int):
            written += f"[{step}]"
        else:
            written += f".{_shown(step)}" if written else _shown(step)
    return written


def _shown(step: str) -> str:
    """Return a key on one line, and not longer than a line."""
    short = step if len(step) <= MOST_SHOWN else step[: MOST_SHOWN - 3] + "..."
    return short if short and short.isprintable() else ascii(short)


class QuotaDocumentError(SubletQuotaError):
    """A quota document that cannot be used, with everything that is wrong with it."""

    def __init__(self, problems: tuple[DocumentProblem, ...]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        listed = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"the quota document has {count}:\n{listed}")
