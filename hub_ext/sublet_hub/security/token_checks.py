"""The bound on questions to the hub at once: strangers never take the room of known users.

A stranger beyond the bound is refused at once. Whose token was good before waits for a turn, and
has only so many at a time for all their tokens.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sublet_hub.errors import TooManyRequestsError

_MOST_OF_STRANGERS: Final = 64
_MOST_OF_KNOWN: Final = 64
_MOST_OF_A_USER: Final = 16


class TokenLookups:
    """The questions to the hub that are under way."""

    def __init__(self) -> None:
        self._of_strangers = 0
        self._known = asyncio.Semaphore(_MOST_OF_KNOWN)
        self._of_user: Counter[str] = Counter()

    @asynccontextmanager
    async def turn_of(self, user: str | None) -> AsyncIterator[None]:
        """Let a block ask of a token of ``user``, or of a stranger. ``TooManyRequestsError``."""
        if user is None:
            async with self._turn_of_a_stranger():
                yield
            return
        if self._of_user[user] >= _MOST_OF_A_USER:
            message = "too many requests of yours at once: try again"
            raise TooManyRequestsError(message, retry_after_s=2)
        self._of_user[user] += 1
        try:
            async with self._known:
                yield
        finally:
            self._of_user[user] -= 1
            if not self._of_user[user]:
                del self._of_user[user]

    @asynccontextmanager
    async def _turn_of_a_stranger(self) -> AsyncIterator[None]:
        if self._of_strangers >= _MOST_OF_STRANGERS:
            message = "too many unknown tokens are being checked with the hub: try again"
            raise TooManyRequestsError(message, retry_after_s=2)
        self._of_strangers += 1
        try:
            yield
        finally:
            self._of_strangers -= 1
