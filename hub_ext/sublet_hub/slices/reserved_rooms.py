"""Room for reservations that begin soon is called back in time, and kept for a while.

How long the slices on a card take to leave is reckoned from what their agents say that they hold,
by the rate that was measured there. Who is called back is told for whom, and from when on.

From then on the agents are told how much is to be free on a card, so that it is at the hour: they
suspend jobs on lent room and who borrows there, as far as the rest of the card is too small.

Which cards that will be is reckoned beside the loop on what is held at a moment: of many slices
that takes as long as another document. Who has come to a card, or left it, meanwhile stays as it is
until the next time.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.document.lookups.reservations import Coming, coming
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.as_held import AsHeld
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.placement.reserved_room import (
    LOOK_AHEAD,
    ReservedRoom,
    due_now,
    is_kept,
    is_of,
    kept_for,
    lies_elsewhere,
    reserved_room,
    to_move_mib,
)
from sublet_quota.reasons.quota_changes import reserved_words
from sublet_quota.reasons.ranks import from_words
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, EventRecord, SliceRecord
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.fleet import Fleet

_USUAL_MIB_PER_S: Final = 1700


@dataclass(frozen=True, slots=True)
class _Reckoned:
    """The cards of the reservations that begin soon, and under which document."""

    document: QuotaDocument
    rooms: tuple[ReservedRoom, ...]


class ReservedRooms:
    """The room of reservations that begin soon."""

    def __init__(
        self, ledger: Ledger, fleet: Fleet, capacity: Capacity, now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._fleet = fleet
        self._capacity = capacity
        self._now = now
        self._kept: Mapping[GpuId, ReservedRoom] = {}
        self._again_at: datetime | None = None
        self._looked_under: QuotaDocument | None = None
        """The document by which cards were kept last."""
        self._reckoned: _Reckoned | None = None

    async def prepare(self) -> None:
        """Reckon out beside the loop what ``call_back_due`` acts on, where it is time for that."""
        now, document = self._now(), self._capacity.holdings.document
        is_looked_at = self._again_at is not None and now < self._again_at
        if is_looked_at and document is self._looked_under:
            return
        rooms: tuple[ReservedRoom, ...] = ()
        if coming(document.as_written.reservations, now, LOOK_AHEAD):
            rooms = await asyncio.to_thread(_rooms_of, self._capacity.holdings.as_held(), now)
        self._reckoned = _Reckoned(document, rooms)

    def call_back_due(self) -> None:
        """Call borrowed slices back whose room must be moved by now, as was reckoned out."""
        now, holdings = self._now(), self._capacity.holdings
        reckoned, self._reckoned = self._reckoned, None
        if reckoned is None or reckoned.document is not holdings.document:
            return
        due = due_now(holdings, reckoned.rooms, self._kept, self._moving, now)
        for room in due.begun:
            self._call_back(room, now)
        self._kept = due.kept
        holdings.kept_cards = {gpu_id: each.kept_for for gpu_id, each in due.kept.items()}
        self._again_at, self._looked_under = due.again_at, holdings.document

    def on_card(self, gpu_id: GpuId) -> ReservedRoom | None:
        """Return the room of a card that is to be free now; ``None``: none is."""
        kept = self._kept.get(gpu_id)
        is_so = kept is not None and is_kept(self._capacity.holdings, kept, self._now())
        return kept if is_so else None

    def has_place_of(self, record: SliceRecord) -> bool:
        """Whether a slice has its place in the room that is kept on its card."""
        kept = None if record.is_job else self.on_card(record.gpu.gpu_id)
        if kept is None or record.called_back_since is not None:
            return False
        return is_of(self._capacity.holdings.document, kept, record.group)

    def is_in_the_way(self, record: SliceRecord) -> bool:
        """Whether a job's slice is in room that is kept for others, on no card of its group's."""
        if not record.is_job or self.on_card(record.gpu.gpu_id) is None:
            return False
        holdings = self._capacity.holdings
        holding = holdings.slice(record.slice_id)
        return holding is not None and lies_elsewhere(holdings, holding)

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

    def _moving(self, room: ReservedRoom) -> timedelta:
        """Return how long those take to leave a card who are in the way there."""
        card = self._fleet.gpu_report(room.gpu_id)
        rate = _USUAL_MIB_PER_S if card is None else card.suspend_mib_per_s
        leaving_mib = to_move_mib(self._capacity.holdings, room, self._held_mib)
        # What an agent tells of many may be more than a time span can say.
        return timedelta(seconds=min(LOOK_AHEAD.total_seconds(), leaving_mib / rate))

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
            after = self._ledger.slices[slice_id].without_place(now, room.group)
            slices.append(after)
            events.append(slice_event(EventKind.SLICE_CALLED_BACK, after, now, words))
        self._ledger.apply(Change(slices=tuple(slices), events=tuple(events)), now)


def _rooms_of(held: AsHeld, now: datetime) -> tuple[ReservedRoom, ...]:
    return reserved_room(Holdings.made_under(held, held.document, now, timedelta()), now)


def _from(found: Coming) -> str:
    return from_words(found.begin.astimezone(found.reservation.zone))
