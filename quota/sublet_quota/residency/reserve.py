"""Room of a GPU that is to be free for a reservation: who leaves ahead of it, and what stays free.

Called-back slices alone leave for it, idle ones first, as few as must; those that fit beside what
the reservation needs run on. It is one move after another, when nobody with a seat lacks room. What
the reservation's own slices take already counts as free for it. Where nothing is reserved none of
this decides anything.
"""

from collections.abc import Collection

from sublet_quota.names.ids import SliceId
from sublet_quota.residency.candidates import (
    RoomMaking,
    SuspendCandidate,
    choose_candidates,
    list_candidates,
)
from sublet_quota.residency.room import Room
from sublet_quota.residency.snapshot import Rank, SliceView


class Reserve:
    """The room that is to be free on a GPU, and who could make it."""

    def __init__(self, room: Room, mib: int) -> None:
        self._room = room
        self.mib = mib
        """How much is to be free, as far as called-back slices can make it."""
        self._leaving = _called_back(room)
        self._making = RoomMaking(room, self._leaving)

    def is_left_beside(self, staying: Collection[SliceView]) -> bool:
        """Whether it can be free while all of ``staying`` have their whole caps."""
        return self._making.is_possible(staying, beside_mib=self.mib)

    def is_short(self, free_mib: int) -> bool:
        """Whether less is free than is to be."""
        return free_mib < self.mib

    def next_to_leave(
        self, free_mib: int, host_free_mib: int, seated: Collection[SliceId]
    ) -> SliceId | None:
        """Return whose memory is to leave next; ``None``: nobody's can."""
        if not self.is_short(free_mib):
            return None
        candidates = [c for c in self._leaving if c.slice_id not in seated]
        room_mib = sum(c.room_mib for c in candidates)
        shortfall_mib = min(self.mib - free_mib, room_mib)
        chosen = choose_candidates(candidates, shortfall_mib, host_free_mib)
        ready = (c.slice_id for c in chosen if c.may_begin(self._room.snapshot))
        return next(ready, None)


def reserve_of(room: Room) -> Reserve | None:
    """Return the room that is to be free; ``None``: none is reserved, or could be made."""
    own = (room.committed_mib[s.slice_id] for s in room.views if s.in_reserve)
    wanted_mib = room.snapshot.reserved_mib - sum(own)
    if wanted_mib <= 0:
        return None
    could_leave_mib = sum(c.room_mib for c in _called_back(room))
    mib = min(wanted_mib, max(0, room.free_mib) + could_leave_mib)
    return Reserve(room, mib) if mib > 0 else None


def _called_back(room: Room) -> list[SuspendCandidate]:
    return [
        c
        for c in list_candidates(room)
        if c.view.rank is Rank.CALLED_BACK and not c.view.is_job and not c.by_eviction
    ]
