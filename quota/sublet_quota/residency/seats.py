"""The seats of owners on the GPU: all that fit, else in turns.

A seat is the promise of a slice's whole cap. The plan says who should have one; how to get there,
one safe move at a time, is the policy's business. Owners keep their seat while nobody else needs
it. Where they do not fit together the one who waited longest comes next, as soon as the turns of
enough others are over. Who comes later may take room meanwhile only where that does not put off the
one in front: so it is never passed over, and the wait of each is one turn (and the moves) for each
owner who waited longer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.candidates import RoomMaking, SuspendCandidate
from sublet_quota.residency.room import Room
from sublet_quota.residency.snapshot import SliceView


@dataclass(frozen=True, slots=True)
class Waiting:
    """A slice that gets no seat now."""

    view: SliceView
    reason: WaitReason
    waits_for: tuple[SliceView, ...] = ()


@dataclass(slots=True)
class SeatPlan:
    """The slices that should have a seat, and those that must wait, each in order."""

    seated: list[SliceView] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)

    @property
    def seated_ids(self) -> frozenset[SliceId]:
        """The ids of the slices with a seat."""
        return frozenset(s.slice_id for s in self.seated)


def seat_owners(room: Room, candidates: Sequence[SuspendCandidate]) -> SeatPlan:
    """Return which active owners should be on the GPU."""
    return _OwnersInTurn(room, candidates).plan()


class _OwnersInTurn:
    """The plan while it is made: who has a seat, who must go, and who is in front."""

    def __init__(self, room: Room, candidates: Sequence[SuspendCandidate]) -> None:
        self._room = room
        self._making = RoomMaking(room, candidates)
        self._seated: list[SliceView] = []
        self._immovable: list[SliceView] = []
        """The slices with a seat that nobody can make leave it."""
        self._turn_over: list[Waiting] = []
        self._waiting: list[Waiting] = []
        self._front: SliceView | None = None
        self._beside_front: list[SliceView] = []
        """The slices that will still be there when the one in front gets its seat, that one
        included.
        """

    def plan(self) -> SeatPlan:
        owners = [s for s in self._room.views if s.active and not s.is_job]
        self._keep_seats(s for s in owners if s.gate_open)
        self._immovable = [s for s in self._seated if self._is_immovable(s)]
        for view in sorted((s for s in owners if not s.gate_open), key=_waited_since):
            self._seat(view)
        return SeatPlan(self._seated, [*self._waiting, *self._turn_over])

    def _keep_seats(self, views: Iterable[SliceView]) -> None:
        """Keep the seats there are. Should they not fit any more, the latest lose theirs."""
        in_order = sorted(
            views, key=lambda s: (not self._is_immovable(s), s.is_over_cap, _turn_since(s))
        )
        for view in in_order:
            if self._is_immovable(view) or self._fits(*self._seated, view):
                self._seated.append(view)
            else:
                self._turn_over.append(Waiting(view, WaitReason.TURN, tuple(self._seated)))
        self._seated.sort(key=_turn_since)

    def _seat(self, view: SliceView) -> None:
        if (stuck := self._why_stuck(view)) is not None:
            # It must not hold up the others.
            self._waiting.append(stuck)
        elif self._front is not None:
            self._seat_beside_front(view, self._front)
        elif self._fits(*self._seated, view):
            self._seated.append(view)
        elif ended := self._turns_to_end(view):
            gone = {s.slice_id for s in ended}
            self._seated = [s for s in self._seated if s.slice_id not in gone] + [view]
            self._turn_over.extend(Waiting(s, WaitReason.TURN, (view,)) for s in ended)
        else:
            self._front = view
            self._beside_front = [*self._who_stays_for(view), view]
            self._waiting.append(Waiting(view, WaitReason.TURN, tuple(self._seated)))

    def _seat_beside_front(self, view: SliceView, front: SliceView) -> None:
        if self._fits(*self._seated, view) and self._fits(*self._beside_front, view):
            self._seated.append(view)
            self._beside_front.append(view)
        else:
            self._waiting.append(Waiting(view, WaitReason.TURN, (front, *self._seated)))

    def _fits(self, *staying: SliceView) -> bool:
        return self._making.is_possible(staying)

    def _is_immovable(self, view: SliceView) -> bool:
        return view.unsuspendable is not None or self._room.snapshot.pause_only is not None

    def _turns_to_end(self, view: SliceView) -> tuple[SliceView, ...]:
        """Return whose turns end for a slice: over their cap first, then the longest turns."""
        snapshot = self._room.snapshot
        over = [
            s
            for s in self._seated
            if s.turn_since is not None
            and snapshot.now - s.turn_since >= snapshot.settings.turn
            and not self._is_immovable(s)
        ]
        staying = {s.slice_id: s for s in (*self._seated, view)}
        ended: list[SliceView] = []
        for seated in sorted(over, key=lambda s: (not s.is_over_cap, _turn_since(s))):
            del staying[seated.slice_id]
            ended.append(seated)
            if self._fits(*staying.values()):
                break
        else:
            return ()
        for spared in tuple(ended):
            if self._fits(*staying.values(), spared):
                staying[spared.slice_id] = spared
                ended.remove(spared)
        return tuple(ended)

    def _who_stays_for(self, front: SliceView) -> list[SliceView]:
        """Return who is still seated once enough turns are over for the one in front."""
        staying = {s.slice_id: s for s in self._seated}
        leaving = [s for s in self._seated if not self._is_immovable(s)]
        for seated in sorted(leaving, key=_turn_order):
            del staying[seated.slice_id]
            if self._fits(*staying.values(), front):
                break
        return list(staying.values())

    def _why_stuck(self, view: SliceView) -> Waiting | None:
        """Return why no turn's end would help this owner; ``None`` where one would."""
        snapshot = self._room.snapshot
        if snapshot.keeps_away and view.is_away:
            return Waiting(view, snapshot.keeps_away)
        if self._fits(*self._immovable, view):
            return None
        holding = tuple(
            s
            for s in self._room.views
            if s.slice_id != view.slice_id and self._room.committed_mib[s.slice_id] > 0
        )
        if snapshot.pause_only:
            return Waiting(view, snapshot.pause_only, holding)
        if self._making.is_possible((*self._immovable, view), host_is_endless=True):
            return Waiting(view, WaitReason.HOST_MEMORY, holding)
        pinned = tuple(s for s in holding if s.unsuspendable is not None)
        # With nobody of ours in the way it is somebody else's memory that is.
        reason = WaitReason.UNSUSPENDABLE if pinned else WaitReason.FOREIGN_PROCESS
        return Waiting(view, reason, pinned)


def _waited_since(view: SliceView) -> tuple[datetime, SliceId]:
    return (view.waiting_since or view.since, view.slice_id)


def _turn_since(view: SliceView) -> tuple[datetime, SliceId]:
    return (view.turn_since or view.since, view.slice_id)


def _turn_order(view: SliceView) -> tuple[bool, datetime, SliceId]:
    """Return the key by which turns end; last come those with a seat that are not there yet."""
    return (view.turn_since is None, *_turn_since(view))
