"""How many lines go into a log in a minute: so many of a kind, so many in all, the rest is counted.

Who can make a part log something could fill its disk with it, and hide what others should see.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

MINUTE_S: Final = 60.0
_OTHERS: Final = "other lines"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The lines of one kind that were left out in a minute."""

    kind: str
    count: int


class LineBudget:
    """The lines of the current minute, by kind, in bounded memory."""

    def __init__(self, altogether: int = 1200) -> None:
        self._altogether = altogether
        self._began_s: float | None = None
        self._written: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def take(self, kind: str, most_of_kind: int, monotonic_s: float) -> bool:
        """Return whether one more line of this kind may be written in this minute."""
        if self._began_s is None:
            self._began_s = monotonic_s
        if self._written[kind] < most_of_kind and self._written.total() < self._altogether:
            self._written[kind] += 1
            return True
        self._left_out[kind if kind in self._written else _OTHERS] += 1
        return False

    def end_minute(self, monotonic_s: float) -> tuple[LeftOut, ...]:
        """Return what was left out, once its minute is over; a new minute begins."""
        if self._began_s is None or monotonic_s - self._began_s < MINUTE_S:
            return ()
        left_out = tuple(LeftOut(kind, count) for kind, count in self._left_out.items())
        self._began_s = None
        self._written.clear()
        self._left_out.clear()
        return left_out
