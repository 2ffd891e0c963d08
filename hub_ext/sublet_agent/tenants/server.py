"""The Unix socket at which kernels and notebook servers of this node speak to the agent.

A tenant cannot cost the others anything: its connections are bounded, and its budgets (of
``tenants``) hold for all of them together. Between two lines, and between a few connections that
are made, the rest of the agent has its turn.
"""

import asyncio
import contextlib
import logging
import resource
import socket
import time
from pathlib import Path
from typing import Final

from sublet_quota.wire.tenant_socket import MOST_LINE_BYTES, AskShare

from sublet_agent.processes.peer import peer_of, pid_of
from sublet_agent.processes.process_table import ProcessTable
from sublet_agent.tenants.budgets import SocketLimits, Tenants
from sublet_agent.tenants.connection import (
    TenantAnswers,
    TenantConnection,
    TenantProcess,
    unknown_line,
)
from sublet_agent.tenants.lines import LineTooLongError, TenantLines

_BACKLOG: Final = 1024
_CONNECTING_S: Final = 0.001
"""For how long connections are made before the rest of the agent has its turn."""
_AFTER_REFUSING_S: Final = 0.001
"""The least length of that turn after a refusal: whoever is refused may try again at once."""
_REFUSED_FOR_S: Final = 0.1
_MOST_REFUSED: Final = 1024
_LINGERS_S: Final = 1.0
_MOST_LINGERING: Final = 64
_AFTER_FAILING_S: Final = 0.5
_OWN_FILES: Final = 512
_FEW_CONNECTIONS: Final = 64
_MANY_CONNECTIONS: Final = 2048
_BYTES_AS_ONE_LINE: Final = 1024
"""The length from which on a line costs as much as several."""

log = logging.getLogger(__name__)


class TenantSocket:
    """The listening socket and its connections."""

    def __init__(
        self, path: Path, answers: TenantAnswers, table: ProcessTable, limits: SocketLimits
    ) -> None:
        self._path = path
        self._answers = answers
        self._table = table
        self._tenants = Tenants(limits, _most_connections(), time.monotonic)
        self._refused = _Refused()
        self._listening: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lingering: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; the folder is the agent's, the socket everybody's."""
        self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)
        listener.bind(str(self._path))
        listener.listen(_BACKLOG)
        self._path.chmod(0o666)
        self._listening = asyncio.create_task(self._listen(listener))

    async def stop(self) -> None:
        """Close the socket and all connections."""
        tasks = self._tasks | self._lingering
        if self._listening is not None:
            tasks.add(self._listening)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    async def _listen(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    await self._connect_some(listener)
                except OSError as error:
                    # Too many files are open, say.
                    log.warning("tenants cannot connect: %s", error)
                    await asyncio.sleep(_AFTER_FAILING_S)
                except Exception:
                    # The loop must go on: a cell that cannot ask waits for ever otherwise.
                    log.exception("a tenant's connection was not taken")
                    await asyncio.sleep(_AFTER_REFUSING_S)

    async def _connect_some(self, listener: socket.socket) -> None:
        """Take a few connections; then the rest of the agent has its turn."""
        until = time.monotonic() + _CONNECTING_S
        all_admitted = True
        while time.monotonic() < until:
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            pid = pid_of(connection)
            why = self._refused.why(pid) or self._admit(connection)
            if why is not None:
                self._refused.note(pid, why)
                all_admitted = False
                self._refuse(connection, why)
        await asyncio.sleep(0 if all_admitted else _AFTER_REFUSING_S)

    def _admit(self, connection: socket.socket) -> str | None:
        """Serve a new connection and return ``None``, or return why not."""
        peer = peer_of(connection, self._table)
        if peer.identity is None:
            return f"process {peer.pid} cannot be seen from here"
        speaker = TenantProcess(self._answers, peer)
        why = self._tenants.why_no_room_for(speaker)
        if why is not None:
            return why
        self._tenants.place(speaker)
        task = asyncio.create_task(self._serve(connection, speaker))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return None

    def _refuse(self, connection: socket.socket, why: str) -> None:
        with contextlib.suppress(OSError):
            connection.setblocking(False)
            connection.send(unknown_line(why))
            connection.shutdown(socket.SHUT_WR)
        if len(self._lingering) >= _MOST_LINGERING:
            connection.close()
            return
        task = asyncio.create_task(_linger(connection))
        self._lingering.add(task)
        task.add_done_callback(self._lingering.discard)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("a tenant's connection broke", exc_info=error)

    async def _serve(self, connection: socket.socket, speaker: TenantProcess) -> None:
        lines, taken = TenantLines(), False
        try:
            await self._tenants.spend(self._tenants.place(speaker).connects)
            why = await self._why_not_closely(speaker)
            if why is not None:
                taken = True
                self._refuse(connection, why)
                return
            loop = asyncio.get_running_loop()
            await loop.create_unix_connection(lambda: lines, sock=connection)
            taken = True
            await self._converse(lines, speaker)
        except ConnectionError:
            pass
        finally:
            self._tenants.remove(speaker)
            lines.hang_up()
            if not taken:
                connection.close()

    async def _why_not_closely(self, speaker: TenantProcess) -> str | None:
        """Look closely at who could not be told at once, and return why it is not served."""
        before = speaker.tenant
        await speaker.look_closely()
        why = None if speaker.tenant == before else self._tenants.why_too_many_of(speaker)
        if why is None:
            # At once: it may stay silent, and would go on counting among strangers.
            self._tenants.place(speaker)
        return why

    async def _converse(self, lines: TenantLines, speaker: TenantProcess) -> None:
        conversation = TenantConnection(self._answers, speaker, lines)
        try:
            while line := await self._line(lines, conversation):
                tenant = self._tenants.place(speaker)
                await self._tenants.spend(tenant.lines, 1 + len(line) // _BYTES_AS_ONE_LINE)
                message = conversation.read(line)
                if message is None and conversation.is_nonsense:
                    return
                if isinstance(message, AskShare):
                    await self._tenants.spend(tenant.shares)
                if message is not None:
                    await speaker.look_closely()
                    conversation.hear(message)
        finally:
            conversation.end()

    @staticmethod
    async def _line(lines: TenantLines, conversation: TenantConnection) -> bytes:
        """Return the next line; nothing at the end, which one that is too long is as well."""
        try:
            return await lines.read()
        except LineTooLongError:
            conversation.refuse(f"a line is longer than {MOST_LINE_BYTES} bytes")
            return b""


class _Refused:
    """The pids that were refused a moment ago: to look them up at each try costs too much."""

    def __init__(self) -> None:
        self._noted: dict[int, tuple[str, float]] = {}

    def why(self, pid: int) -> str | None:
        """Return why a pid is still refused; ``None`` where it is not."""
        why, until = self._noted.get(pid, ("", 0.0))
        return why if time.monotonic() < until else None

    def note(self, pid: int, why: str) -> None:
        """Refuse a pid for a moment, from the first time on."""
        if self.why(pid) is None:
            if len(self._noted) >= _MOST_REFUSED:
                self._noted.clear()
            self._noted[pid] = why, time.monotonic() + _REFUSED_FOR_S


async def _linger(connection: socket.socket) -> None:
    """Close a refused connection once it has spoken: it may look for an answer only then."""
    with connection, contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LINGERS_S):
            await asyncio.get_running_loop().sock_recv(connection, MOST_LINE_BYTES)


def _most_connections() -> int:
    """Return how many connections the limit of open files allows, with some left for the agent."""
    most_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(_MANY_CONNECTIONS, max(_FEW_CONNECTIONS, most_files - _OWN_FILES))
