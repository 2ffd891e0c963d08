"""Room for the bytes of requests and answers under way: a share for each caller, bounded in all.

Who was let in may send or read slowly, and many at once: what one takes leaves room to others.
"""

from collections import Counter
from typing import Final

from sublet_hub.errors import TooManyRequestsError

_MOST_OF_A_CALLER: Final = 8 * 1024 * 1024
_MOST: Final = 96 * 1024 * 1024


class ByteRoom:
    """The bytes promised to what is under way."""

    def __init__(self, most: int = _MOST, most_of_a_caller: int = _MOST_OF_A_CALLER) -> None:
        self._most = most
        self.most_of_a_caller = most_of_a_caller
        self._of_caller: Counter[str] = Counter()
        self._promised = 0

    @property
    def promised(self) -> int:
        """The bytes promised altogether."""
        return self._promised

    def promise(self, caller: str, size: int) -> None:
        """Promise so many bytes to a request of this caller's. ``TooManyRequestsError``."""
        if self._of_caller[caller] + size > self.most_of_a_caller:
            message = "too many bytes of yours are under way at once: try again"
            raise TooManyRequestsError(message, retry_after_s=2)
        if self._promised + size > self._most:
            message = "too many bytes are under way at once: try again"
            raise TooManyRequestsError(message, retry_after_s=2)
        self._of_caller[caller] += size
        self._promised += size

    def free(self, caller: str, size: int) -> None:
        """Take a promise back: the bytes were taken, or will not come."""
        self._promised -= size
        self._of_caller[caller] -= size
        if self._of_caller[caller] <= 0:
            del self._of_caller[caller]
