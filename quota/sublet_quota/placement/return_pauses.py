"""How long slices stay away that were called back again and again: none goes back and forth.

Who was called back once comes back as soon as there is room. Called back again within ten minutes,
a slice waits before it comes back, twice as long each time. One that is entitled by now has its
place at once: nobody calls that back. A job that a slice holds back below a limit pauses alike: a
server that is started and stopped again and again would have its memory go back and forth.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.names.ids import SliceId

WITHIN: Final = timedelta(minutes=10)
"""Calls that are so far apart do not belong together; nor does a pause last longer."""
FIRST_PAUSE: Final = timedelta(seconds=30)


class ReturnPauses:
    """When each slice was called back, or held back, lately."""

    def __init__(self) -> None:
        self._called: dict[SliceId, list[datetime]] = {}

    def note(self, slice_id: SliceId, at: datetime) -> None:
        """Note that a slice lost its place; told of the same time twice, nothing is new."""
        calls = self._called.setdefault(slice_id, [])
        if at not in calls:
            calls.append(at)
        self._called[slice_id] = [each for each in calls if each > at - WITHIN]

    def forget(self, slice_id: SliceId) -> None:
        """Forget a slice that is there no more."""
        self._called.pop(slice_id, None)

    def back_at(self, slice_id: SliceId, now: datetime) -> datetime | None:
        """Return before when a slice does not come back; ``None``: it may at once."""
        calls = self._called.get(slice_id)
        if calls is None:
            return None
        often = sum(at > calls[-1] - WITHIN for at in calls)
        if often == 1:
            return None
        until = calls[-1] + min(WITHIN, FIRST_PAUSE * 2 ** (often - 2))
        return until if now < until else None

    def pausing(self, slices: Iterable[SliceId], now: datetime) -> frozenset[SliceId]:
        """Return which of these slices do not come back yet."""
        return frozenset(one for one in slices if self.back_at(one, now) is not None)
