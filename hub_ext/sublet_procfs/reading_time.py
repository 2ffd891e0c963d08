"""How long reads of tenants' memory took lately, and whose may take no more for now.

A tenant decides how long a read of its memory takes. Whether it ends just in time or not at all: of
any minute so much is a tenant's, and what goes beyond is not read.
"""

from collections import deque
from typing import Final

_GRAIN_S: Final = 1.0
"""Times as close together as that are one entry."""


class ReadingTime:
    """The time of each tenant's reads in a sliding window. For one thread at a time."""

    def __init__(self, most_s: float, window_s: float, free_s: float) -> None:
        """``free_s`` of each read counts for nobody: as long as one of an honest process takes."""
        self._most_s = most_s
        self._window_s = window_s
        self._free_s = free_s
        self._taken: dict[str, deque[tuple[float, float]]] = {}

    def charge(self, whose: str, took_s: float, now_s: float) -> None:
        """Count a read that took so long."""
        counts_s = took_s - self._free_s
        if counts_s <= 0:
            return
        if whose not in self._taken:
            self._forget(now_s)
        taken = self._taken.setdefault(whose, deque())
        if taken and now_s - taken[-1][0] < _GRAIN_S:
            since_s, before_s = taken.pop()
            taken.append((since_s, before_s + counts_s))
        else:
            taken.append((now_s, counts_s))

    def is_used_up(self, whose: str, now_s: float) -> bool:
        """Whether a tenant may not be read for now."""
        taken = self._taken.get(whose, deque())
        while taken and now_s - taken[0][0] >= self._window_s:
            taken.popleft()
        return sum(counts_s for _, counts_s in taken) >= self._most_s

    def _forget(self, now_s: float) -> None:
        """Forget whose last read is long ago."""
        for whose, taken in tuple(self._taken.items()):
            if not taken or now_s - taken[-1][0] >= self._window_s:
                del self._taken[whose]
