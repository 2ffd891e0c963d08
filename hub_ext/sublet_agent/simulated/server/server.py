"""The Unix socket around the simulated machine: frames in, replies out, and the passing of time.

One thread does everything. Real bytes are moved between requests, a few slices at a time, so a
request never waits for more than a fraction of a millisecond.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_agent.simulated.machine.card import CallerIdentity
from sublet_agent.simulated.machine.machine import SimulatedMachine
from sublet_agent.simulated.protocol.errors import SimulatedGpuError
from sublet_agent.simulated.protocol.wire import (
    MOST_REQUEST_BYTES,
    FrameError,
    FrameReader,
    pack_frame,
)
from sublet_agent.simulated.server.host_processes import peer_of
from sublet_agent.simulated.server.requests import Request, Requests

_log: Final = logging.getLogger(__name__)
_SLICES_S: Final = 0.0001
_MOST_OF_A_USER: Final = 1024
_MOST_OF_A_PROCESS: Final = 512


class Peer(Protocol):
    """A connection of one process, as far as the server knows it."""

    @property
    def closed(self) -> bool:
        """Whether nobody reads replies on the connection any more."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


class SimulatedGpuServer:
    """The daemon's state: the machine, its connections and its watched processes."""

    def __init__(
        self, machine: SimulatedMachine, admin_uid: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._machine: Final = machine
        self._requests: Final = Requests(machine, admin_uid)
        self._loop: Final = loop
        self._table: Final = LinuxProcessTable()
        self._unlimited: Final = {0, admin_uid}
        self._began: Final = loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._slicing = False
        self._watched: Final[dict[int, tuple[CallerIdentity, int]]] = {}
        self._connections: Final[dict[int, set[Peer]]] = {}
        self._of_user: Final[dict[int, int]] = {}

    def connect(self) -> "PeerConnection":
        """Return the protocol object for one new connection."""
        return PeerConnection(self)

    def close(self) -> None:
        """End every connection and stop watching."""
        if self._timer is not None:
            self._timer.cancel()
        for connections in list(self._connections.values()):
            for connection in list(connections):
                connection.close()
        for _, watched in self._watched.values():
            self._loop.remove_reader(watched)
            os.close(watched)
        self._watched.clear()

    def find_peer(self, connection: socket.socket) -> tuple[CallerIdentity, int] | None:
        """Return who connected and a pidfd of it; ``None`` where it has ended already."""
        return peer_of(connection, self._table)

    def admit(self, connection: Peer, peer: CallerIdentity, watched: int) -> bool:
        """Take a connection in and watch its process; return whether there was room for it."""
        known = self._watched.get(peer.pid)
        if known is not None and known[0].start_time != peer.start_time:
            self._end(peer.pid)
            known = None
        if known is None:
            self._watched[peer.pid] = (peer, watched)
            self._loop.add_reader(watched, self._end, peer.pid)
        else:
            os.close(watched)
        connections = self._connections.setdefault(peer.pid, set())
        of_user = self._of_user.get(peer.uid, 0)
        crowded = len(connections) >= _MOST_OF_A_PROCESS or of_user >= _MOST_OF_A_USER
        if crowded and peer.uid not in self._unlimited:
            _log.warning("process %d has too many connections: one more was refused", peer.pid)
            return False
        connections.add(connection)
        self._of_user[peer.uid] = of_user + 1
        return True

    def forget(self, connection: Peer, peer: CallerIdentity) -> None:
        """Drop what a closed connection asked for and nobody will read."""
        connections = self._connections.get(peer.pid, set())
        if connection in connections:
            connections.remove(connection)
            self._of_user[peer.uid] -= 1
        if not connections:
            self._connections.pop(peer.pid, None)
        self._requests.calls.forget_callers(peer.pid)
        self._machine.advance(self._now_s())
        self._machine.driver.forget_callers()
        self._go_on()

    def answer(self, request: Request, reply: "PeerReply") -> None:
        """Answer a request at the time it came."""
        self.act(lambda: self._requests.answer(request, reply))

    def act(self, act: Callable[[], None]) -> None:
        """Do something to the machine, or look at it, at this moment."""
        self._machine.advance(self._now_s())
        act()
        self._go_on()

    def _now_s(self) -> float:
        return self._loop.time() - self._began

    def _end(self, pid: int) -> None:
        _, watched = self._watched.pop(pid)
        self._loop.remove_reader(watched)
        os.close(watched)
        self._machine.advance(self._now_s())
        self._machine.end(pid, "it exited or was killed")
        for connection in list(self._connections.get(pid, ())):
            connection.close()
        self._go_on()

    def _go_on(self) -> None:
        """Arrange for the next event, and for the next slices."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._machine.next_event_s()
        if due != float("inf"):
            self._timer = self._loop.call_at(self._began + due, self._tick)
        if not self._slicing and self._machine.bytes.has_work:
            self._slicing = True
            self._loop.call_soon(self._slices)

    def _tick(self) -> None:
        self._timer = None
        self._machine.advance(self._now_s())
        self._go_on()

    def _slices(self) -> None:
        self._slicing = False
        until = self._loop.time() + _SLICES_S
        while self._machine.bytes.has_work and self._loop.time() < until:
            self._machine.bytes.run_slice()
        self._tick_now()

    def _tick_now(self) -> None:
        self._machine.advance(self._now_s())
        self._go_on()


class PeerConnection(asyncio.Protocol):
    """A connection of one process, with one request at a time."""

    def __init__(self, server: SimulatedGpuServer) -> None:
        self._server: Final = server
        self._frames: Final = FrameReader(MOST_REQUEST_BYTES)
        self._transport: asyncio.Transport | None = None
        self._peer: CallerIdentity | None = None
        self._answering = False

    @property
    def closed(self) -> bool:
        """Whether nobody reads replies on the connection any more."""
        return self._transport is None or self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find out who connected."""
        if not isinstance(transport, asyncio.Transport):  # pragma: no cover
            return
        self._transport = transport
        found = self._server.find_peer(transport.get_extra_info("socket"))
        if found is None:
            transport.abort()
            return
        peer, watched = found
        if self._server.admit(self, peer, watched):
            self._peer = peer
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer each complete request."""
        try:
            for message, payload in self._frames.feed(data):
                self._take(message, payload)
        except FrameError as error:
            _log.warning("a connection of process %s was ended: %s", self._peer, error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        del exc
        self._transport = None
        if self._peer is not None:
            self._server.forget(self, self._peer)

    def pause_writing(self) -> None:
        """Take no more requests while replies are not read."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Take requests again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def send(self, message: Mapping[str, object], payload: bytes) -> None:
        """Send a reply, if anybody is there to read it."""
        self._answering = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(pack_frame(message, payload))

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, message: dict[str, object], payload: bytes) -> None:
        if self._peer is None or self.closed:
            return
        if self._answering:
            problem = "a request came before the one before it was answered"
            raise FrameError(problem)
        self._answering = True
        reply = PeerReply(self, message.get("id"))
        self._server.answer(Request(self._peer, message, payload), reply)


class PeerReply:
    """The way back to whoever sent one request of a connection."""

    def __init__(self, connection: PeerConnection, request_id: object) -> None:
        self._connection: Final = connection
        self._id: Final = request_id if isinstance(request_id, int) else None

    @property
    def abandoned(self) -> bool:
        """Whether the connection is closed."""
        return self._connection.closed

    def succeed(self, result: Mapping[str, object], payload: bytes = b"") -> None:
        """Answer the request."""
        self._connection.send({"id": self._id, "ok": dict(result)}, payload)

    def fail(self, error: SimulatedGpuError) -> None:
        """Refuse the request."""
        refusal = {"id": self._id, "error": int(error.code), "message": error.message}
        self._connection.send(refusal, b"")
