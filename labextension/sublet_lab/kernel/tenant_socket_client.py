"""One connection to the node's agent, by plain sockets: lines go out, answers come in."""

import contextlib
import socket
from typing import Final, Self

from pydantic import ValidationError
from sublet_quota.wire.tenant_socket import (
    MOST_ANSWER_BYTES,
    TO_TENANT,
    AgentAnswer,
    TenantMessage,
)

_CONNECT_WITHIN_S: Final = 1.0
_READ_BYTES: Final = 65536


class AgentAwayError(Exception):
    """The agent cannot be reached, hung up, or is not understood; says which."""


class TenantSocketClient:
    """Messages to an agent and its answers, without waiting for either."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._unread = b""

    @classmethod
    def open(cls, socket_path: str) -> Self:
        """Return a connection to the agent; ``AgentAwayError`` where nobody listens."""
        with contextlib.ExitStack() as on_failure:
            try:
                connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                on_failure.enter_context(connection)
                connection.settimeout(_CONNECT_WITHIN_S)
                connection.connect(socket_path)
                connection.setblocking(False)
            except OSError as error:
                message = f"no agent at {socket_path} ({error.strerror or error})"
                raise AgentAwayError(message) from error
            on_failure.pop_all()
        return cls(connection)

    def fileno(self) -> int:
        """Return the descriptor to wait at for answers."""
        return self._socket.fileno()

    def send(self, messages: list[TenantMessage]) -> None:
        """Send the messages, one a line; ``AgentAwayError`` where the agent does not take them."""
        lines = b"".join(message.model_dump_json().encode() + b"\n" for message in messages)
        try:
            self._socket.sendall(lines)
        except OSError as error:
            raise _broken(error.strerror or str(error)) from error

    def answers(self) -> list[AgentAnswer]:
        """Return what has arrived; ``AgentAwayError`` where no more will, or it is unreadable."""
        try:
            read = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return []
        except OSError as error:
            raise _broken(error.strerror or str(error)) from error
        if not read:
            message = "the agent hung up"
            raise AgentAwayError(message)
        *lines, self._unread = (self._unread + read).split(b"\n")
        if len(self._unread) > MOST_ANSWER_BYTES:
            raise _broken("endless line")
        try:
            return [TO_TENANT.validate_json(line) for line in lines]
        except ValidationError as error:
            raise _broken("unreadable line") from error

    def hang_up(self) -> None:
        """End the connection, also where a forked child still holds a copy of its socket."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def leave_to_parent(self) -> None:
        """Close this forked process's copy of the socket; the connection stays the parent's."""
        self._socket.close()


def _broken(why: str) -> AgentAwayError:
    return AgentAwayError(f"the connection to the agent broke: {why}")
