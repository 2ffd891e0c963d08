"""Which slices have come to another card lately, and when: their owners are told for an hour.

The ledger keeps where a slice came from, for as long as it may go back there. When it came is known
from that change; after a start of the service, from the event of the agent that brought it there.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.database import EventQuery
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, SliceRecord

TOLD_FOR: Final = timedelta(hours=1)
_MOST_READ: Final = 20_000


class MovedSlices:
    """When each slice came to the card that it is on."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._now = now
        self._came: dict[SliceId, tuple[GpuId, datetime]] = {}
        query = EventQuery(now() - TOLD_FOR, None, _MOST_READ, EventKind.CARD_CHANGED)
        for event in ledger.events(query):
            slice_id = SliceId(event.slice_id or "")
            if slice_id in ledger.slices:
                # An agent may tell of times to come.
                self._came[slice_id] = GpuId(event.gpu_id or ""), min(event.at, now())
        self._cards = {each.slice_id: each.gpu.gpu_id for each in ledger.slices.values()}
        ledger.listen(self._ledger_changed)

    def came_at(self, record: SliceRecord) -> datetime | None:
        """Return when a slice came from its ``came_from``; ``None``: from none, or long ago."""
        gpu_id, at = self._came.get(record.slice_id, (None, None))
        is_there = record.came_from is not None and gpu_id == record.gpu.gpu_id
        return at if is_there and at is not None and self._now() - at < TOLD_FOR else None

    def _ledger_changed(self, change: Change) -> None:
        for slice_id in change.released:
            self._came.pop(slice_id, None)
            self._cards.pop(slice_id, None)
        for record in change.slices:
            before = self._cards.get(record.slice_id)
            self._cards[record.slice_id] = record.gpu.gpu_id
            if before is not None and before != record.gpu.gpu_id:
                self._came[record.slice_id] = record.gpu.gpu_id, self._now()
