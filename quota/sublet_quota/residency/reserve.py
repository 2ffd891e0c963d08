"""Room of a GPU that is to be free for a reservation: who leaves ahead of it, and what stays free.

Who borrows leaves for it, as few as must: jobs that are not entitled, the least so first, then
slices of owners, idle ones first, and of these who was called back. Who fits beside what the
reservation needs runs on. It is one move after another, when nobody with a seat lacks room; none is
ended for it. What the reservation's own slices take already counts as free for it. Where nothing is
reserved none of this decides anything.
"""

from collections.abc import Collection

from sublet_quota.names.ids import SliceId
from sublet_quota.residency.candidates import (
    RoomMaking,
    SuspendCandidate,
    choose_candidates,
    list_candidates,
)
from sublet_quota.residency.room import Room, is_moving, makes_way
from sublet_quota.residency.snapshot import SliceView


class Reserve:
    """The room that is to be free on a GPU, and who could make it."""

    def __init__(self, room: Room, mib: int) -> None:
        self._room = room
        self.mib = mib
        """How much is to be free, as far as those who make way can make it."""
        self._leaving = _who_makes_way(room)
        self._making = RoomMaking(room, self._leaving)
        # Of owners none leaves so that a job may stay: who is on the way out does so anyhow.
        before_owners = (
            c for c in self._leaving if c.view.is_job or is_moving(room.snapshot, c.view)
        )
        self._making_of_jobs = RoomMaking(room, before_owners)

    def is_taken(self, mib: int) -> None:
        """Note that so much of it was promised to a slice of the reservation's own."""
        self.mib = max(0, self.mib - mib)

    def is_left_beside(self, staying: Collection[SliceView]) -> bool:
        """Whether it can be free while all of ``staying`` have their whole caps."""
        return self._making.is_possible(staying, beside_mib=self._beside_mib(staying))

    def is_left_beside_jobs(self, staying: Collection[SliceView]) -> bool:
        """Whether it can be free beside ``staying``, jobs, if no owner's slice leaves for it."""
        return self._making_of_jobs.is_possible(staying, beside_mib=self._beside_mib(staying))

    def _beside_mib(self, staying: Collection[SliceView]) -> int:
        """Return how much is to be free beside these: its own slices have their room of it."""
        own = (self._room.need_mib(s) for s in staying if s.in_reserve)
        return max(0, self.mib - sum(own))

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
    mib = min(wanted_mib, max(0, room.free_mib) + _could_leave_mib(room))
    return Reserve(room, mib) if mib > 0 else None


def _could_leave_mib(room: Room) -> int:
    """Return how much can become free, as far as the host's memory can take it."""
    could_mib, host_free_mib = 0, room.snapshot.host_free_mib
    for candidate in _who_makes_way(room):
        if candidate.host_mib <= host_free_mib:
            host_free_mib -= candidate.host_mib
            could_mib += candidate.room_mib
    return could_mib


def _who_makes_way(room: Room) -> list[SuspendCandidate]:
    return [
        c for c in list_candidates(room) if makes_way(room.snapshot, c.view) and not c.by_eviction
    ]
