"""The worker processes of a helper: as many as there are calls at once, each in one call.

A worker that the driver does not answer is left where it is, and another takes its place: to end it
could leave its target out of step.
"""

import asyncio
import contextlib
import logging
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from sublet_agent.driver_helper.messages import (
    MOST_BYTES,
    NOT_BEGUN,
    DriverAnswer,
    DriverRequest,
    Outcome,
)
from sublet_agent.driver_helper.service import GivenUp

_END_WITHIN_S: Final = 1.0
_START_WITHIN_S: Final = 20.0
"""Less than who asks for a helper waits for it, so that the reason is heard."""

log = logging.getLogger(__name__)


class WorkerDidNotStartError(Exception):
    """A worker cannot call the driver; the message says why."""


class WorkerProcess:
    """One worker, idle or in a call."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process, self._reader, self._writer = process, reader, writer

    @classmethod
    async def start(cls, folder: Path) -> tuple["WorkerProcess", DriverAnswer]:
        """Start a worker; return it with what it says when it is ready.

        ``WorkerDidNotStartError``, ``OSError``.
        """
        ours, theirs = socket.socketpair()
        try:
            # Not by asyncio, which kills its processes when its loop ends; and a signal for the
            # helper's group is not for a worker.
            process = subprocess.Popen(  # noqa: ASYNC220 - takes a millisecond
                [sys.executable, "-P", "-m", "sublet_agent.driver_helper.worker", str(folder)],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        worker = cls(process, *await asyncio.open_connection(sock=ours, limit=MOST_BYTES))
        try:
            ready = await asyncio.wait_for(worker._read(), _START_WITHIN_S)
        except TimeoutError:
            # It has asked nothing of any process: to end it harms nobody.
            process.kill()
            worker.let_end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, _END_WITHIN_S)
            message = f"the driver does not start: no answer within {_START_WITHIN_S:g} s"
            raise WorkerDidNotStartError(message) from None
        if ready.outcome is not Outcome.DONE:
            worker.let_end()
            raise WorkerDidNotStartError(ready.detail)
        return worker, ready

    @property
    def pid(self) -> int:
        """The worker's pid."""
        return self._process.pid

    async def call(self, request: DriverRequest) -> DriverAnswer:
        """Make a call, however long it takes; return the answer."""
        self._writer.write(request.line())
        return await self._read()

    def let_end(self) -> None:
        """Let the worker end when it is in no call."""
        self._writer.close()

    async def _read(self) -> DriverAnswer:
        with contextlib.suppress(OSError):
            line = await self._reader.readline()
            if line.endswith(b"\n"):
                return DriverAnswer.model_validate_json(line)
        status = await asyncio.to_thread(self._process.wait)
        detail = f"the process that called the driver ended with {status}"
        return DriverAnswer(outcome=Outcome.WORKER_DIED, detail=detail)


class Workers:
    """The idle workers, and how many are busy."""

    def __init__(self, folder: Path, at_once: int) -> None:
        self._folder: Final = folder
        self._at_once: Final = at_once
        self._idle: list[WorkerProcess] = []
        self._busy = 0
        self._room = asyncio.Semaphore(at_once)

    async def make_ready(self, count: int) -> DriverAnswer:
        """Start workers for the first calls; return what one of them says of the driver.

        ``WorkerDidNotStartError``, ``OSError``.
        """
        started = await asyncio.gather(*(WorkerProcess.start(self._folder) for _ in range(count)))
        self._idle += [worker for worker, _ in started]
        return started[0][1]

    async def make_others_ready(self) -> None:
        """Start workers for as many calls as may be at once, where calls did not start them yet.

        ``WorkerDidNotStartError``, ``OSError``.
        """
        missing = self._at_once - len(self._idle) - self._busy
        if missing > 0:
            await self.make_ready(missing)

    async def call(self, request: DriverRequest, given_up: GivenUp) -> DriverAnswer:
        """Make a call in a worker of its own; return the answer, however late it comes.

        Once ``given_up`` is set its worker counts no longer, so that another may be started; what
        was not begun by then is not begun.
        """
        async with _Place(self._room, given_up):
            self._busy += 1
            try:
                return await self._call(request, given_up)
            finally:
                self._busy -= 1

    async def _call(self, request: DriverRequest, given_up: GivenUp) -> DriverAnswer:
        try:
            worker = self._idle.pop() if self._idle else await self._another()
        except (WorkerDidNotStartError, OSError) as error:
            return DriverAnswer(outcome=Outcome.FAILED, detail=f"not begun: {error}")
        begun = not (given_up.is_set() or request.is_over)
        answer = await worker.call(request) if begun else NOT_BEGUN
        if answer.outcome is Outcome.WORKER_DIED:
            log.error("a worker (process %s) ended in a call: %s", worker.pid, answer.detail)
        elif len(self._idle) < self._at_once:
            self._idle.append(worker)
        else:
            worker.let_end()
        return answer

    async def _another(self) -> WorkerProcess:
        worker, _ = await WorkerProcess.start(self._folder)
        return worker

    def let_end(self) -> None:
        """Let all idle workers end; the others end after their calls."""
        while self._idle:
            self._idle.pop().let_end()


class _Place:
    """One of the places for calls at once, given back when the call ends or is given up."""

    def __init__(self, room: asyncio.Semaphore, given_up: GivenUp) -> None:
        self._room, self._given_up = room, given_up
        self._watch: asyncio.Task[None] | None = None
        self._taken = False

    async def __aenter__(self) -> None:
        await self._room.acquire()
        self._taken = True
        self._watch = asyncio.create_task(self._give_back_when_given_up())

    async def __aexit__(self, *_: object) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._give_back()

    async def _give_back_when_given_up(self) -> None:
        await self._given_up.wait()
        self._give_back()

    def _give_back(self) -> None:
        if self._taken:
            self._taken = False
            self._room.release()
