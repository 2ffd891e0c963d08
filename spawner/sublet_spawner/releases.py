"""Slices to give back: tried at once, and again later for as long as the service is away.

Giving back twice is harmless, so nothing here needs to know whether an attempt arrived. What is
still waiting when the hub ends is in the spawner's state; the service also finds out by itself,
from the hub's list of servers.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from sublet_quota.names.ids import SliceId

from sublet_spawner.errors import SubletSpawnerError
from sublet_spawner.service_client import ServiceClient

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0


class Releases:
    """The slices that one spawner has to give back."""

    def __init__(
        self,
        client: Callable[[], ServiceClient],
        end_what_is_left: Callable[[SliceId], Awaitable[None]],
        warn: Callable[[str], None],
    ) -> None:
        self.waiting: set[SliceId] = set()
        self._client = client
        self._end_what_is_left = end_what_is_left
        self._warn = warn
        self._later: asyncio.Task[None] | None = None

    def add(self, slice_id: SliceId) -> None:
        """Put a slice with those to give back."""
        self.waiting.add(slice_id)

    async def run(self) -> None:
        """Give back now what can be; the rest is tried again in the background."""
        if not await self._try_each():
            self._try_later(FIRST_WAIT_S)

    def run_soon(self) -> None:
        """Give back in the background."""
        self._try_later(0)

    def _try_later(self, wait_s: float) -> None:
        if self._later is None or self._later.done():
            self._later = asyncio.create_task(self._keep_trying(wait_s))

    async def _keep_trying(self, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        while not await self._try_each():
            wait_s = min(max(2 * wait_s, FIRST_WAIT_S), LONGEST_WAIT_S)
            await asyncio.sleep(wait_s)

    async def _try_each(self) -> bool:
        """Try to give each slice back; return whether nothing is left."""
        for slice_id in sorted(self.waiting):
            await self._end_what_is_left(slice_id)
            try:
                await self._client().release(slice_id, patient=False)
            except SubletSpawnerError as error:
                self._warn(f"slice {slice_id} is given back later: {error}")
            else:
                self.waiting.discard(slice_id)
        return not self.waiting
