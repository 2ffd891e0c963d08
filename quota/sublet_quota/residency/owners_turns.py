"""What is remembered of an owner's turns when a slice of theirs ends, so that a restart gains none.

A slice that is new is a newcomer's, and a newcomer soon has a turn. Who restarts a server would be
one each time, and those who waited meanwhile would come after them again and again. So the turns
of the slice that ended go on with the next one of the same owner, until a rest has made its owner a
newcomer anyway.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.residency.turns import PastTurns

_KEPT: Final = timedelta(days=1)
"""Longer than anybody's turn, after which a rest makes a newcomer."""


class OwnersTurns:
    """The turns that owners had on a node with slices that are gone, by owner's name."""

    def __init__(self) -> None:
        self._past: dict[str, PastTurns] = {}

    def __len__(self) -> int:
        return len(self._past)

    def slice_ends(self, owner: str, past: PastTurns, now: datetime) -> None:
        """Remember a slice's turns as it ends, those of its owner's slice that worked last."""
        for name in [n for n, each in self._past.items() if _worked_before(each, now - _KEPT)]:
            del self._past[name]
        known = self._past.get(owner)
        if past.worked_until is None or (known and not _worked_before(known, past.worked_until)):
            return
        self._past[owner] = replace(past, came_at=None)

    def of_next(self, owner: str) -> PastTurns:
        """Return what of its owner's past the next turn of a new slice hangs on."""
        return self._past.get(owner, PastTurns())


def _worked_before(past: PastTurns, when: datetime) -> bool:
    return past.worked_until is not None and past.worked_until <= when
