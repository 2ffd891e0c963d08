"""The hub service's end of the agents' WebSocket, in a thread of its own."""

import asyncio
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ssl import SSLContext
from typing import Any

from sublet_quota.wire.agent_link import (
    FROM_AGENT,
    AgentEvent,
    Assignments,
    Events,
    EventsTaken,
    GpuAssignment,
    Hello,
    SliceAssignment,
    SliceReport,
    Status,
    Welcome,
)
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler

from tests.support.closing import close_connections


@dataclass
class FakeServiceLink:
    """What the agent is told, and what it told."""

    secret: str = "node-secret"  # noqa: S105 - of a test
    gpus: tuple[GpuAssignment, ...] = ()
    slices: tuple[SliceAssignment, ...] = ()
    lending: bool = True
    take_events: bool = True
    beat_s: float = 5.0
    """How often it says something when there is nothing new."""
    certificate: SSLContext | None = None
    """With one, it is reached by https alone."""
    port: int = 0
    epoch: int = 0
    sequence: int = 0
    nonce: str = ""
    """What it welcomes with; empty: what the agent greeted with."""
    said_epoch: int | None = None
    """Of which connection its assignments say to be; ``None``: of theirs."""
    heard: int | None = None
    """Which status its assignments answer; ``None``: the last."""
    hellos: list[Hello] = field(default_factory=list)
    status: Status | None = None
    events: list[AgentEvent] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    told: threading.Condition = field(default_factory=threading.Condition)

    def start(self) -> None:
        """Listen on a free port."""
        started: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        self.port = started.result(60)

    def stop(self) -> None:
        """Close all connections and the port."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(60)

    @property
    def url(self) -> str:
        scheme = "http" if self.certificate is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}/services/sublet/"

    def assign(self, *slices: SliceAssignment) -> None:
        """Tell the agent its slices from now on."""
        self.slices = slices
        self.push()

    def push(self) -> None:
        """Send the assignments again."""
        self._loop.call_soon_threadsafe(self._push)

    def drop(self) -> None:
        """Close every connection."""
        self._loop.call_soon_threadsafe(lambda: [c.close() for c in tuple(self._connections)])

    def report(self, slice_id: str) -> SliceReport | None:
        """Return what the agent last said of a slice."""
        if self.status is None:
            return None
        return next((s for s in self.status.slices if s.slice_id == slice_id), None)

    def forget_status(self) -> None:
        """Forget what an agent said that has ended, once all of that has come."""
        self.wait_for(lambda: not self._connections)
        self.status = None

    def wait_for(self, holds: Any, within_s: float = 60.0) -> None:
        """Wait until something the agent told makes this true."""
        with self.told:
            assert self.told.wait_for(holds, within_s), "the agent did not tell it in time"

    def _run(self, started: "Future[int]") -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: "Future[int]") -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._connections: set[_Link] = set()
        link = self

        class Handler(_Link):
            service = link

        application = Application([("/services/sublet/api/agents/link", Handler)])
        server = HTTPServer(application, ssl_options=self.certificate)
        sockets = bind_sockets(self.port, "127.0.0.1")
        server.add_sockets(sockets)
        started.set_result(sockets[0].getsockname()[1])
        beat = asyncio.create_task(self._beat())
        await self._stopping.wait()
        beat.cancel()
        for connection in tuple(self._connections):
            connection.close()
        server.stop()
        await close_connections(server)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.beat_s)
            self._push()

    def _push(self) -> None:
        self.sequence += 1
        for connection in tuple(self._connections):
            connection.send(
                Assignments(
                    epoch=connection.epoch if self.said_epoch is None else self.said_epoch,
                    sequence=self.sequence,
                    heard=connection.heard if self.heard is None else self.heard,
                    lending=self.lending,
                    gpus=self.gpus,
                    slices=self.slices,
                )
            )


class _Link(WebSocketHandler):
    service: FakeServiceLink
    epoch = 0
    heard = -1

    def prepare(self) -> None:
        wanted = f"Bearer {self.service.secret}"
        if self.request.headers.get("Authorization") != wanted:
            self.service.refused.append("secret")
            self.set_status(403)
            self.finish()
        elif "Origin" in self.request.headers:
            self.service.refused.append("origin")
            self.set_status(403)
            self.finish()

    def send(self, message: Any) -> None:
        try:
            self.write_message(message.model_dump_json())
        except Exception:  # noqa: BLE001 - closed meanwhile
            self.service._connections.discard(self)

    def on_message(self, text: str | bytes) -> None:
        message = FROM_AGENT.validate_json(text)
        service = self.service
        match message:
            case Hello():
                service.epoch += 1
                self.epoch = service.epoch
                service.hellos.append(message)
                self.send(Welcome(epoch=self.epoch, nonce=self.service.nonce or message.nonce))
                service._connections.add(self)
                service._push()
            case Status():
                service.status = message
                self.heard = message.sequence
            case Events():
                known = {e.event_id for e in service.events}
                if service.take_events:
                    service.events.extend(e for e in message.events if e.event_id not in known)
                    taken = tuple(e.event_id for e in message.events)
                    self.send(EventsTaken(event_ids=taken))
        with service.told:
            service.told.notify_all()

    def on_close(self) -> None:
        self.service._connections.discard(self)
        with self.service.told:
            self.service.told.notify_all()


def gpu_assignment(gpu_id: str, **changes: Any) -> GpuAssignment:
    """Return a pool's policy that lends soon."""
    fields: dict[str, Any] = {
        "gpu_id": gpu_id,
        "pool": "interactive",
        "idle_after_s": 1.0,
        "lend": True,
        "give_back_within_s": 60.0,
        "turn_s": 1.0,
        "lend_at_least_s": 1.0,
    }
    return GpuAssignment(**{**fields, **changes})


def slice_assignment(
    slice_id: str, gpu_id: str, memory_mib: int, **changes: Any
) -> SliceAssignment:
    """Return a notebook's slice."""
    fields: dict[str, Any] = {
        "slice_id": slice_id,
        "holder": "notebook",
        "owner": "ada",
        "gpu_id": gpu_id,
        "memory_mib": memory_mib,
        "compute_milli": 500,
        "uid": 0,
        "created_at": datetime.now(UTC),
    }
    return SliceAssignment(**{**fields, **changes})
