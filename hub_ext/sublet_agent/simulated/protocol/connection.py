"""A blocking connection to the simulated GPUs: one request at a time, safe to interrupt.

An exception in the middle of a request (a ``KeyboardInterrupt``, say) closes the connection, so a
late reply is never taken for another's; the next request connects anew.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Mapping
from typing import Final

from sublet_agent.simulated.protocol.errors import DeviceGoneError, error_of
from sublet_agent.simulated.protocol.wire import (
    LENGTHS_BYTES,
    MOST_REPLY_BYTES,
    FrameError,
    pack_frame,
    unpack_lengths,
    unpack_message,
)


class Connection:
    """A connection to the daemon; used by one thread at a time."""

    def __init__(self, path: str) -> None:
        self._path: Final = path
        self._socket: socket.socket | None = None
        self._pid: Final = os.getpid()
        self._next_id = 0

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens it again.

        A forked child has a copy of it: it closes that without ending the parent's.
        """
        if self._socket is not None:
            if self._pid == os.getpid():
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None

    def request(
        self, verb: str, payload: bytes | memoryview = b"", **fields: object
    ) -> tuple[dict[str, object], bytes]:
        """Send a request, wait for the answer, and return its fields with its bytes.

        Raises a ``SimulatedGpuError``; ``DeviceGoneError`` where the daemon does not answer.
        """
        self._next_id += 1
        try:
            connected = self._connected()
            head = pack_frame({"id": self._next_id, "verb": verb, **fields}, bytes(payload))
            connected.sendall(head)
            reply, data = self._receive(connected)
        except (OSError, FrameError) as error:
            self.close()
            message = f"the simulated GPUs at {self._path} do not answer: {error}"
            raise DeviceGoneError(message) from error
        except BaseException:
            self.close()
            raise
        code = reply.get("error")
        if isinstance(code, int):
            raise error_of(code, str(reply.get("message")))
        result = reply.get("ok")
        return (result if isinstance(result, dict) else {}), data

    def _connected(self) -> socket.socket:
        if self._socket is None:
            opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                opened.connect(self._path)
            except BaseException:
                opened.close()
                raise
            self._socket = opened
        return self._socket

    def _receive(self, connected: socket.socket) -> tuple[dict[str, object], bytes]:
        head = _exactly(connected, LENGTHS_BYTES)
        message_bytes, payload_bytes = unpack_lengths(head, MOST_REPLY_BYTES)
        reply = unpack_message(_exactly(connected, message_bytes))
        return reply, _exactly(connected, payload_bytes)


def _exactly(connected: socket.socket, length: int) -> bytes:
    received = bytearray(length)
    view = memoryview(received)
    while view:
        count = connected.recv_into(view)
        if not count:
            problem = "it closed the connection"
            raise FrameError(problem)
        view = view[count:]
    return bytes(received)


class ThreadConnections:
    """A connection for each thread, made at its first request, and anew in a forked child."""

    def __init__(self, path: str) -> None:
        self.path: Final = path
        self._local = threading.local()

    def request(
        self, verb: str, payload: bytes | memoryview = b"", **fields: object
    ) -> tuple[dict[str, object], bytes]:
        """Send a request over the calling thread's connection; return the answer with its bytes."""
        return self._own().request(verb, payload, **fields)

    def ask(self, verb: str, **fields: object) -> Mapping[str, object]:
        """Send a request over the calling thread's connection; return the answer's fields."""
        return self.request(verb, b"", **fields)[0]

    def close(self) -> None:
        """Close the calling thread's connection."""
        self._own().close()

    def _own(self) -> Connection:
        own: Connection | None = getattr(self._local, "connection", None)
        if own is None or self._local.pid != os.getpid():
            own = Connection(self.path)
            self._local.connection = own
            self._local.pid = os.getpid()
        return own
