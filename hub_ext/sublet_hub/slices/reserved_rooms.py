"""Room for reservations that begin soon is called back in time, and kept for a while.

How long the slices on a card take to leave is reckoned from what their agents say that they hold,
by the rate that was measured there. Who is called back is told for whom, and from when on.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.document.lookups.reservations import Coming
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.placement.reserved_room import KEPT_FOR, ReservedRoom, kept_for, reserved_room
from sublet_quota.reasons.quota_changes import reserved_words
from sublet_quota.reasons.ranks import from_words
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, EventRecord, SliceRecord
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.fleet import Fleet

LOOKED_AT_EVERY: Final = timedelta(seconds=20)
"""How often it is reckoned who makes way: with many slices that takes as long as another document.
"""
_USUAL_MIB_PER_S: Final = 1700


class ReservedRooms:
    """The room of reservations that begin soon."""

    def __init__(
        self, ledger: Ledger, fleet: Fleet, capacity: Capacity, now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._fleet = fleet
        self._capacity = capacity
        self._now = now
        self._kept: dict[GpuId, ReservedRoom] = {}
        self._again_at: datetime | None = None

    def call_back_due(self) -> None:
        """Call borrowed slices back whose room must be moved by now."""
        now = self._now()
        if self._again_at is not None and now < self._again_at:
            return
        dues = [now + LOOKED_AT_EVERY]
        kept = {gpu_id: each for gpu_id, each in self._kept.items() if now < each.begin + KEPT_FOR}
        for room in reserved_room(self._capacity.holdings, now):
            due = room.due_at(self._moving(room.gpu_id, room.slices))
            if due > now:
                dues.append(due)
                continue
            kept[room.gpu_id] = room
            if room.slices:
                self._call_back(room, now)
        self._kept = kept
        holdings = self._capacity.holdings
        holdings.kept_cards = {gpu_id: each.group for gpu_id, each in kept.items()}
        self._again_at = min(dues)

    def is_kept(self, record: SliceRecord) -> bool:
        """Whether the room that a called-back slice left is kept for a reservation."""
        return self._kept_for(record) is not None

    def reserved_from(self, record: SliceRecord) -> str | None:
        """Return from when on a called-back slice's room is reserved, as its owner is told."""
        found = self._kept_for(record)
        return None if found is None else _from(found)

    def _kept_for(self, record: SliceRecord) -> Coming | None:
        if record.called_back_since is None or record.called_back_for is None:
            return None
        document = self._capacity.holdings.document
        return kept_for(document, record.called_back_for, self._now())

    def _moving(self, gpu_id: GpuId, slices: tuple[SliceId, ...]) -> timedelta:
        """Return how long these slices take to leave a card, one after another."""
        card = self._fleet.gpu_report(gpu_id)
        rate = _USUAL_MIB_PER_S if card is None else card.suspend_mib_per_s
        return timedelta(seconds=sum(map(self._held_mib, slices)) / rate)

    def _held_mib(self, slice_id: SliceId) -> int:
        """Return what a slice holds, at most its cap where its agent does not say."""
        report = self._fleet.report(slice_id)
        if report is not None and report.memory_told:
            return report.memory_mib
        return self._ledger.slices[slice_id].memory_mib

    def _call_back(self, room: ReservedRoom, now: datetime) -> None:
        slices: list[SliceRecord] = []
        events: list[EventRecord] = []
        found = kept_for(self._capacity.holdings.document, room.group, now)
        words = reserved_words(room.group, "soon" if found is None else _from(found))
        for slice_id in room.slices:
            before = self._ledger.slices[slice_id]
            after = replace(before, called_back_since=now, called_back_for=room.group)
            slices.append(after)
            events.append(slice_event(EventKind.SLICE_CALLED_BACK, after, now, words))
        self._ledger.apply(Change(slices=tuple(slices), events=tuple(events)), now)


def _from(found: Coming) -> str:
    return from_words(found.begin.astimezone(found.reservation.zone))
