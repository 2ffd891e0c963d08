"""What the helper does with requests: one call at a time for each target, each within its time.

A call whose time is over goes on in its worker; until it has ended, nothing else is asked of the
driver for that target, and who asks is told what is under way. A lock that nobody waited for any
more is undone when it comes: whoever asked has gone on without it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from sublet_agent.driver_helper.messages import DriverAnswer, DriverRequest, Operation, Outcome
from sublet_agent.driver_helper.under_way import CallUnderWay, left_under_way

_LOOK_EVERY_S: Final = 0.02
_UNLOCK_WITHIN_S: Final = 10.0

log = logging.getLogger(__name__)


class DriverCalls(Protocol):
    """Those who make the calls."""

    async def call(self, request: DriverRequest, given_up: asyncio.Event) -> DriverAnswer:
        """Make a call, and return the answer, however late it comes.

        ``given_up`` is set when nobody waits for it any more.
        """
        ...


@dataclass(slots=True)
class _Target:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    operation: Operation | None = None
    since: float = 0.0


class DriverService:
    """The calls of one node."""

    def __init__(self, folder: Path, calls: DriverCalls) -> None:
        self._folder, self._calls = folder, calls
        self._targets: dict[tuple[int, int], _Target] = {}
        self._tasks: set[asyncio.Task[DriverAnswer]] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._targets

    async def take_over(self) -> list[CallUnderWay]:
        """Keep to what the workers of a helper before this one still do; return what that is."""
        found = left_under_way(self._folder)
        for call in found:
            taken = asyncio.Event()
            task = asyncio.create_task(self._see_the_end_of(call, taken))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await taken.wait()
        return found

    async def answer(self, request: DriverRequest) -> DriverAnswer:
        """Make the call, and return the answer, or that there was none in time."""
        given_up = asyncio.Event()
        task = asyncio.create_task(self._in_turn(request, given_up))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        done, _ = await asyncio.wait({task}, timeout=request.within_s)
        if done:
            return task.result()
        given_up.set()
        return DriverAnswer(outcome=Outcome.NO_ANSWER, detail=self._what_is_under_way(request))

    def _what_is_under_way(self, request: DriverRequest) -> str:
        target = self._targets.get((request.pid, request.start_ticks))
        if target is None or target.operation is None:
            return f"no answer about process {request.pid} within {request.within_s:g} s"
        lasts_s = time.monotonic() - target.since
        return (
            f"the driver has not answered for {lasts_s:.1f} s: {target.operation} of process "
            f"{request.pid} is under way"
        )

    async def _in_turn(self, request: DriverRequest, given_up: asyncio.Event) -> DriverAnswer:
        async with self._turn(request.pid, request.start_ticks) as target:
            if given_up.is_set():
                return DriverAnswer(outcome=Outcome.NO_ANSWER)
            target.operation, target.since = request.operation, time.monotonic()
            answer = await self._calls.call(request, given_up)
            if answer.outcome is Outcome.WORKER_DIED:
                (self._folder / f"{request.pid}-{request.start_ticks}").unlink(missing_ok=True)
            if given_up.is_set():
                log.warning(
                    "%s of process %s ended after nobody waited for it: %s %s",
                    *(request.operation, request.pid, answer.outcome, answer.detail),
                )
                if request.operation is Operation.LOCK and answer.outcome is Outcome.DONE:
                    await self._undo_lock(request)
            return answer

    async def _undo_lock(self, request: DriverRequest) -> None:
        unlock = DriverRequest(
            operation=Operation.UNLOCK,
            pid=request.pid,
            start_ticks=request.start_ticks,
            within_s=_UNLOCK_WITHIN_S,
        )
        answer = await self._calls.call(unlock, asyncio.Event())
        if answer.outcome is not Outcome.DONE:
            log.error("process %s stays locked: %s", request.pid, answer.detail)

    async def _see_the_end_of(self, call: CallUnderWay, taken: asyncio.Event) -> DriverAnswer:
        async with self._turn(call.pid, call.start_ticks) as target:
            target.operation, target.since = call.operation, time.monotonic()
            taken.set()
            while not call.is_over:  # noqa: ASYNC110 - a file tells of no event
                await asyncio.sleep(_LOOK_EVERY_S)
            call.path.unlink(missing_ok=True)
        return DriverAnswer(outcome=Outcome.DONE)

    @contextlib.asynccontextmanager
    async def _turn(self, pid: int, start_ticks: int) -> AsyncIterator[_Target]:
        key = (pid, start_ticks)
        target = self._targets.setdefault(key, _Target())
        target.waiting += 1
        try:
            async with target.turn:
                yield target
        finally:
            target.operation = None
            target.waiting -= 1
            if not target.waiting:
                del self._targets[key]
