"""The service's controller loops: each repeats a step, and survives its failure.

Here alone every exception is caught: it is logged with its traceback and counted, and the loop
backs off. Anything else would leave owners unserved because of one bad moment.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sublet_hub.state.metrics import ServiceMetrics

_LOG = logging.getLogger(__name__)
_MOST_BACK_OFF_S = 30.0
_MOST_REST_S = 1.0
_REST_PER_WORK = 4.0

Step = Callable[[], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class Loop:
    """A step, and how often that is taken."""

    name: str
    period_s: float
    step: Step
    most_rest_s: float = _MOST_REST_S
    """After each step the loop rests as long as that took four times over, but no longer."""


class Wakeup:
    """The bell of a loop, which ends its wait before the period is over."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Let the next step begin at once."""
        self._event.set()

    async def wait(self, within_s: float) -> None:
        """Wait until the bell rings, or for so many seconds."""
        try:
            # Not wait_for: before Python 3.12 it loses a cancellation that comes with the ring.
            async with asyncio.timeout(within_s):
                await self._event.wait()
        except TimeoutError:
            return
        finally:
            self._event.clear()


async def repeat(loop: Loop, wakeup: Wakeup, metrics: ServiceMetrics) -> None:
    """Take the loop's step for ever."""
    failures = 0
    while True:
        began = time.perf_counter()
        try:
            answer = loop.step()
            if inspect.isawaitable(answer):
                await answer
            failures = 0
        except Exception:  # noqa: BLE001 (the one place, see above)
            failures += 1
            metrics.loop_failed(loop.name)
            _LOG.exception("the loop %s failed (%d times in a row)", loop.name, failures)
        back_off_s = 0.0 if failures == 0 else min(_MOST_BACK_OFF_S, 0.5 * 2**failures)
        # However often the bell rings, a loop leaves most of the time to others.
        rest_s = min(loop.most_rest_s, _REST_PER_WORK * (time.perf_counter() - began))
        await asyncio.sleep(max(back_off_s, rest_s))
        await wakeup.wait(loop.period_s)
