"""Whose turn it is to have a part of a list made: one part at a time, callers one after the other.

A part takes milliseconds. Were all that are asked for made in one round of the loop, whoever asks
for a hundred lists at once would hold up heartbeats for as long as all of these take.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from sublet_hub.errors import TooManyRequestsError

_MOST_OF_A_CALLER: Final = 16


@dataclass(slots=True)
class _OfCaller:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    lists: int = 0


class ListTurns:
    """The lists that are being made, or wait for that."""

    def __init__(self) -> None:
        self._callers: dict[str, _OfCaller] = {}
        self._part = asyncio.Lock()

    @asynccontextmanager
    async def of_caller(self, key: str) -> AsyncIterator[None]:
        """Let a block make a list of a caller's, once the one before is done.

        ``TooManyRequestsError`` where too many of this caller's wait.
        """
        own = self._callers.setdefault(key, _OfCaller())
        if own.lists >= _MOST_OF_A_CALLER:
            message = "too many lists of yours are asked for at once: try again"
            raise TooManyRequestsError(message, retry_after_s=2)
        own.lists += 1
        try:
            async with own.lock:
                yield
        finally:
            own.lists -= 1
            if not own.lists:
                del self._callers[key]

    @asynccontextmanager
    async def part(self) -> AsyncIterator[None]:
        """Let a block make a part of a list, and the loop serve others before the next is made."""
        async with self._part:
            yield
            await asyncio.sleep(0)
