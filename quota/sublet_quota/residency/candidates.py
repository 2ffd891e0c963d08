"""The slices that could make room for others, in which order, and how few of them are enough."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from sublet_quota.names.ids import SliceId
from sublet_quota.residency.room import Room, is_kept, is_moving, line_of
from sublet_quota.residency.snapshot import GpuSnapshot, Rank, SliceView, TransitionKind


class _Kind(IntEnum):
    """What a slice is among those that could leave: lower ones leave first."""

    ON_ITS_WAY = 0
    JOB = 1
    IDLE = 2
    UNSUSPENDABLE_JOB = 3
    """A job that would be evicted: that is the last resort before anybody's wish or work is in the
    way.
    """
    KEPT = 4
    ACTIVE = 5
    """An owner at work, or an entitled job, each without a seat."""
    UNSUSPENDABLE_ENTITLED_JOB = 6
    """An entitled job that would be evicted: only for those who are entitled to the room, too."""


@dataclass(frozen=True, slots=True)
class SuspendCandidate:
    """A slice that could make room."""

    view: SliceView
    kind: _Kind
    room_mib: int
    """The memory that becomes free when the whole slice is out."""
    host_mib: int
    """The host memory that the slice then takes."""

    @property
    def slice_id(self) -> SliceId:
        """The slice's id."""
        return self.view.slice_id

    @property
    def by_eviction(self) -> bool:
        """Whether the slice can only leave by being ended."""
        return self.kind in _EVICTED

    @property
    def for_a_job(self) -> bool:
        """Whether the slice may have to leave for any job, too."""
        return self.kind <= _Kind.IDLE

    @property
    def for_an_entitled_job(self) -> bool:
        """Whether the slice may have to leave for an entitled job, too.

        No job is ended for another one, and who is entitled may keep its slice from all jobs.
        """
        is_kept = self.kind is _Kind.KEPT and self.view.rank < Rank.BORROWED
        return not self.by_eviction and not is_kept

    @property
    def for_who_borrows(self) -> bool:
        """Whether the slice may have to leave for an owner at work whose slice is borrowed, too."""
        return self.kind is not _Kind.UNSUSPENDABLE_ENTITLED_JOB

    def may_leave_for(self, view: SliceView) -> bool:
        """Whether the slice may have to leave for this one, which takes turns, or is a job's."""
        if view.is_job:
            return self.for_an_entitled_job if view.is_entitled_job else self.for_a_job
        return self.for_who_borrows or view.rank < Rank.BORROWED

    def may_begin(self, snapshot: GpuSnapshot) -> bool:
        """Whether the slice can be told to leave now, as far as its last failed move allows."""
        not_before = self.view.not_before
        return not_before is None or not_before <= snapshot.now


_EVICTED: Final = (_Kind.UNSUSPENDABLE_JOB, _Kind.UNSUSPENDABLE_ENTITLED_JOB)


def list_candidates(room: Room) -> tuple[SuspendCandidate, ...]:
    """Return the slices that could leave, first ones first: none where the GPU is pause-only."""
    if room.snapshot.pause_only:
        return ()
    candidates = []
    for view in room.views:
        room_mib = room.committed_mib[view.slice_id]
        kind = _kind_of(room.snapshot, view)
        if kind is None or room_mib <= 0:
            continue
        candidates.append(SuspendCandidate(view, kind, room_mib, _host_mib(room, view, kind)))
    return tuple(sorted(candidates, key=lambda c: _order(room.snapshot, c)))


def _kind_of(snapshot: GpuSnapshot, view: SliceView) -> _Kind | None:
    transition = snapshot.transition
    if is_moving(snapshot, view) and transition is not None:
        if transition.kind is TransitionKind.SUSPENDING:
            return _Kind.ON_ITS_WAY
    elif not view.on_gpu:
        return None
    if view.unsuspendable is not None:
        entitled = view.is_entitled_job
        evicted = _Kind.UNSUSPENDABLE_ENTITLED_JOB if entitled else _Kind.UNSUSPENDABLE_JOB
        return evicted if view.is_job else None
    if view.is_job and not view.is_entitled_job:
        return _Kind.JOB
    if view.active:
        return _Kind.ACTIVE
    return _Kind.KEPT if is_kept(snapshot, view) else _Kind.IDLE


def _host_mib(room: Room, view: SliceView, kind: _Kind) -> int:
    if kind is _Kind.ON_ITS_WAY or kind in _EVICTED:
        # Set aside already; or never needed.
        return 0
    return room.committed_mib[view.slice_id] if is_moving(room.snapshot, view) else view.held_mib


def _order(snapshot: GpuSnapshot, candidate: SuspendCandidate) -> tuple[int, int, float, SliceId]:
    view = candidate.view
    if view.is_job and candidate.kind is not _Kind.ACTIVE:
        return (candidate.kind, -view.entitlement, 0.0, view.slice_id)
    began = (view.turn_since or view.since) if view.active else view.since
    return (candidate.kind, -line_of(snapshot, view), began.timestamp(), view.slice_id)


def choose_candidates(
    candidates: Sequence[SuspendCandidate], shortfall_mib: int, host_free_mib: int
) -> tuple[SuspendCandidate, ...]:
    """Return those that together make the room, first ones first; the unneeded are spared.

    Where the host's memory is too small to take the first ones, the largest are tried. An empty
    tuple when nothing is needed, or it is not enough.
    """
    chosen = _gather(candidates, shortfall_mib, host_free_mib)
    if not chosen and sum(c.host_mib for c in candidates) > host_free_mib:
        by_size = sorted(candidates, key=lambda c: (-c.room_mib, c.slice_id))
        chosen = _gather(by_size, shortfall_mib, host_free_mib)
    return tuple(c for c in candidates if c.slice_id in chosen) if chosen else ()


def _gather(
    candidates: Iterable[SuspendCandidate], shortfall_mib: int, host_free_mib: int
) -> dict[SliceId, SuspendCandidate]:
    chosen: dict[SliceId, SuspendCandidate] = {}
    gathered_mib = in_host_mib = 0
    for candidate in candidates:
        if gathered_mib >= shortfall_mib:
            break
        if in_host_mib + candidate.host_mib <= host_free_mib:
            chosen[candidate.slice_id] = candidate
            gathered_mib += candidate.room_mib
            in_host_mib += candidate.host_mib
    if gathered_mib < shortfall_mib:
        return {}
    last_kind = max((c.kind for c in chosen.values()), default=_Kind.JOB)
    for candidate in tuple(chosen.values()):
        # A job that was first to go is not spared for an owner's slice that would do alone,
        # and who is on its way already leaves anyhow.
        spared = candidate.kind > _Kind.JOB or candidate.kind is last_kind
        if spared and gathered_mib - candidate.room_mib >= shortfall_mib:
            del chosen[candidate.slice_id]
            gathered_mib -= candidate.room_mib
    return chosen


class RoomMaking:
    """The room that candidates can make, added up once for many questions whether it is enough."""

    def __init__(self, room: Room, candidates: Iterable[SuspendCandidate]) -> None:
        self._room = room
        self._candidates = tuple(candidates)
        self._by_id = {c.slice_id: c for c in self._candidates}
        self._room_mib = sum(c.room_mib for c in self._candidates)
        self._host_mib = sum(c.host_mib for c in self._candidates)

    def without(self, waiting: Collection[SliceView]) -> "RoomMaking":
        """Return what the others can make, and those of these that are on their way out anyhow."""
        stay = {s.slice_id for s in waiting}
        leaving = (
            c for c in self._candidates if c.kind is _Kind.ON_ITS_WAY or c.slice_id not in stay
        )
        return RoomMaking(self._room, leaving)

    def for_who_borrows(self) -> "RoomMaking":
        """Return what is made for those who borrow, or take turns with those."""
        leaving = [c for c in self._candidates if c.for_who_borrows]
        return self if len(leaving) == len(self._candidates) else RoomMaking(self._room, leaving)

    def includes(self, view: SliceView) -> bool:
        """Whether this slice could leave."""
        return view.slice_id in self._by_id

    def is_possible(
        self,
        staying: Collection[SliceView],
        *,
        host_is_endless: bool = False,
        beside_mib: int = 0,
    ) -> bool:
        """Whether all of ``staying`` can have their whole caps, if the others make room.

        And so much be free beside these.
        """
        needed_mib = sum(map(self._room.need_mib, staying)) + beside_mib
        shortfall_mib = needed_mib - self._room.free_mib
        if shortfall_mib <= 0:
            return True
        stay = [c for c in (self._by_id.get(s.slice_id) for s in staying) if c is not None]
        if self._room_mib - sum(c.room_mib for c in stay) < shortfall_mib:
            return False
        host_free_mib = self._room.snapshot.host_free_mib
        if host_is_endless or self._host_mib - sum(c.host_mib for c in stay) <= host_free_mib:
            return True
        ids = {c.slice_id for c in stay}
        candidates = [c for c in self._candidates if c.slice_id not in ids]
        return bool(choose_candidates(candidates, shortfall_mib, host_free_mib))
