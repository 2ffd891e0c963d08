"""The pauses of slices that lost their place again and again, also from before the service began.

What they are follows from when that was (``placement.return_pauses``), which the ledger knows.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from sublet_quota.names.ids import SliceId
from sublet_quota.placement.return_pauses import WITHIN
from sublet_quota.placement.return_pauses import ReturnPauses as Pauses
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.database import EventQuery
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change

_MOST_READ: Final = 20_000


class ReturnPauses:
    """When each slice lost its place lately, also before the service was started."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._now = now
        self._pauses = Pauses()
        for kind in (EventKind.SLICE_CALLED_BACK, EventKind.JOB_HELD_BACK):
            for event in ledger.events(EventQuery(now() - 2 * WITHIN, None, _MOST_READ, kind)):
                slice_id = SliceId(event.slice_id or "")
                if slice_id in ledger.slices:
                    self._pauses.note(slice_id, event.at)
        ledger.listen(self._ledger_changed)

    def back_at(self, slice_id: SliceId) -> datetime | None:
        """Return before when a slice does not come back, or go on; ``None``: it may at once."""
        return self._pauses.back_at(slice_id, self._now())

    def pausing(self, slices: Iterable[SliceId]) -> frozenset[SliceId]:
        """Return which of these slices do not come back, or go on, yet."""
        return self._pauses.pausing(slices, self._now())

    def _ledger_changed(self, change: Change) -> None:
        for slice_id in change.released:
            self._pauses.forget(slice_id)
        for record in change.slices:
            for since in (record.called_back_since, record.held_back_since):
                if since is not None:
                    self._pauses.note(record.slice_id, since)
