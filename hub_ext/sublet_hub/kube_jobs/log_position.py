"""Where in a pod's log we are, by the times that the kubelet puts before its lines: pure.

Bytes cannot be counted from a log's beginning: a kubelet that has rotated it sends only the part
since. So the times of the lines that were taken last are kept, and how much of the last one; a
log that is asked for again is sent from the whole second before them, and what is known of it is
passed over. Two streams of a container may be some lines out of order, hence several times.
"""

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_STAMP: Final = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_MOST_STAMP: Final = 40
_KEPT_LINES: Final = 32
_SECOND: Final = 10**9


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far a log was taken."""

    stamps: tuple[int, ...] = ()
    """Of the lines that were taken last, in nanoseconds since 1970."""
    taken: int = 0
    """Bytes of the last of them."""

    @property
    def since(self) -> str:
        """From when on the log is asked for: kubelets know whole seconds; empty: all of it."""
        if not self.stamps:
            return ""
        at = datetime.fromtimestamp(min(self.stamps) // _SECOND, UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")

    def written(self) -> bytes:
        """For a file."""
        return json.dumps({"stamps": self.stamps, "taken": self.taken}).encode()


def read_position(written: bytes) -> LogPosition:
    """The position that was written; ``ValueError`` where it is none."""
    try:
        said = json.loads(written)
        return LogPosition(tuple(int(stamp) for stamp in said["stamps"]), int(said["taken"]))
    except (KeyError, TypeError, ValueError) as error:
        message = f"{written[:100]!r} is no position in a log"
        raise ValueError(message) from error


@dataclass(frozen=True, slots=True)
class LogPart:
    """Bytes of a line, without its time."""

    data: bytes
    known: bool
    """It was taken before: the beginning of a line that goes on."""


class StampedLog:
    """Takes the times off a log that is read from a position on, and passes over what is known."""

    def __init__(self, position: LogPosition) -> None:
        self._before = position
        self._unseen = list(position.stamps)
        self._recent = deque(position.stamps, maxlen=_KEPT_LINES)
        self._taken = position.taken
        self._head = b""
        self._at_start = True
        self._skips: int | None = 0
        """Of the line that is read: so many bytes; ``None``: all of it."""

    @property
    def position(self) -> LogPosition:
        """How far it has been taken now."""
        return LogPosition(tuple(self._recent), self._taken)

    def take(self, data: bytes) -> Iterator[LogPart]:
        """What the next bytes of the answer bring."""
        while data:
            if self._at_start:
                data = self._begin_line(data)
                continue
            inside, end, data = data.partition(b"\n")
            yield from self._go_on(inside + end)
            self._at_start = bool(end)

    def _begin_line(self, data: bytes) -> bytes:
        """Take the time off, once all of it is here; returns what follows."""
        self._head += data
        before, space, rest = self._head.partition(b" ")
        if not space and len(before) <= _MOST_STAMP and b"\n" not in before:
            return b""
        stamp = _nanoseconds(before)
        if stamp is None:
            # The rest of a long line whose beginning came before what is sent.
            rest = self._head
            self._skips = None if self._unseen else 0
        elif self._is_known(stamp):
            is_last = stamp == self._before.stamps[-1] and stamp not in self._unseen
            self._skips = self._before.taken if is_last else None
        else:
            self._skips = 0
            self._recent.append(stamp)
            self._taken = 0
        self._head = b""
        self._at_start = False
        return rest

    def _is_known(self, stamp: int) -> bool:
        if not self._unseen or stamp > max(self._before.stamps):
            self._unseen.clear()
            return False
        if stamp in self._unseen:
            self._unseen.remove(stamp)
            return True
        return stamp < min(self._before.stamps)

    def _go_on(self, part: bytes) -> Iterator[LogPart]:
        if self._skips is None:
            return
        known, new = part[: self._skips], part[self._skips :]
        self._skips -= len(known)
        self._taken += len(new)
        if known:
            yield LogPart(known, known=True)
        if new:
            yield LogPart(new, known=False)


def _nanoseconds(stamp: bytes) -> int | None:
    found = _STAMP.fullmatch(stamp)
    if found is None:
        return None
    seconds, fraction, zone = (part or b"" for part in found.groups())
    try:
        at = datetime.fromisoformat((seconds + zone).decode())
    except ValueError:
        return None
    return int(at.timestamp()) * _SECOND + int(fraction.ljust(9, b"0"))
