"""The helper's socket: lines of requests from the agent and its watchdog, and nobody else."""

import asyncio
import contextlib
import logging
import os
import socket
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from sublet_agent.driver_helper.messages import (
    MOST_BYTES,
    DriverAnswer,
    DriverRequest,
    Outcome,
)
from sublet_agent.driver_helper.service import DriverService
from sublet_agent.processes.peer import credentials_of

_ROOT: Final = 0

log = logging.getLogger(__name__)


class DriverHelperSocket:
    """The connections of those who ask."""

    def __init__(self, service: DriverService, first: DriverAnswer) -> None:
        self._service = service
        self._first = first
        """What is said to who connects: the driver's version, and ``cuInit``'s result."""
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def is_used(self) -> bool:
        """Whether somebody is connected."""
        return bool(self._connections)

    async def listen(self, path: Path) -> None:
        """Listen at ``path``, of which the caller alone holds the claim."""
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - once, at the start
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._connect, path, limit=MOST_BYTES)
        finally:
            os.umask(before)

    def close(self) -> None:
        """Listen no longer, and let all go."""
        if self._server is not None:
            self._server.close()
        for each in self._connections:
            each.cancel()

    def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if _may_ask(writer):
                writer.write(self._first.line())
                await self._answer_all(reader, writer)
        except (OSError, ValueError) as error:
            # A line that is too long, or somebody who left.
            log.debug("a connection ended: %s", error)
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        while line:
            answering = asyncio.create_task(self._answer(line))
            following = asyncio.create_task(reader.readline())
            try:
                await asyncio.wait({answering, following}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done() and not following.result():
                    # Who asked has left: what was not begun for it is not begun any more.
                    return
                writer.write((await answering).line())
                await writer.drain()
                line = await following
            finally:
                answering.cancel()
                following.cancel()

    async def _answer(self, line: bytes) -> DriverAnswer:
        try:
            request = DriverRequest.model_validate_json(line)
        except ValidationError as error:
            return DriverAnswer(outcome=Outcome.FAILED, detail=str(error))
        return await self._service.answer(request)


def _may_ask(writer: asyncio.StreamWriter) -> bool:
    connection: socket.socket = writer.get_extra_info("socket")
    _, uid = credentials_of(connection)
    return uid in {_ROOT, os.geteuid()}
