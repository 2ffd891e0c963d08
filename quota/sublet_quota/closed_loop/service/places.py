"""Who has their place again, and for which reservations others make way: what time brings.

Who comes back says ``placement.called_back``, how long one stays away that was called back again
and again ``ReturnPauses``, and which cards are kept for a reservation ``placement.reserved_room``.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sublet_quota.closed_loop.card.reserved_on_card import ReservedOnCard
from sublet_quota.closed_loop.clock import Phase
from sublet_quota.closed_loop.record.records import PlaceChanged
from sublet_quota.closed_loop.service.homes import Homes
from sublet_quota.closed_loop.service.parts import Parts
from sublet_quota.document.lookups.reservations import coming, next_time_of
from sublet_quota.document.sections import Reservation
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.names.ids import SliceId
from sublet_quota.placement.called_back import back_to_their_place
from sublet_quota.placement.reserved_room import (
    LOOK_AHEAD,
    ReservedRoom,
    due_now,
    is_of,
    kept_for,
    reserved_room,
    to_move_mib,
)
from sublet_quota.residency.snapshot import Rank


class Places:
    """The places of slices on their cards."""

    def __init__(self, parts: Parts, changed: Callable[[], None]) -> None:
        """``changed``: others were called back, or may come back by now."""
        self._parts = parts
        self._changed = changed
        self._pauses_end: set[datetime] = set()
        self._look_at: datetime | None = None
        self._homes_at: datetime | None = None
        self._homes = Homes()

    def bring_back(self) -> None:
        """Give slices that were called back their places again, as far as there is room."""
        parts, holdings, now = self._parts, self._parts.holdings, self._parts.clock.now
        away = tuple(each.slice_id for each in holdings.called_back())
        if not away:
            return
        pausing = parts.pauses.pausing(away, now)
        for slice_id in back_to_their_place(holdings, pausing):
            if self._is_kept_away(slice_id):
                continue
            parts.left_for.pop(slice_id, None)
            holdings.mark_called_back(slice_id, called_back=False)
            parts.record.places.append(PlaceChanged(slice_id, now, called_back=False))
        for slice_id in pausing:
            self._again(parts.pauses.back_at(slice_id, now))

    def look_for_homes(self) -> None:
        """Look, once all of this moment has happened, whose home is another card of the node."""
        now = self._parts.clock.now
        if self._homes_at != now:
            self._homes_at = now
            self._parts.clock.at(now, Phase.ROUND, "homes", self._bring_home)

    def _bring_home(self) -> None:
        self._homes_at = None
        self._homes.bring_home(self._parts.holdings, self._may_go, self._parts.go_home)

    def _may_go(self, holding: Holding) -> bool:
        slice_id = holding.slice_id
        if holding.unsuspendable or slice_id in self._parts.cards.changes.to:
            return False
        return self._parts.holdings.is_entitled(slice_id)

    def expect_reservations(self) -> None:
        """Look at what the document in force reserves, from shortly before the next begins."""
        now, document = self._parts.clock.now, self._parts.holdings.document.as_written
        if self._parts.kept:
            self._plan(now)
            return
        begins = (_next_begin(each, now) for each in document.reservations)
        first = min((each for each in begins if each is not None), default=None)
        if first is not None:
            self._plan(max(now, first - LOOK_AHEAD))

    def _plan(self, at: datetime) -> None:
        self._look_at = at
        self._parts.clock.at(at, Phase.ROUND, "reserved", lambda: self._look(at))

    def _look(self, planned: datetime) -> None:
        """Call back whose room must be moved by now, and keep the cards."""
        if planned != self._look_at:
            return
        now, holdings = self._parts.clock.now, self._parts.holdings
        rooms = reserved_room(holdings, now)
        due = due_now(holdings, rooms, self._parts.kept, self._moving, now)
        self._parts.kept = due.kept
        holdings.kept_cards = {gpu_id: each.kept_for for gpu_id, each in due.kept.items()}
        for room in due.begun:
            for slice_id in room.slices:
                self._parts.call_back(slice_id, room.group)
        self._parts.cards.reserve({gpu_id: self._told(each) for gpu_id, each in due.kept.items()})
        if due.begun:
            self._changed()
        if due.kept or coming(holdings.document.as_written.reservations, now, LOOK_AHEAD):
            self._plan(due.again_at)
        else:
            self._changed()
            self.expect_reservations()

    def _told(self, room: ReservedRoom) -> ReservedOnCard:
        """Return what a card's agent is told of the room that is to be free there."""
        return ReservedOnCard(
            room.memory_mib, room.kept_until, lambda each: self._is_own(room, each)
        )

    def _is_own(self, room: ReservedRoom, slice_id: SliceId) -> bool:
        """Whether a slice has its place in the room of a reservation."""
        holdings = self._parts.holdings
        holding = holdings.slice(slice_id)
        if holding is None or not holding.is_notebook or holding.called_back:
            return False
        return is_of(holdings.document, room, holding.group)

    def _moving(self, room: ReservedRoom) -> timedelta:
        """Return how long those take to leave a card who are in the way there."""
        cards, speeds = self._parts.cards, self._parts.manner.speeds
        leaving_mib = to_move_mib(
            self._parts.holdings, room, lambda each: cards.slice(each).held_mib
        )
        return timedelta(seconds=speeds.out_s(leaving_mib))

    def _is_kept_away(self, slice_id: SliceId) -> bool:
        """Whether the room that a slice left is kept for a reservation; not for one that is due."""
        holdings, group = self._parts.holdings, self._parts.left_for.get(slice_id)
        if group is None or holdings.rank(slice_id) is Rank.ENTITLED:
            return False
        return kept_for(holdings.document, group, self._parts.clock.now) is not None

    def _again(self, at: datetime | None) -> None:
        if at is not None and at not in self._pauses_end:
            self._pauses_end.add(at)
            self._parts.clock.at(at, Phase.ENDS, "pause", lambda: self._end_pause(at))

    def _end_pause(self, at: datetime) -> None:
        self._pauses_end.discard(at)
        self._changed()


def _next_begin(reservation: Reservation, now: datetime) -> datetime | None:
    """Return when a reservation begins next, after the time that is on."""
    time = next_time_of(reservation, now)
    if time is not None and time[0] <= now:
        time = next_time_of(reservation, time[1])
    return None if time is None else time[0]
