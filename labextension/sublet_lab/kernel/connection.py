"""One connection from a kernel to its node's agent, on an event loop of the kernel."""

import asyncio
import contextlib
import os
import socket
from typing import Self

from pydantic import ValidationError
from sublet_quota.wire.schema import WireModel
from sublet_quota.wire.tenant_socket import (
    MAX_LINE_BYTES,
    TO_TENANT,
    GateOpen,
    GateWaits,
    LocalShare,
    Unknown,
)


class AgentAwayError(Exception):
    """The agent cannot be reached, hung up, or does not know this slice; says which."""


class AgentConnection:
    """Lines to and from the agent. Not for use by a forked child."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._pid = os.getpid()

    @classmethod
    async def open(cls, socket_path: str) -> Self:
        """Connect; ``AgentAwayError`` where nobody listens."""
        try:
            streams = await asyncio.open_unix_connection(socket_path, limit=MAX_LINE_BYTES)
        except OSError as error:
            message = f"no agent at {socket_path} ({error.strerror or error})"
            raise AgentAwayError(message) from error
        return cls(*streams)

    @property
    def usable(self) -> bool:
        """Whether it is open, as far as is known, and this process's own."""
        return (
            self._pid == os.getpid()
            and not self._reader.at_eof()
            and not self._writer.transport.is_closing()
        )

    def send(self, message: WireModel) -> None:
        """Write one line; a broken connection shows in the next ``receive``."""
        self._writer.write(message.model_dump_json().encode() + b"\n")

    async def receive(self) -> GateWaits | GateOpen | LocalShare | Unknown:
        """The agent's next line; ``AgentAwayError`` where none will come, or it is unreadable."""
        try:
            line = await self._reader.readline()
            if not line.endswith(b"\n"):
                message = "the agent hung up"
                raise AgentAwayError(message)
            return TO_TENANT.validate_json(line)
        except (OSError, ValueError) as error:
            reason = "unreadable line" if isinstance(error, ValidationError) else str(error)
            message = f"the connection to the agent broke: {reason}"
            raise AgentAwayError(message) from error

    def close(self) -> None:
        """Hang up, for the agent too when a forked child still holds a copy of the socket."""
        if self._pid != os.getpid():
            return
        with contextlib.suppress(OSError):
            self._writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._writer.transport.abort()
