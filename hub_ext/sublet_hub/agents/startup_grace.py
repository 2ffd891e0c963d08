"""After a start of the service its agents are on their way back: who asks meanwhile waits for them.

Else every restart would refuse the servers that are started in its first seconds, in the words for
a node that is really away. Whoever asks first goes on first, however the wait ends: of two requests
for one server the later one counts.
"""

import asyncio
import contextlib
import time
from datetime import timedelta

from sublet_quota.names.ids import NodeId

from sublet_hub.state.fleet import Fleet


class StartupGrace:
    """The time after a start in which the agents of the nodes in the ledger come back."""

    def __init__(self, fleet: Fleet, within: timedelta) -> None:
        self._fleet = fleet
        self._until = time.monotonic() + within.total_seconds()
        self._all_back = asyncio.Event()
        self._awaited: NodeId | None = None
        """One node that was silent: while it is, not all are back, and no other is looked at."""
        self._first = asyncio.Lock()
        """Held by the request that waits longest; the lock keeps the others in their order."""
        self.look()

    @property
    def is_over(self) -> bool:
        """Whether all agents are back, or had time enough since the start."""
        return self._all_back.is_set() or time.monotonic() >= self._until

    def look(self) -> None:
        """Look whether all agents are back, as one has reported."""
        if self.is_over or (self._awaited is not None and self._is_awaited(self._awaited)):
            return
        silent = self._fleet.silent_nodes()
        self._awaited = silent[-1] if silent else None
        if not silent:
            self._all_back.set()

    def _is_awaited(self, node: NodeId) -> bool:
        """Whether a node is silent; one that has left the cluster meanwhile is forgotten."""
        return self._fleet.is_known(node) and self._fleet.is_silent(node)

    async def wait(self) -> None:
        """Wait until all agents are back, or had time enough since the start; in order."""
        async with self._first:
            left_s = self._until - time.monotonic()
            if left_s > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left_s):
                        await self._all_back.wait()
