"""How long slices stay away that were called back again and again: none goes back and forth.

Who was called back once comes back as soon as there is room. Called back again within ten minutes,
a slice waits before it comes back, twice as long each time. One that is entitled by now has its
place at once: nobody calls that back.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.names.ids import SliceId
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.database import EventQuery
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change

WITHIN: Final = timedelta(minutes=10)
"""Calls that are so far apart do not belong together; nor does a pause last longer."""
FIRST_PAUSE: Final = timedelta(seconds=30)
_MOST_READ: Final = 20_000


class ReturnPauses:
    """When each slice was called back lately, also before the service was started."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._now = now
        self._called: defaultdict[SliceId, list[datetime]] = defaultdict(list)
        query = EventQuery(now() - 2 * WITHIN, None, _MOST_READ, EventKind.SLICE_CALLED_BACK)
        for event in ledger.events(query):
            slice_id = SliceId(event.slice_id or "")
            if slice_id in ledger.slices:
                self._note(slice_id, event.at)
        ledger.listen(self._ledger_changed)

    def back_at(self, slice_id: SliceId) -> datetime | None:
        """Return before when a slice does not come back; ``None``: it may at once."""
        calls = self._called.get(slice_id)
        if calls is None:
            return None
        often = sum(at > calls[-1] - WITHIN for at in calls)
        if often == 1:
            return None
        until = calls[-1] + min(WITHIN, FIRST_PAUSE * 2 ** (often - 2))
        return until if self._now() < until else None

    def _ledger_changed(self, change: Change) -> None:
        for slice_id in change.released:
            self._called.pop(slice_id, None)
        for record in change.slices:
            if record.called_back_since is not None:
                self._note(record.slice_id, record.called_back_since)

    def _note(self, slice_id: SliceId, at: datetime) -> None:
        calls = self._called[slice_id]
        if at not in calls:
            calls.append(at)
        self._called[slice_id] = [each for each in calls if each > at - WITHIN]
