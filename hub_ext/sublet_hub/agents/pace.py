"""How soon an agent's next message is read: none is given more than a part of the time.

To read and take in a message of the largest size takes a good part of a second, in which nobody
else is served; and each event is stored for months. After a message its agent's next one rests four
times as long as that took, 2 s at most. So many small ones get a quarter of the time together,
larger ones a fifth, and those that take a second each a third: of what took longer than 2 s can
make up for, nothing is held against an agent, for mostly that was a machine that stood still.
Honest agents never wait: they say little.
"""

from typing import Final

_REST_PER_WORK: Final = 4.0
_EVENT_S: Final = 0.002
"""The rest that is due for an event: so 500 of one agent's are stored in a second, at most."""
_AT_ONCE_S: Final = 0.1
"""So much of it is not waited for."""
_MOST_S: Final = 2.0
"""Much less than an agent may be silent, or its connection without an answer to a ping."""


class MessagePace:
    """The pace of one agent's messages."""

    def __init__(self) -> None:
        self._free_at_s = 0.0

    def rest_s(self, took_s: float, events: int, now_s: float) -> float:
        """Return for how long to read nothing after a message that took so long to take in."""
        due_s = min(_MOST_S, _REST_PER_WORK * took_s + _EVENT_S * events)
        self._free_at_s = max(self._free_at_s, now_s) + due_s
        ahead_s = self._free_at_s - now_s
        return min(_MOST_S, ahead_s) if ahead_s > _AT_ONCE_S else 0.0
