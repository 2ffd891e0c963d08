"""The virtual clock: what happens next, whatever the order in which it was told.

What falls on one moment goes by its phase: what ends frees its room before anybody asks for some.
Within a phase it goes by the lot of a name, so neither names nor the order of telling decide.
"""

from collections.abc import Callable
from datetime import datetime
from enum import IntEnum
from heapq import heappop, heappush
from typing import Final

from sublet_quota.errors import SubletQuotaError
from sublet_quota.shares.lots import lot_of


class Phase(IntEnum):
    """What comes first of what falls on one moment."""

    ENDS = 0
    """Cells, jobs, moves and servers end; graces and reservations, too."""
    DOCUMENT = 1
    """Another quota document comes into force."""
    ASKS = 2
    """Somebody asks for something."""
    ROUND = 3
    """The queue of jobs is looked at."""


_MOST_AT_ONCE: Final = 100_000


class Clock:
    """Time that passes from one thing to the next."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._told = self._at_once = 0
        self._coming: list[tuple[datetime, Phase, int, str, int, Callable[[], None]]] = []

    def at(self, when: datetime, phase: Phase, name: str, action: Callable[[], None]) -> None:
        """Let something happen at a moment. ``SubletQuotaError`` for one that is past."""
        if when < self.now:
            message = f"{name}: {when} is past, it is {self.now}"
            raise SubletQuotaError(message)
        self._told += 1
        heappush(self._coming, (when, phase, lot_of(name), name, self._told, action))

    def step(self, until: datetime) -> bool:
        """Let the next thing happen, if it does by then; return whether one did."""
        if not self._coming or self._coming[0][0] > until:
            self.now = max(self.now, until)
            return False
        when, *_, action = heappop(self._coming)
        self._at_once = self._at_once + 1 if when == self.now else 0
        if self._at_once > _MOST_AT_ONCE:
            message = f"at {when} something happens again and again, and no time passes"
            raise SubletQuotaError(message)
        self.now = when
        action()
        return True
