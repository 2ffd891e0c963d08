"""Limits of how often one owner or address may ask: a bucket of tokens each, in bounded memory."""

import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from sublet_hub.errors import TooManyRequestsError

_MOST_BUCKETS = 20_000
BYTES_FOR_ONE: Final = 64 * 1024
"""An answer counts as one request more for each so many: a whole page of a list as four."""
_SLOW_S: Final = 0.05
_ONES_FOR_SLOW: Final = 10
_LOOK_S: Final = 0.002
_DECISION_S: Final = 0.01
"""What a look at one thing is reckoned to take of a processor."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and so many a second in the long run."""

    burst: float
    per_s: float


class RateLimits:
    """The buckets by key; the keys least lately used are forgotten (and are full again)."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take_or_wait_s(self, key: str, monotonic_s: float) -> float:
        """Take one; return 0, or for how many seconds there is none to take."""
        wait_s = self.wait_s(key, monotonic_s)
        if wait_s == 0:
            level, _ = self._buckets[key]
            self._buckets[key] = (level - 1, monotonic_s)
        return wait_s

    def give_back(self, key: str) -> None:
        """Undo one ``take_or_wait_s``: what it was taken for turned out to be in order."""
        if key in self._buckets:
            level, seen_s = self._buckets[key]
            self._buckets[key] = (min(self._rate.burst, level + 1), seen_s)

    def debt_s(self, key: str, monotonic_s: float) -> float:
        """Return for how many seconds there is nothing but what is owed; 0 where nothing is."""
        self.wait_s(key, monotonic_s)
        return max(0.0, -self._buckets[key][0] / self._rate.per_s)

    def charge(self, key: str, cost: float) -> None:
        """Take more for what was let in already, by what it turned out to cost.

        A bucket owes at most what it holds when it is full.
        """
        if key in self._buckets:
            level, seen_s = self._buckets[key]
            self._buckets[key] = (max(-self._rate.burst, level - cost), seen_s)

    def wait_s(self, key: str, monotonic_s: float) -> float:
        """Return for how many seconds there is none to take; 0 when there is."""
        level, seen_s = self._buckets.get(key, (self._rate.burst, monotonic_s))
        level = min(self._rate.burst, level + (monotonic_s - seen_s) * self._rate.per_s)
        self._buckets[key] = (level, monotonic_s)
        self._buckets.move_to_end(key)
        while len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return 0.0 if level >= 1 else (1 - level) / self._rate.per_s


def cost_of_page(size: int, cpu_s: float) -> int:
    """Return how many requests more a page of a list counts as.

    By its bytes; and by the time that a processor took over it, where that was unusually long.
    """
    return size // BYTES_FOR_ONE + _ONES_FOR_SLOW * int(cpu_s / _SLOW_S)


def cost_of_look(cpu_s: float) -> int:
    """Return how many requests more a look at one thing counts as, by the time that it took."""
    return int(cpu_s / _LOOK_S)


def cost_of_decision(cpu_s: float) -> int:
    """Return how many requests more what is decided for a caller counts as, by its time.

    Panels ask for a share every few seconds: so it costs less than a look.
    """
    return int(cpu_s / _DECISION_S)


class Guesses:
    """The requests that identified nobody, by address.

    Where one guesses, all of that address wait, but not who was known before.
    """

    def __init__(self, rate: Rate) -> None:
        self._limits = RateLimits(rate)

    def refuse(self, address: str, *, known: bool) -> None:
        """Raise ``TooManyRequestsError`` where too many came from this address."""
        if not known:
            refuse_for(self._limits.wait_s(address, time.monotonic()))

    def count(self, address: str) -> None:
        """Count one more request that identified nobody."""
        self._limits.take_or_wait_s(address, time.monotonic())


def take_or_refuse(limits: RateLimits, owner: str, what: str) -> None:
    """Take one for what is done with an owner's things. ``TooManyRequestsError`` without any.

    ``what``: which, and what is done with them, such as ``slices were kept``.
    """
    wait_s = limits.take_or_wait_s(owner, time.monotonic())
    if wait_s > 0:
        retry = math.ceil(wait_s)
        message = f"your {what} too often: try again in {retry} s"
        raise TooManyRequestsError(message, retry_after_s=retry)


def refuse_for(wait_s: float) -> None:
    """Raise ``TooManyRequestsError`` unless there is nothing to wait for."""
    if wait_s > 0:
        retry = math.ceil(wait_s)
        message = f"too many requests: try again in {retry} s"
        raise TooManyRequestsError(message, retry_after_s=retry)
