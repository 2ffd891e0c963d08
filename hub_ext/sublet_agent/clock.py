"""The time, as the agent asks for it."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

_SLOWER: Final = 0.9


class Clock(Protocol):
    """A source of the time, also for tests."""

    def now(self) -> datetime:
        """Return the time of day, aware."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        ...

    def ahead(self) -> timedelta:
        """Return by how much ``now`` is later than the machine's own clock."""
        ...


class SystemClock:
    """The machine's clock, which never goes back here: all deadlines would go with it.

    Where the machine's own was set back, this one goes a tenth slower until the two agree. Steps
    forward are followed at once.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._lock = threading.Lock()
        self._told, self._told_at = wall(), monotonic()

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        with self._lock:
            at = self._monotonic()
            passed = at - self._told_at
            self._told, self._told_at = max(self._wall(), self._told + passed * _SLOWER), at
            return datetime.fromtimestamp(self._told, UTC)

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        return self._monotonic()

    def ahead(self) -> timedelta:
        """Return by how much ``now`` is later than the machine's own clock."""
        return timedelta(seconds=self.now().timestamp() - self._wall())
