"""The body of a request: kept only of who was let in, and only as much as its route takes.

tornado reads a body when ``prepare`` is over. What a stranger sends after its headers is thrown
away as it comes, up to a few KiB, so that the connection serves on; beyond that it is not read at
all, and the connection ends with the answer.
"""

from typing import Any, Final

from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError

from sublet_hub.errors import TooManyRequestsError
from sublet_hub.security.byte_room import ByteRoom, Promise, RoomsByKind

LARGEST_BODY: Final = 1024 * 1024
STRANGERS_BODY: Final = 16 * 1024
BODY_WITHIN_S: Final = 30
_STRANGERS_WITHIN_S: Final = 5
_MOST_DIGITS: Final = 19
"""A length in bytes of 64 bits has no more."""


class RequestBody:
    """The body that comes with a request, in bounded memory."""

    def __init__(self, request: HTTPServerRequest) -> None:
        self._connection: Any = request.connection
        self._declared = _declared_bytes(request)
        self._chunks = bytearray()
        self._most = 0
        self._promised: tuple[ByteRoom, Promise] | None = None
        self._given_up = False
        self.is_too_long = False

    def expect(self, most: int, rooms: RoomsByKind, caller: str) -> None:
        """Keep what comes, up to so many bytes. ``HTTPError``, ``TooManyRequestsError``."""
        if self._declared is not None and self._declared > most:
            raise too_long(self._declared, most)
        size = most if self._declared is None else self._declared
        room = rooms.of(caller)
        self._promised = (room, room.promise(caller, size, self._give_up))
        self._most = most
        # More than the route takes is still taken off the connection, for an answer that says so.
        self._connection.set_max_body_size(max(most, LARGEST_BODY))

    def throw_away(self, *, let_in: bool) -> bool:
        """Keep nothing of what comes; return whether all of it can be read before the answer."""
        self.free()
        most = LARGEST_BODY if let_in else STRANGERS_BODY
        self._connection.set_max_body_size(most)
        if not let_in:
            self._connection.set_body_timeout(_STRANGERS_WITHIN_S)
        return self._declared is None or self._declared <= most

    def take(self, chunk: bytes) -> None:
        """Keep a part of the body, or none of it any more where it is too long."""
        if len(self._chunks) + len(chunk) > self._most:
            self.is_too_long = self._most > 0
            self._chunks.clear()
            self._most = 0
        else:
            self._chunks += chunk

    def whole(self, most: int) -> bytes:
        """Return what came.

        ``HTTPError`` where that was more than the route takes, ``TooManyRequestsError`` where its
        room was needed for others.
        """
        if self._given_up:
            message = "this was one of too many bytes of yours under way at once: send it again"
            raise TooManyRequestsError(message, retry_after_s=2)
        if self.is_too_long:
            raise too_long(None, most)
        return bytes(self._chunks)

    def free(self) -> None:
        """Forget what came, and give its room to others."""
        self._chunks.clear()
        self._most = 0
        if self._promised is not None:
            room, promise = self._promised
            self._promised = None
            room.free(promise)

    def _give_up(self) -> None:
        """Keep nothing more of what comes: it is read to its end, and then refused."""
        self._given_up = True
        self.free()


def too_long(declared: int | None, most: int) -> HTTPError:
    """Return the error for a body of more bytes than the route takes."""
    told = "too many" if declared is None else str(declared)
    return HTTPError(413, log_message=f"the body has {told} bytes: at most {most}")


def _declared_bytes(request: HTTPServerRequest) -> int | None:
    """Return how long the body is by its header; 0 without one, ``None`` where nobody says."""
    if "Transfer-Encoding" in request.headers:
        return None
    text = request.headers.get("Content-Length", "0")
    # What is no number tornado refuses when it comes to the body.
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else None
