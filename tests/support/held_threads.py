"""Threads of the event loop of which one thing that is done there is held until a test lets go."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any


class HeldThreads(ThreadPoolExecutor):
    """The loop's threads: what is given a certain text to work on waits there."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self._go = threading.Event()
        self.is_held = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(self)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        given = fn.args if isinstance(fn, partial) else args
        if self._text not in [each for each in given if isinstance(each, str)]:
            return super().submit(fn, *args, **kwargs)

        def wait_and_do() -> Any:
            self._loop.call_soon_threadsafe(self.is_held.set)
            self._go.wait(60)
            return fn(*args, **kwargs)

        return super().submit(wait_and_do)

    def let_go(self) -> None:
        """Let what is held, and what comes, be done."""
        self._go.set()
