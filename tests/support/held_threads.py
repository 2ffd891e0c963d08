"""Threads of the event loop of which one thing that is done there is held until a test lets go."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any


class HeldThreads(ThreadPoolExecutor):
    """The loop's threads: what is given a certain value to work on waits there.

    Where several things in turn are given it, that of ``place`` does, and those after it.
    """

    def __init__(self, given: Any, place: int = 1) -> None:
        super().__init__()
        self._given = given
        self._before = place - 1
        self._go = threading.Event()
        self.is_held = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(self)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        given = fn.args if isinstance(fn, partial) else args
        is_of_it = any(type(each) is type(self._given) and each == self._given for each in given)
        if not is_of_it or self._before > 0:
            self._before -= is_of_it
            return super().submit(fn, *args, **kwargs)

        def wait_and_do() -> Any:
            self._loop.call_soon_threadsafe(self.is_held.set)
            self._go.wait(60)
            return fn(*args, **kwargs)

        return super().submit(wait_and_do)

    def let_go(self) -> None:
        """Let what is held, and what comes, be done."""
        self._go.set()
