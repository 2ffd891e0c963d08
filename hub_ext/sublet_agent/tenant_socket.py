"""The Unix socket at which kernels and notebook servers of this node speak to the agent.

Who speaks is known from the socket's peer credentials (THREATS 1), never from what is said. A
tenant can only move its own slice, and cannot cost the others anything: lines, their rate and
the number of connections are bounded, and what cannot be read is answered with ``Unknown``.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from collections import Counter
from pathlib import Path
from typing import Final, Protocol

from pydantic import ValidationError
from sublet_quota.ids import SliceId
from sublet_quota.wire.tenant_socket import (
    FROM_TENANT,
    MAX_LINE_BYTES,
    AskShare,
    EnterGate,
    GateOpen,
    GateWaits,
    KernelActivity,
    Share,
    Unknown,
)

from sublet_agent.slices import GateRequest

_WAIT_PERIOD_S: Final = 0.5
"""A waiting cell is told about changes at most so often."""
_FIRST_WAIT_S: Final = 0.05
"""A gate that opens sooner needs no explanation."""
_WAIT_REPEAT_S: Final = 2.0
_CREDENTIALS: Final = struct.Struct("3i")
_MOST_BAD_LINES: Final = 20
_MOST_GATES: Final = 16
"""Of one connection: a kernel has few subshells."""
_OPEN_LINE: Final = GateOpen().model_dump_json().encode() + b"\n"

log = logging.getLogger(__name__)


class Desk(Protocol):
    """What the socket asks of the agent."""

    def slice_of_peer(self, pid: int, uid: int) -> SliceId | None:
        """Return the slice of a peer."""
        ...

    def serves(self, slice_id: SliceId) -> bool:
        """Whether the slice is here, and was not taken back."""
        ...

    def activity(self, slice_id: SliceId, report: KernelActivity, connection: object) -> None:
        """A kernel tells its level, by a connection whose end is told."""
        ...

    def connection_ends(self, slice_id: SliceId, connection: object) -> None:
        """A connection by which kernels were reported has ended."""
        ...

    def enter(self, slice_id: SliceId, request: GateRequest) -> bool:
        """A cell asks at the gate; ``True``: it may run now. Else ``request`` stays there."""
        ...

    def leave(self, slice_id: SliceId, request: GateRequest) -> None:
        """The cell waits no longer, and does not run either."""
        ...

    def lets_through(self, slice_id: SliceId, request: GateRequest) -> bool:
        """Whether the slice's gate is open by now: then its cell runs, and waits no longer."""
        ...

    def waits(self, slice_id: SliceId) -> GateWaits:
        """Say why its cells wait."""
        ...

    def share(self, slice_id: SliceId) -> Share | None:
        """Say what the slice holds."""
        ...


class TenantSocket:
    """The listening socket and its connections."""

    def __init__(
        self, path: Path, desk: Desk, *, connections_per_slice: int, lines_per_second: int
    ) -> None:
        self._path = path
        self._desk = desk
        self._most_connections = connections_per_slice
        self._lines_per_second = lines_per_second
        self._connections: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; the folder is the agent's, the socket everybody's."""
        self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        self._server = await asyncio.start_unix_server(
            self._accept, path=str(self._path), limit=MAX_LINE_BYTES
        )
        self._path.chmod(0o666)

    async def stop(self) -> None:
        """Close the socket and all connections."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            if task is not None:
                self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("socket")
        pid, uid, _ = _CREDENTIALS.unpack(
            peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        conversation = _Conversation(self._desk, pid, uid, writer)
        # Strangers are counted by account: they may belong to a slice that is just being made.
        key = conversation.slice_id() or f"uid {uid}"
        if self._connections[key] >= self._most_connections:
            conversation.refuse(f"there are {self._most_connections} connections already")
            return
        self._connections[key] += 1
        try:
            await self._converse(reader, conversation)
        finally:
            conversation.end()
            self._connections[key] -= 1

    async def _converse(self, reader: asyncio.StreamReader, conversation: "_Conversation") -> None:
        loop = asyncio.get_running_loop()
        allowance, at = float(self._lines_per_second), loop.time()
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                conversation.refuse(f"a line is longer than {MAX_LINE_BYTES} bytes")
                return
            if not line:
                return
            now = loop.time()
            allowance = min(
                float(self._lines_per_second), allowance + (now - at) * self._lines_per_second
            )
            at = now
            if allowance < 1:
                await asyncio.sleep(1 / self._lines_per_second)
            allowance -= 1
            if not conversation.hear(line):
                return


class _Conversation:
    """One connection: one process, its requests at the gate, and what it was told."""

    def __init__(self, desk: Desk, pid: int, uid: int, writer: asyncio.StreamWriter) -> None:
        self._desk = desk
        self._pid = pid
        self._uid = uid
        self._writer = writer
        self._slice_id: SliceId | None = None
        self._gates: dict[GateRequest, asyncio.TimerHandle | None] = {}
        self._told: dict[GateRequest, float] = {}
        self._reported_for: set[SliceId] = set()
        self._bad_lines = 0

    def slice_id(self) -> SliceId | None:
        """Return the speaker's slice; asked again while it is in none (it may come yet)."""
        if self._slice_id is None or not self._desk.serves(self._slice_id):
            self._slice_id = self._desk.slice_of_peer(self._pid, self._uid)
        return self._slice_id

    def hear(self, line: bytes) -> bool:
        """Take a line; ``False`` ends the conversation."""
        try:
            message = FROM_TENANT.validate_json(line)
        except ValidationError as error:
            self._bad_lines += 1
            first = error.errors(include_url=False, include_input=False)[0]
            self.refuse(f"this line cannot be read: {first['msg']}")
            return self._bad_lines < _MOST_BAD_LINES
        slice_id = self.slice_id()
        if slice_id is None:
            self.refuse(f"process {self._pid} belongs to no slice of this node")
            return True
        match message:
            case EnterGate():
                self._enter(slice_id, message)
            case KernelActivity():
                self._reported_for.add(slice_id)
                self._desk.activity(slice_id, message, self)
            case AskShare():
                self._tell_share(slice_id)
        return True

    def refuse(self, why: str) -> None:
        """Answer with ``Unknown``."""
        self._send(Unknown(message=why).model_dump_json().encode() + b"\n")

    def end(self) -> None:
        """Take back what waits at the gate."""
        for request, timer in self._gates.items():
            if timer is not None:
                timer.cancel()
            if self._slice_id is not None:
                self._desk.leave(self._slice_id, request)
        self._gates.clear()
        for slice_id in self._reported_for:
            self._desk.connection_ends(slice_id, self)

    def _enter(self, slice_id: SliceId, message: EnterGate) -> None:
        if len(self._gates) >= _MOST_GATES:
            self.refuse(f"{_MOST_GATES} cells wait here already")
            return
        request = GateRequest(message.kernel, message.cell, lambda: None, self._pid)
        request.changed = lambda: self._look(slice_id, request)
        request.refused = lambda why: self._send_away(request, why)
        if self._desk.enter(slice_id, request):
            self._send(_OPEN_LINE)
            return
        loop = asyncio.get_running_loop()
        self._gates[request] = loop.call_later(_FIRST_WAIT_S, self._tell, slice_id, request)

    def _look(self, slice_id: SliceId, request: GateRequest) -> None:
        """Tell a waiting cell how things stand."""
        if request not in self._gates:
            return
        timer = self._gates[request]
        if self._desk.lets_through(slice_id, request):
            self._forget(request)
            self._send(_OPEN_LINE)
            return
        loop = asyncio.get_running_loop()
        due = self._told.get(request, 0.0) + _WAIT_PERIOD_S
        if loop.time() < due:
            if timer is None or timer.cancelled() or timer.when() > due:
                if timer is not None:
                    timer.cancel()
                self._gates[request] = loop.call_at(due, self._tell, slice_id, request)
            return
        self._tell(slice_id, request)

    def _send_away(self, request: GateRequest, why: str) -> None:
        """Its slice is not served here any more: who asks again is looked up anew."""
        if request in self._gates:
            self._forget(request)
            self.refuse(why)

    def _forget(self, request: GateRequest) -> None:
        timer = self._gates.pop(request)
        if timer is not None:
            timer.cancel()
        self._told.pop(request, None)

    def _tell(self, slice_id: SliceId, request: GateRequest) -> None:
        if request not in self._gates:
            return
        loop = asyncio.get_running_loop()
        self._told[request] = loop.time()
        self._gates[request] = loop.call_later(_WAIT_REPEAT_S, self._tell, slice_id, request)
        self._send(self._desk.waits(slice_id).model_dump_json().encode() + b"\n")

    def _tell_share(self, slice_id: SliceId) -> None:
        share = self._desk.share(slice_id)
        if share is None:
            self.refuse("the slice was released")
            return
        self._send(share.model_dump_json().encode() + b"\n")

    def _send(self, line: bytes) -> None:
        if self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > MAX_LINE_BYTES:
            # It asks and does not read: whatever it misses is its own.
            self._writer.transport.abort()
            return
        self._writer.write(line)
