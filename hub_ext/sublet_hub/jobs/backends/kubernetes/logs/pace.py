"""How fast logs are taken in: all together only so fast, and each in parts with a rest between.

Who prints without end is thereby read slowly, waits for that in the end, and costs the service a
part of one processor however many do so. Logs take turns: one that says little waits for one part
of each of the others.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

MOST_AT_ONCE: Final = 64 * 1024
"""Bytes that are looked at in one turn of the loop: that takes a millisecond."""
_BYTES_PER_S: Final = 16 * 1024 * 1024
_AT_ONCE_S: Final = 0.05
"""The seconds whose amount of log is not waited for: most logs say little."""


def parts_of(data: bytes) -> Iterator[bytes]:
    """Yield the data in parts, for one turn of the loop each."""
    for start in range(0, len(data), MOST_AT_ONCE):
        yield data[start : start + MOST_AT_ONCE]


class LogPace:
    """The pace of all logs that are read."""

    def __init__(self) -> None:
        self._free_at_s = 0.0

    def take(self, size: int, now_s: float) -> float:
        """Note that so much was read; return for how many seconds to rest after that."""
        self._free_at_s = max(self._free_at_s, now_s) + size / _BYTES_PER_S
        ahead_s = self._free_at_s - now_s
        return ahead_s if ahead_s > _AT_ONCE_S else 0

    async def rest_after(self, part: bytes) -> None:
        """Let others have their turn, and wait while more was read than there is time for."""
        await asyncio.sleep(self.take(len(part), asyncio.get_running_loop().time()))
