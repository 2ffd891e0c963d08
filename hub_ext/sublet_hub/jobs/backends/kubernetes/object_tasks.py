"""What is being done in the cluster: one thing at a time for each object.

What failed is not tried again at once, and what was done is not done again before the watches can
have told of it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, Final

from sublet_hub.kubernetes_api.errors import KubeError

_LOG = logging.getLogger(__name__)
TRY_AGAIN_AFTER: Final = timedelta(seconds=10)


class ObjectTasks:
    """Tasks by the names of what they change."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, datetime] = {}
        self.on_done: Callable[[], None] = lambda: None

    def run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin the task of this name, unless it is under way or rests."""
        now = self._now()
        if name in self._tasks or now < self._not_before.get(name, now):
            work.close()
            return
        self._not_before.pop(name, None)
        self._tasks[name] = asyncio.get_running_loop().create_task(self._doing(name, work))

    def rest(self, name: str, time: timedelta) -> None:
        """Begin no task of this name for a while."""
        self._not_before[name] = self._now() + time

    async def close(self) -> None:
        """Cancel all tasks, and leave the cluster as it is."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _doing(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except KubeError as error:
            _LOG.warning("%s: %s", name, error)
            self.rest(name, TRY_AGAIN_AFTER)
        finally:
            del self._tasks[name]
            self.on_done()
