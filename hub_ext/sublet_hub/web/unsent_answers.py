"""The answers that nobody has read yet: for a minute, and with so many bytes a caller.

An answer that its reader does not take lies in this process's memory. Who reads nothing, on many
connections, would fill that with answers to the cheapest of requests. Strangers, who can make
addresses up, have less room, of their own.
"""

from dataclasses import dataclass
from typing import Final

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

from sublet_hub.errors import TooManyRequestsError
from sublet_hub.security.byte_room import ByteRoom

_READ_WITHIN_S: Final = 60.0
_MOST_OF_STRANGERS: Final = 32 * 1024 * 1024
_MOST_OF_A_STRANGER: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Unsent:
    room: ByteRoom
    caller: str
    size: int
    patience: object


class UnsentAnswers:
    """The answers that are being sent, by connection."""

    def __init__(self, room: ByteRoom | None = None, read_within_s: float = _READ_WITHIN_S) -> None:
        self._room = room or ByteRoom()
        self._strangers = ByteRoom(_MOST_OF_STRANGERS, _MOST_OF_A_STRANGER)
        self._read_within_s = read_within_s
        self._unsent: dict[IOStream, _Unsent] = {}

    @property
    def promised(self) -> int:
        """The bytes of all of them."""
        return self._room.promised + self._strangers.promised

    def note(self, stream: IOStream, caller: str | None, address: str, size: int) -> None:
        """Note the answer that has begun; end the connection of who has too many unread ones.

        ``caller`` is ``None`` for a stranger, who shares with others at the same address.
        """
        if not stream.writing():
            return
        room, who = (self._room, caller) if caller is not None else (self._strangers, address)
        # One answer, however long, is not too many.
        size = min(size, room.most_of_a_caller)
        try:
            room.promise(who, size)
        except TooManyRequestsError:
            stream.close()
            return
        patience = IOLoop.current().call_later(self._read_within_s, stream.close)
        self._unsent[stream] = _Unsent(room, who, size, patience)

    def is_over(self, stream: IOStream) -> None:
        """Note that the answer on this connection was taken, or that the connection is closed."""
        unsent = self._unsent.pop(stream, None)
        if unsent is not None:
            IOLoop.current().remove_timeout(unsent.patience)
            unsent.room.free(unsent.caller, unsent.size)
