"""What is tried until it is done: now, and for as long as that fails later, ever more seldom.

For what may be done twice without harm. It is tried by the hub that began it: what must outlive
that is kept elsewhere.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0


class KeptTrying:
    """One thing that is tried until it is done."""

    def __init__(self, once: Callable[[], Awaitable[bool]]) -> None:
        """``once``: tries, and says whether nothing is left to be done."""
        self._once = once
        self._later: asyncio.Task[None] | None = None

    async def now(self) -> None:
        """Try now; what fails is tried again in the background."""
        if not await self._once():
            self._begin(FIRST_WAIT_S)

    def soon(self) -> None:
        """Try in the background."""
        self._begin(0)

    def end(self) -> None:
        """Try no more."""
        if self._later is not None:
            self._later.cancel()

    def _begin(self, wait_s: float) -> None:
        if self._later is None or self._later.done():
            self._later = asyncio.create_task(self._keep_trying(wait_s))

    async def _keep_trying(self, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        while not await self._once():
            wait_s = min(max(2 * wait_s, FIRST_WAIT_S), LONGEST_WAIT_S)
            await asyncio.sleep(wait_s)
