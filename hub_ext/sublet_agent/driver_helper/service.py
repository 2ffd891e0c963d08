"""What the helper does with requests: one call at a time for each target, each within its time.

A call whose time is over goes on in its worker; until it has ended, nothing else is asked of the
driver for that target, and who asks is told what is under way. What was not begun by then is not
begun any more: the room for a restore, say, may be another's. A lock that comes after who asked has
gone on without it is undone. One whose asker has ended is left: what that noted says what becomes
of it, and when. But one that was asked for with a lease is undone when that is over, whoever lives.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from sublet_agent.driver_helper.messages import (
    NOT_BEGUN,
    DriverAnswer,
    DriverRequest,
    Operation,
    Outcome,
    now_s,
)
from sublet_agent.driver_helper.under_way import CallUnderWay, left_under_way

_LOOK_EVERY_S: Final = 0.02
_UNLOCK_WITHIN_S: Final = 10.0
_ANSWERED: Final = frozenset({Outcome.DONE, Outcome.FAILED, Outcome.GONE})
"""The ends of an unlock after which nobody tries again: the driver has said what it does."""

log = logging.getLogger(__name__)


class GivenUp(asyncio.Event):
    """Set when nobody waits for a call any more."""

    def __init__(self) -> None:
        super().__init__()
        self.asker_left = False
        """Whether who asked has ended, or let go of its connection."""


class DriverCalls(Protocol):
    """Those who make the calls."""

    async def call(self, request: DriverRequest, given_up: GivenUp) -> DriverAnswer:
        """Make a call, and return the answer, however late it comes.

        Once ``given_up`` is set, or the request's time is over, it is not begun.
        """
        ...


@dataclass(slots=True)
class _Target:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    under_way: str = ""
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class _Lease:
    undone: asyncio.Task[None]
    lasts_s: float


class DriverService:
    """The calls of one node."""

    def __init__(self, folder: Path, calls: DriverCalls) -> None:
        self._folder, self._calls = folder, calls
        self._targets: dict[tuple[int, int], _Target] = {}
        self._tasks: set[asyncio.Task[DriverAnswer]] = set()
        self._leases: dict[tuple[int, int], _Lease] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, nor to be undone later."""
        return not (self._targets or self._leases)

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
        """Make the call, and return the answer, or that there was none in time.

        To cancel this is to say that who asked has left.
        """
        given_up = GivenUp()
        task = asyncio.create_task(self._in_turn(request, given_up))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        within_s = request.within_s
        if request.until_s is not None:
            within_s = min(within_s, request.until_s - now_s())
        try:
            done, _ = await asyncio.wait({task}, timeout=max(within_s, 0.0))
        except asyncio.CancelledError:
            given_up.asker_left = True
            given_up.set()
            raise
        if done:
            return task.result()
        given_up.set()
        return DriverAnswer(outcome=Outcome.NO_ANSWER, detail=self._what_is_under_way(request))

    def _what_is_under_way(self, request: DriverRequest) -> str:
        target = self._targets.get((request.pid, request.start_ticks))
        if target is None or not target.under_way:
            return f"no answer about process {request.pid} within {request.within_s:g} s"
        lasts_s = time.monotonic() - target.since
        return (
            f"the driver has not answered for {lasts_s:.1f} s: {target.under_way} of process "
            f"{request.pid} is under way"
        )

    async def _in_turn(self, request: DriverRequest, given_up: GivenUp) -> DriverAnswer:
        async with self._turn(request.pid, request.start_ticks) as target:
            if given_up.is_set() or request.is_over:
                return NOT_BEGUN
            target.under_way, target.since = request.operation, time.monotonic()
            before_s = None
            if request.operation is not Operation.STATE:
                # Also where it fails, as a lock of what is locked does: that is to stay then.
                before_s = self._end_lease(request)
            answer = await self._calls.call(request, given_up)
            if answer.outcome is Outcome.WORKER_DIED:
                (self._folder / f"{request.pid}-{request.start_ticks}").unlink(missing_ok=True)
            if given_up.is_set():
                log.warning(
                    "%s of process %s ended after nobody waited for it: %s %s",
                    *(request.operation, request.pid, answer.outcome, answer.detail),
                )
                locked = request.operation is Operation.LOCK and answer.outcome is Outcome.DONE
                if locked and not given_up.asker_left:
                    await self._undo_lock(request)
                    return answer
            lease_s = _lease_after(request, answer, before_s)
            if lease_s is not None:
                self._begin_lease(request, lease_s)
            return answer

    def _begin_lease(self, request: DriverRequest, lease_s: float) -> None:
        task = asyncio.create_task(self._undo_after(request, lease_s))
        self._leases[request.pid, request.start_ticks] = _Lease(task, lease_s)
        task.add_done_callback(self._lease_ended)

    def _end_lease(self, request: DriverRequest) -> float | None:
        """End a target's lease, and return how long it was to last; ``None``: it had none."""
        lease = self._leases.pop((request.pid, request.start_ticks), None)
        if lease is None:
            return None
        lease.undone.cancel()
        return lease.lasts_s

    def _lease_ended(self, undone: asyncio.Task[None]) -> None:
        self._leases = {k: each for k, each in self._leases.items() if each.undone is not undone}

    async def _undo_after(self, request: DriverRequest, lease_s: float) -> None:
        """Undo a lock when its lease is over; cancelled where something else is asked before.

        Tried again where the driver could not be asked, as of a process that is stopped.
        """
        is_locked = True
        while is_locked:
            await asyncio.sleep(lease_s)
            async with self._turn(request.pid, request.start_ticks) as target:
                # From here on it is in the target's turn: nothing else ends it any more.
                target.under_way, target.since = Operation.UNLOCK, time.monotonic()
                log.warning("nobody has let process %s run in time: it is unlocked", request.pid)
                is_locked = await self._undo_lock(request) not in _ANSWERED

    async def _undo_lock(self, request: DriverRequest) -> Outcome:
        unlock = DriverRequest(
            operation=Operation.UNLOCK,
            pid=request.pid,
            start_ticks=request.start_ticks,
            within_s=_UNLOCK_WITHIN_S,
        )
        answer = await self._calls.call(unlock, GivenUp())
        if answer.outcome is not Outcome.DONE:
            log.error("process %s stays locked: %s", request.pid, answer.detail)
        return answer.outcome

    async def _see_the_end_of(self, call: CallUnderWay, taken: asyncio.Event) -> DriverAnswer:
        async with self._turn(call.pid, call.start_ticks) as target:
            target.under_way, target.since = call.operation or "a call", time.monotonic()
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
            target.under_way = ""
            target.waiting -= 1
            if not target.waiting:
                del self._targets[key]


def _lease_after(
    request: DriverRequest, answer: DriverAnswer, before_s: float | None
) -> float | None:
    """Return the lease that a target has after a call, in seconds; ``None``: none.

    ``before_s``: the one that it had. Who was not unlocked, or asked for anything, is locked as
    before; so is who was locked then for another turn, which the driver refuses.
    """
    if answer.outcome is Outcome.DONE:
        return request.lease_s
    if answer.outcome is Outcome.GONE or before_s is None:
        return None
    if request.operation is Operation.UNLOCK or answer.outcome is Outcome.STANDS_STILL:
        return before_s
    return request.lease_s
