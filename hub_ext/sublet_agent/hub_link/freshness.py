"""How old is what the hub service says, by this machine's clock alone.

Each assignment names the last status that the service had when it was made. It is as old as that
status at most: whoever keeps a message back, or sends a recorded one, makes nothing newer.
"""

import secrets
from collections import deque
from typing import Final

GREETING: Final = -1
"""What the service had where it had no status of this connection yet: the greeting."""


def new_nonce() -> str:
    """Return 128 random bits as hexadecimal digits."""
    return secrets.token_hex(16)


class SentStatuses:
    """When the greeting and each status of a connection were sent.

    Times are of the monotonic clock, in seconds. Those longer ago than ``remembered_s`` are
    forgotten.
    """

    def __init__(self, greeted_at: float, remembered_s: float) -> None:
        self._remembered_s = remembered_s
        self._sent: deque[tuple[int, float]] = deque([(GREETING, greeted_at)])

    def note(self, sequence: int, now: float) -> None:
        """Remember that a status is sent."""
        self._sent.append((sequence, now))
        while len(self._sent) > 1 and self._sent[0][1] < now - self._remembered_s:
            self._sent.popleft()

    def sent_at(self, sequence: int) -> float | None:
        """Return when a status was sent; ``None``: longer ago than is remembered, or never."""
        # From the newest: one of the last few is what the service heard.
        return next((at for sent, at in reversed(self._sent) if sent == sequence), None)
