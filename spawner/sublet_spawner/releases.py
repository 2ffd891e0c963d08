"""Slices to give back: tried at once, and again later for as long as the service is away.

Giving back twice is harmless, so nothing here needs to know whether an attempt arrived. What is
still waiting when the hub ends is in the spawner's state; the service also finds out by itself,
from the hub's list of servers.
"""

from collections.abc import Awaitable, Callable

from sublet_quota.names.ids import SliceId

from sublet_spawner.errors import SubletSpawnerError
from sublet_spawner.kept_trying import KeptTrying
from sublet_spawner.service_client import ServiceClient


class Releases:
    """The slices that one spawner has to give back."""

    def __init__(
        self,
        client: Callable[[], ServiceClient],
        end_what_is_left: Callable[[SliceId], Awaitable[None]],
        warn: Callable[[str], None],
    ) -> None:
        self.waiting: set[SliceId] = set()
        self.trying = KeptTrying(self._try_each)
        self._client = client
        self._end_what_is_left = end_what_is_left
        self._warn = warn

    def add(self, slice_id: SliceId) -> None:
        """Put a slice with those to give back."""
        self.waiting.add(slice_id)

    async def run(self) -> None:
        """Give back now what can be; the rest is tried again in the background."""
        await self.trying.now()

    def run_soon(self) -> None:
        """Give back in the background."""
        self.trying.soon()

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
