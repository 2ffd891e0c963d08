"""Whose turn it is to have past days simulated: one at a time, the others in the order they came.

Who waits is told how many are in front, at once when that changes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from sublet_hub.errors import TooManyRequestsError

MOST: Final = 16
MOST_OF_ONE: Final = 2
_TOLD_EACH_S: Final = 10.0
"""Proxies end connections on which nothing comes for long."""
_RETRY_AFTER_S: Final = 60


@dataclass(eq=False, slots=True)
class _Turn:
    who: str
    moved: asyncio.Event = field(default_factory=asyncio.Event)


class Turns:
    """Who is at work, and who waits for that."""

    def __init__(self) -> None:
        self._turns: list[_Turn] = []

    @asynccontextmanager
    async def taken(
        self, who: str, tell_ahead: Callable[[int], Awaitable[None]]
    ) -> AsyncIterator[None]:
        """Let a block work once it is its turn; ``tell_ahead`` is told how many are in front.

        ``TooManyRequestsError`` where too many are in front, or of ``who``.
        """
        own = sum(each.who == who for each in self._turns)
        if len(self._turns) >= MOST or own >= MOST_OF_ONE:
            message = "too many previews of past days are asked for at once: try again later"
            raise TooManyRequestsError(message, retry_after_s=_RETRY_AFTER_S)
        turn = _Turn(who)
        self._turns.append(turn)
        try:
            while ahead := self._turns.index(turn):
                turn.moved.clear()
                await tell_ahead(ahead)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_TOLD_EACH_S):
                        await turn.moved.wait()
            yield
        finally:
            self._turns.remove(turn)
            for other in self._turns:
                other.moved.set()
