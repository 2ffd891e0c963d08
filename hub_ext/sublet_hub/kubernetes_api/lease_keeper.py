"""Holds the Lease of the service that writes, in a thread of its own.

A service that has much to do for a while, as when a thousand agents come back at once, is not one
that is dead: in a loop that it shared with them the renewal would come too late, the service would
end, and all of them would come back again. One that has lost the Lease ends, though its own loop
stand still.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

_LOG = logging.getLogger(__name__)


class LeaseKeeper:
    """The thread in which a Lease is held."""

    def __init__(
        self, hold: Callable[[], Coroutine[Any, Any, None]], lost: Callable[[], None]
    ) -> None:
        """``hold`` ends when the Lease is lost, which ``lost`` is told in that same thread."""
        self._hold = hold
        self._lost = lost
        self._begun = threading.Event()
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._holding: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="writer-lease", daemon=True)

    def start(self) -> None:
        """Begin to hold."""
        self._thread.start()
        self._begun.wait()

    async def stop(self) -> None:
        """Hold no longer; that is not a loss."""
        self._stopping.set()
        if self._loop is not None and self._holding is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._holding.cancel)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                runner.run(self._hold_until_stopped())
        except Exception:  # noqa: BLE001 - a thread of its own: nobody else would hear of it
            _LOG.exception("the lease is not held any more")
        finally:
            self._begun.set()
            if not self._stopping.is_set():
                self._lost()

    async def _hold_until_stopped(self) -> None:
        self._holding = asyncio.create_task(self._hold())
        self._begun.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._holding
