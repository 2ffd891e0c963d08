"""The answers that nobody has read yet: for a minute, and with so many bytes a caller.

An answer that its reader does not take lies in this process's memory. Who reads nothing, on many
connections, would fill that with answers to the cheapest of requests. When the room is full, who
has the most unread loses the oldest of it, with its connection. Strangers, who can make addresses
up, have less room, of their own, and so have the hub and its services.
"""

from dataclasses import dataclass
from typing import Final

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

from sublet_hub.errors import TooManyRequestsError
from sublet_hub.security.byte_room import ByteRoom, Promise, RoomsByKind

_READ_WITHIN_S: Final = 60.0
_MOST_OF_STRANGERS: Final = 32 * 1024 * 1024
_MOST_OF_A_STRANGER: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Unsent:
    room: ByteRoom
    promise: Promise
    patience: object


class UnsentAnswers:
    """The answers that are being sent, by connection."""

    def __init__(
        self, users: ByteRoom | None = None, read_within_s: float = _READ_WITHIN_S
    ) -> None:
        self._rooms = RoomsByKind(users)
        self._strangers = ByteRoom(_MOST_OF_STRANGERS, _MOST_OF_A_STRANGER)
        self._read_within_s = read_within_s
        self._unsent: dict[IOStream, _Unsent] = {}

    @property
    def promised(self) -> int:
        """The bytes of all of them."""
        return self._rooms.promised + self._strangers.promised

    def note(self, stream: IOStream, caller: str | None, address: str, size: int) -> None:
        """Note the answer that has begun; end the connection of who has too many unread ones.

        ``caller`` is ``None`` for a stranger, who shares with others at the same address.
        """
        if not stream.writing():
            return
        who = address if caller is None else caller
        room = self._strangers if caller is None else self._rooms.of(caller)
        # One answer, however long, is not too many.
        size = min(size, room.most_of_a_caller)
        try:
            promise = room.promise(who, size, stream.close)
        except TooManyRequestsError:
            stream.close()
            return
        patience = IOLoop.current().call_later(self._read_within_s, stream.close)
        self._unsent[stream] = _Unsent(room, promise, patience)

    def is_over(self, stream: IOStream) -> None:
        """Note that the answer on this connection was taken, or that the connection is closed."""
        unsent = self._unsent.pop(stream, None)
        if unsent is not None:
            IOLoop.current().remove_timeout(unsent.patience)
            unsent.room.free(unsent.promise)
