"""How long turns of computing really were, beside how long they were to be.

On a busy machine whoever switches is woken late, and the driver may take its time. What one turn
so has too much is owed to the others, whose next turns are longer for it; and whoever judges how
slices use their turns is told which part of a second they had, not which was meant for them.
All methods may be called from any thread.
"""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

from sublet_quota.compute.turns import Round, Turn
from sublet_quota.names.ids import SliceId

_KEPT_S: Final = 10.0
_CHANGED_AT_MOST: Final = 2.0
"""A turn is so many times as long as meant at the most, and its inverse at the least."""
_OWED_AT_MOST_S: Final = 1.0
"""What stands still for longer than a moment is nothing to make up for."""


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A turn that was taken, in seconds of a monotonic clock."""

    slice_id: SliceId | None
    began_s: float
    """When whose turn it is was let run."""
    alone_from_s: float | None
    """When all stood still whose turn it was not; ``None``: somebody could not be paused."""
    ended_s: float
    """When the next one was let run."""
    beside: frozenset[SliceId] = frozenset()
    """Who ran beside, as it was their open turn, too."""

    @property
    def who(self) -> frozenset[SliceId]:
        """The slices that ran."""
        return self.beside if self.slice_id is None else self.beside | {self.slice_id}


class TurnTimes:
    """The turns of the last seconds on one card, and what is owed for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._past: deque[PastTurn] = deque()
        self._owed_s: dict[SliceId | None, float] = {}

    def lasts_s(self, turn: Turn) -> float:
        """Return how long a turn is to be, with what is owed to it or by it, in seconds."""
        meant_s = turn.lasts.total_seconds()
        with self._lock:
            owed_s = self._owed_s.get(turn.slice_id, 0.0)
        return min(meant_s * _CHANGED_AT_MOST, max(meant_s / _CHANGED_AT_MOST, meant_s + owed_s))

    def note(self, past: PastTurn, meant_s: float, taken: Round) -> None:
        """Note a turn that was taken, which was to last so long."""
        more_s = past.ended_s - past.began_s - meant_s
        parts: dict[SliceId | None, float] = dict(taken.parts.items())
        parts[None] = taken.idle_part
        with self._lock:
            self._past.append(past)
            while self._past[0].ended_s < past.ended_s - _KEPT_S:
                self._past.popleft()
            owed_s = {
                who: self._owed_s.get(who, 0.0) + part * more_s for who, part in parts.items()
            }
            owed_s[past.slice_id] = owed_s.get(past.slice_id, 0.0) - more_s
            self._owed_s = {
                who: max(-_OWED_AT_MOST_S, min(_OWED_AT_MOST_S, each))
                for who, each in owed_s.items()
            }

    def taken_s(self, since_s: float, until_s: float) -> float:
        """Return for how long turns were taken between two times, switches included, in seconds."""
        with self._lock:
            inside = (
                min(past.ended_s, until_s) - max(past.began_s, since_s) for past in self._past
            )
            return sum(each for each in inside if each > 0)

    def had_s(self, since_s: float, until_s: float) -> dict[SliceId, float]:
        """Return for how long each slice had its turn between two times, in seconds.

        As far as all stood still then whose turn it was not.
        """
        had: dict[SliceId, float] = {}
        with self._lock:
            for past in self._past:
                if past.alone_from_s is None:
                    continue
                inside_s = min(past.ended_s, until_s) - max(past.alone_from_s, since_s)
                for each in past.who:
                    had[each] = had.get(each, 0.0) + max(0.0, inside_s)
        return had
