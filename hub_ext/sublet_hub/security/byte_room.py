"""Room for the bytes of requests and answers under way: a share for each caller, bounded in all.

Who was let in may send or read slowly, and many at once. When all room is taken, whoever has the
most gives some of it up for a caller who has less: however many agree to take all of it, each of
them has to hold as little as the one whom they would keep out. The hub and its services have room
of their own, which no number of users takes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sublet_hub.errors import TooManyRequestsError

_MOST_OF_A_CALLER: Final = 8 * 1024 * 1024
_MOST: Final = 80 * 1024 * 1024
_MOST_OF_SERVICES: Final = 16 * 1024 * 1024
_A_USER: Final = "user:"
_RETRY_S: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Promise:
    """The room of one request or answer, until that is over or gives it up."""

    caller: str
    size: int
    give_up: Callable[[], None]


@dataclass(slots=True)
class _OfCaller:
    size: int = 0
    promises: dict[Promise, None] = field(default_factory=dict)
    """Those of the longest ago first."""


class ByteRoom:
    """The bytes promised to what is under way."""

    def __init__(self, most: int = _MOST, most_of_a_caller: int = _MOST_OF_A_CALLER) -> None:
        self._most = most
        self.most_of_a_caller = most_of_a_caller
        self._callers: dict[str, _OfCaller] = {}
        self._promised = 0

    @property
    def promised(self) -> int:
        """The bytes promised altogether."""
        return self._promised

    def promise(self, caller: str, size: int, give_up: Callable[[], None]) -> Promise:
        """Promise so many bytes to a request of this caller's. ``TooManyRequestsError``.

        ``give_up`` is called when the promise is taken back for somebody who has less.
        """
        own = self._callers.get(caller)
        after = size if own is None else own.size + size
        if after > self.most_of_a_caller:
            message = "too many bytes of yours are under way at once: try again"
            raise TooManyRequestsError(message, retry_after_s=_RETRY_S)
        while self._promised + size > self._most:
            largest = max(self._callers.values(), key=lambda each: each.size, default=None)
            if largest is None or largest.size <= after:
                message = "too many bytes are under way at once: try again"
                raise TooManyRequestsError(message, retry_after_s=_RETRY_S)
            victim = max(largest.promises, key=lambda each: each.size)
            self.free(victim)
            victim.give_up()
        promise = Promise(caller, size, give_up)
        own = self._callers.setdefault(caller, _OfCaller())
        own.promises[promise] = None
        own.size += size
        self._promised += size
        return promise

    def free(self, promise: Promise) -> None:
        """Take a promise back, if it still is one: the bytes were taken, or will not come."""
        own = self._callers.get(promise.caller)
        if own is None or promise not in own.promises:
            return
        del own.promises[promise]
        own.size -= promise.size
        self._promised -= promise.size
        if not own.promises:
            del self._callers[promise.caller]


class RoomsByKind:
    """Room for users, and room for the hub and its services."""

    def __init__(self, users: ByteRoom | None = None) -> None:
        self._users = users or ByteRoom()
        self._services = ByteRoom(_MOST_OF_SERVICES)

    @property
    def promised(self) -> int:
        """The bytes promised in both."""
        return self._users.promised + self._services.promised

    def of(self, caller: str) -> ByteRoom:
        """Return the room of a caller who was let in, by kind and name (``user:ada``)."""
        return self._users if caller.startswith(_A_USER) else self._services
