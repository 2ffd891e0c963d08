"""Where in a pod's log we are, by the times that the kubelet puts before its lines: pure.

Bytes cannot be counted from a log's beginning: a kubelet that has rotated it sends only the part
since. So the times of the lines that were taken last are kept, and how much of the last one; a
log that is asked for again is sent from the whole second before them, and what is known of it is
passed over. Two streams of a container may be some lines out of order, hence several times.

What is done for a line does not depend on how much comes with it: lines can be one byte long.
"""

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_TIME: Final = rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)"
_STAMP: Final = re.compile(_TIME)
_STAMPS_OF_LINES: Final = re.compile(rb"^" + _TIME + rb" ", re.MULTILINE)
_WHOLE_LINES: Final = re.compile(rb"(?:" + _TIME + rb" [^\n]*+\n)++")
_MOST_STAMP: Final = 40
_KEPT_LINES: Final = 32
_SECOND: Final = 10**9


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far a log was taken."""

    stamps: tuple[int, ...] = ()
    """The times of the lines that were taken last, in nanoseconds since 1970."""
    taken: int = 0
    """The bytes that were taken of the last of these lines."""
    read: int = 0
    """The bytes of all lines, with their times: empty lines make work by these alone."""

    @property
    def since(self) -> str:
        """The time from which on the log is asked for, in whole seconds; empty: all of it."""
        if not self.stamps:
            return ""
        at = datetime.fromtimestamp(min(self.stamps) // _SECOND, UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")

    def written(self) -> bytes:
        """Return the position as a file keeps it."""
        said = {"stamps": self.stamps, "taken": self.taken, "read": self.read}
        return json.dumps(said).encode()


def read_position(written: bytes) -> LogPosition:
    """Return the position that a file keeps; ``ValueError`` where there is none in it."""
    try:
        said = json.loads(written)
        stamps = tuple(int(stamp) for stamp in said["stamps"])
        return LogPosition(stamps, int(said["taken"]), int(said.get("read", 0)))
    except (KeyError, TypeError, ValueError) as error:
        message = f"{written[:100]!r} is no position in a log"
        raise ValueError(message) from error


@dataclass(frozen=True, slots=True)
class LogPart:
    """Bytes of a line, without its time."""

    data: bytes
    known: bool
    """Whether the part was taken before, as the beginning of a line that goes on."""


class StampedLog:
    """Takes the times off a log that is read from a position on, and passes over what is known."""

    def __init__(self, position: LogPosition) -> None:
        self._before = position
        self._unseen = list(position.stamps)
        self._recent = deque(position.stamps, maxlen=_KEPT_LINES)
        self._taken = position.taken
        self._read = position.read
        self._head = b""
        self._at_start = True
        self._skips: int | None = 0
        """Of the line that is read: so many bytes; ``None``: all of it."""

    @property
    def position(self) -> LogPosition:
        """How far the log has been taken now."""
        return LogPosition(tuple(self._recent), self._taken, self._read)

    def take(self, data: bytes) -> Iterator[LogPart]:
        """Yield the parts of lines that the next bytes of the answer bring."""
        data, self._head = self._head + data, b""
        start = 0
        while start < len(data):
            if self._at_start and not self._unseen:
                lines = _WHOLE_LINES.match(data, start)
                if lines is not None:
                    yield self._take_lines(lines[0])
                    start = lines.end()
                    continue
            if self._at_start:
                begun = self._begin_line(data, start)
                if begun is None:
                    self._head = data[start:]
                    return
                start = begun
            end = data.find(b"\n", start) + 1
            self._at_start = end > 0
            stop = end or len(data)
            yield from self._go_on(data[start:stop])
            start = stop

    def _take_lines(self, lines: bytes) -> LogPart:
        """Return many new lines as one part: one by one they would cost ten times as much."""
        last = lines[:-1].rsplit(b"\n", _KEPT_LINES)[-_KEPT_LINES:]
        for line in last:
            before, _, text = line.partition(b" ")
            stamp = _nanoseconds(before)
            if stamp is not None:
                self._recent.append(stamp)
                self._taken = len(text) + 1
        self._read += len(lines)
        return LogPart(_STAMPS_OF_LINES.sub(b"", lines), known=False)

    def _begin_line(self, data: bytes, start: int) -> int | None:
        """Return where a line's text begins, behind its time; ``None`` until all of it is here."""
        before, space, _ = data[start : start + _MOST_STAMP + 1].partition(b" ")
        if not space and len(before) <= _MOST_STAMP and b"\n" not in before:
            return None
        stamp = _nanoseconds(before)
        if stamp is None:
            # The rest of a long line whose beginning came before what is sent.
            self._skips = None if self._unseen else 0
            return start
        if self._is_known(stamp):
            is_last = stamp == self._before.stamps[-1] and stamp not in self._unseen
            self._skips = self._before.taken if is_last else None
        else:
            self._skips = 0
            self._recent.append(stamp)
            self._taken = 0
            self._read += len(before) + 1
        return start + len(before) + 1

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
        self._read += len(new)
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
