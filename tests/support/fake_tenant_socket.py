"""A hand-written agent for kernels and notebook servers: its tenant socket, and nothing behind it.

What it answers to ``enter`` is a script, one entry a request; what it heard is kept for the test.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.tenant_socket import (
    FROM_TENANT,
    AskShare,
    EnterGate,
    GateOpen,
    GateWaits,
    KernelActivity,
    LeaveGate,
    LocalShare,
    Unknown,
)

T = TypeVar("T")


@dataclass(eq=False)
class Request:
    """A cell at the gate."""

    enter: EnterGate
    writer: asyncio.StreamWriter
    taken_back: asyncio.Event = field(default_factory=asyncio.Event)

    def wait(self, message: str, seconds_left: float | None = None) -> None:
        self.answer(
            GateWaits(
                cell=self.enter.cell,
                reason=WaitReason.MAKING_ROOM,
                message=message,
                seconds_left=seconds_left,
            )
        )

    def open(self) -> None:
        self.answer(GateOpen(cell=self.enter.cell))

    def answer(self, message: BaseModel) -> None:
        self.writer.write(message.model_dump_json().encode() + b"\n")


@dataclass(eq=False)
class FakeAgent:
    """Listens on ``path``. Opens the gate at once, unless ``hold`` is set."""

    path: Path
    hold: bool = False
    unknown: str | None = None
    share: LocalShare | None = None
    requests: list[Request] = field(default_factory=list)
    activities: list[KernelActivity] = field(default_factory=list)
    heard_lines: list[tuple[object, BaseModel]] = field(default_factory=list)
    """All that was said, in order, each with its connection."""
    heard: asyncio.Condition = field(default_factory=asyncio.Condition)
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def renew(self) -> None:
        """Forget what was heard, and answer as a new one does."""
        self.hold, self.unknown, self.share = False, None, None
        self.requests.clear()
        self.activities.clear()
        self.heard_lines.clear()

    async def start(self) -> None:
        """Listen, unless it does."""
        if self._server is not None:
            return
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        """Go away as a killed agent does: the connections break, the socket's file stays."""
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server = None
        self.path.unlink(missing_ok=True)

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._writers)

    async def until(self, seen: Callable[["FakeAgent"], T], within_s: float = 90) -> T:
        """Wait until ``seen`` returns something true, and return that."""
        async with asyncio.timeout(within_s), self.heard:
            while not (value := seen(self)):
                await self.heard.wait()
            return value

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        waiting: list[Request] = []
        try:
            with contextlib.suppress(OSError):
                while line := await reader.readline():
                    await self._hear(line, writer, waiting)
        finally:
            for request in waiting:
                request.taken_back.set()
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()
            async with self.heard:
                self.heard.notify_all()

    async def _hear(
        self, line: bytes, writer: asyncio.StreamWriter, waiting: list[Request]
    ) -> None:
        async with self.heard:
            message = FROM_TENANT.validate_json(line)
            self.heard_lines.append((writer, message))
            match message:
                case EnterGate() as enter:
                    request = Request(enter, writer)
                    self.requests.append(request)
                    waiting.append(request)
                    if self.unknown is not None:
                        request.answer(Unknown(cell=enter.cell, message=self.unknown))
                    elif not self.hold:
                        request.open()
                case LeaveGate(cell=cell):
                    for request in waiting:
                        if request.enter.cell == cell:
                            request.taken_back.set()
                case KernelActivity() as activity:
                    self.activities.append(activity)
                case AskShare():
                    answer = self.share or Unknown(message="no slice here")
                    writer.write(answer.model_dump_json().encode() + b"\n")
            self.heard.notify_all()


@contextlib.asynccontextmanager
async def fake_agent(path: Path) -> AsyncIterator[FakeAgent]:
    """A started agent at ``path``."""
    agent = FakeAgent(path)
    await agent.start()
    try:
        yield agent
    finally:
        await agent.stop()
