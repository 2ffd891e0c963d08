"""The room for bodies of requests that are being read: a share for each caller, and bounded in all.

Who was let in may send slowly, and many at once: what is promised to one leaves room to others.
"""

from collections import Counter
from typing import Final

from sublet_hub.errors import TooManyRequestsError

_MOST_OF_A_CALLER: Final = 8 * 1024 * 1024
_MOST: Final = 96 * 1024 * 1024


class BodyRoom:
    """The bytes promised to bodies that are under way."""

    def __init__(self, most: int = _MOST, most_of_a_caller: int = _MOST_OF_A_CALLER) -> None:
        self._most = most
        self._most_of_a_caller = most_of_a_caller
        self._of_caller: Counter[str] = Counter()
        self._promised = 0

    @property
    def promised(self) -> int:
        """The bytes promised to all bodies together."""
        return self._promised

    def promise(self, caller: str, size: int) -> None:
        """Promise so many bytes to a body of this caller's. ``TooManyRequestsError``."""
        if self._of_caller[caller] + size > self._most_of_a_caller:
            message = "too many bodies of yours are being read at once: try again"
            raise TooManyRequestsError(message, retry_after_s=2)
        if self._promised + size > self._most:
            message = "too many bodies are being read at once: try again"
            raise TooManyRequestsError(message, retry_after_s=2)
        self._of_caller[caller] += size
        self._promised += size

    def free(self, caller: str, size: int) -> None:
        """Take a promise back: the body was read, or will not come."""
        self._promised -= size
        self._of_caller[caller] -= size
        if self._of_caller[caller] <= 0:
            del self._of_caller[caller]
