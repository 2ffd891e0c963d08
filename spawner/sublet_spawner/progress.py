"""Progress events of one start: what happened so far, and what comes, for any number of readers.

Events carry plain text only; JupyterHub escapes ``message``, and would not escape
``html_message``.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

Event = dict[str, Any]


class StartLog:
    """The events of one start, in order. Readers get all of them, also those of before."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._changed = asyncio.Event()

    def tell(self, message: str, progress: int | None = None) -> None:
        """Add an event; ``progress`` is out of 100. An event like the last one is not added."""
        if self._events and self._events[-1]["message"] == message:
            return
        event: Event = {"message": message}
        if progress is not None:
            event["progress"] = progress
        self._events.append(event)
        self._wake()

    async def follow(self) -> AsyncGenerator[Event, None]:
        """Yield every event from the first on, for as long as somebody reads."""
        told = 0
        while True:
            while told < len(self._events):
                yield self._events[told]
                told += 1
            await self._changed.wait()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


async def merged(*sources: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """Yield the events of all sources as they come, until all have ended.

    A source that fails ends the others and raises.
    """
    reading = {asyncio.ensure_future(anext(source)): source for source in sources}
    try:
        while reading:
            done, _ = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in reading if task in done]:
                source = reading.pop(task)
                try:
                    event = task.result()
                except StopAsyncIteration:
                    continue
                reading[asyncio.ensure_future(anext(source))] = source
                yield event
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        for source in sources:
            await source.aclose()
