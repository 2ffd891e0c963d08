"""An agent that says what a test tells it to say."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.wire.agent_link import (
    FROM_SERVICE,
    AgentEvent,
    Assignments,
    Events,
    EventsTaken,
    GpuReport,
    Hello,
    SliceAssignment,
    SliceReport,
    Status,
    Welcome,
)
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

GIB = 1024


def a_gpu(gpu_id: str = "SIM-0", **values: Any) -> GpuReport:
    facts: dict[str, Any] = {
        "gpu_id": gpu_id,
        "index": 0,
        "type": "Simulated H100 80GB",
        "simulated": True,
        "memory_mib": 80 * GIB,
        "margin_mib": 1 * GIB,
        "lendable_mib": 79 * GIB,
    }
    return GpuReport(**{**facts, **values})


def a_report(slice_id: str, **values: Any) -> SliceReport:
    facts: dict[str, Any] = {
        "slice_id": slice_id,
        "state": SliceState.RESIDENT,
        "active": True,
        "since": datetime.now(UTC),
        "gate_open": True,
        "memory_mib": 0,
    }
    return SliceReport(**{**facts, **values})


@dataclass
class FakeAgent:
    """One node's agent, over a real WebSocket."""

    url: str
    secret: str
    node: str = "node-a"
    boot_id: str = "boot-a"
    ca_file: str | None = None
    gpus: tuple[GpuReport, ...] = (a_gpu(),)
    closed_gates: set[str] = field(default_factory=set)
    """Slices whose gate stays closed; that of others is open."""
    says: dict[str, SliceReport] = field(default_factory=dict)
    """What to say of a slice instead of the usual."""
    behind: timedelta = timedelta()
    """By how much its clock is behind, in whatever it reports."""
    nonce: str = field(default_factory=lambda: secrets.token_hex(16))
    epoch: int = 0
    sequence: int = 0
    assignments: Assignments | None = None
    taken: list[str] = field(default_factory=list)
    close_reason: str | None = None
    _asked: int = 0
    """How often the service was asked whether it has taken all that was said before."""
    _answered: int = 0
    _connection: WebSocketClientConnection | None = None
    _reading: asyncio.Task[None] | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def connect(self, headers: dict[str, str] | None = None) -> "FakeAgent":
        request = HTTPRequest(
            self.url,
            headers={"Authorization": f"Bearer {self.secret}", **(headers or {})},
            ca_certs=self.ca_file,
        )
        self._connection = await websocket_connect(request)
        self._asked = self._answered = 0
        # As the real one does.
        if self._connection.protocol is not None:
            self._connection.protocol.set_nodelay(True)
        await self.send(
            Hello(node=self.node, boot_id=self.boot_id, version="0.1.0", nonce=self.nonce)
        )
        self._reading = asyncio.create_task(self._read())
        await self.until(lambda: self.epoch > 0 or self.close_reason is not None)
        if self.close_reason is None:
            await self.report()
        return self

    async def send(self, message: Any) -> None:
        assert self._connection is not None
        text = message if isinstance(message, str) else message.model_dump_json()
        with contextlib.suppress(WebSocketClosedError):
            await self._connection.write_message(text)

    async def report(self, **values: Any) -> None:
        """Say what there is, and return when the service has taken it, or has hung up.

        An agent's messages are read at a pace of their own: after one that took long, what is asked
        by another connection meanwhile is heard before the next.
        """
        await self.send_report(**values)
        self._asked += 1
        asked = self._asked
        # A node's messages are answered in their order, also those that tell nothing.
        await self.send(Events(epoch=self.epoch, events=()))
        await self.until(lambda: self._answered >= asked or self.close_reason is not None)

    async def send_report(self, **values: Any) -> None:
        """Say what there is, all gates open but the closed ones."""
        told = self.assignments.slices if self.assignments else ()
        slices = tuple(
            self.says.get(s.slice_id)
            or a_report(s.slice_id, gate_open=s.slice_id not in self.closed_gates)
            for s in told
        )
        self.sequence += 1
        facts: dict[str, Any] = {
            "epoch": self.epoch,
            "sequence": self.sequence,
            "at": datetime.now(UTC) - self.behind,
            "gpus": self.gpus,
            "slices": slices,
            "acknowledged": -1 if self.assignments is None else self.assignments.sequence,
        }
        await self.send(Status(**{**facts, **values}))

    async def tell(self, *events: AgentEvent) -> None:
        await self.send(Events(epoch=self.epoch, events=events))
        wanted = {event.event_id for event in events}
        await self.until(lambda: wanted <= set(self.taken))

    async def until(self, happened: Any, within_s: float = 60) -> None:
        # Not wait_for: before Python 3.12 it loses a cancellation that comes with the end.
        async with asyncio.timeout(within_s):
            while not happened():
                self._news.clear()
                await self._news.wait()

    def serves(self, is_so: Callable[[SliceAssignment], bool]) -> bool:
        """Whether it is told of slices by now, and each of them is so."""
        told = () if self.assignments is None else self.assignments.slices
        return bool(told) and all(map(is_so, told))

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._reading is not None:
            await self._reading

    async def _read(self) -> None:
        assert self._connection is not None
        while (text := await self._connection.read_message()) is not None:
            match FROM_SERVICE.validate_python(json.loads(text)):
                case Welcome() as welcome:
                    assert welcome.nonce == self.nonce
                    self.epoch = welcome.epoch
                case Assignments() as assignments:
                    self.assignments = assignments
                    await self.send_report()
                case EventsTaken(event_ids=()):
                    self._answered += 1
                case EventsTaken() as taken:
                    self.taken.extend(taken.event_ids)
            self._news.set()
        self.close_reason = self._connection.close_reason or "closed"
        # Who was hung up on hangs up too, or complains of it when it is collected.
        self._connection.close()
        self._news.set()
