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
    OVER_CAP = 1
    """A slice with more than its cap, that can be suspended and is not kept by its owner."""
    JOB = 2
    IDLE = 3
    UNSUSPENDABLE_JOB = 4
    """A job that would be evicted: that is the last resort before anybody's wish or work is in the
    way.
    """
    KEPT = 5
    ACTIVE = 6
    """An owner at work, or an entitled job, each without a seat."""
    UNSUSPENDABLE_ENTITLED_JOB = 7
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


_FEW: Final = 8
"""Of so many the ones that leave are found by trying all."""
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
    within = _kind_within_cap(snapshot, view)
    return _Kind.OVER_CAP if view.is_over_cap and within is not _Kind.KEPT else within


def _kind_within_cap(snapshot: GpuSnapshot, view: SliceView) -> _Kind:
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
    if candidate.kind is _Kind.OVER_CAP:
        within = _kind_within_cap(snapshot, view)
        return (candidate.kind, within, view.since.timestamp(), view.slice_id)
    if view.is_job and candidate.kind is not _Kind.ACTIVE:
        # Of jobs that are equally entitled the small ones come first: they are out sooner.
        return (candidate.kind, -view.entitlement, float(candidate.host_mib), view.slice_id)
    began = (view.turn_since or view.since) if view.active else view.since
    return (candidate.kind, -line_of(snapshot, view), began.timestamp(), view.slice_id)


def choose_candidates(
    candidates: Sequence[SuspendCandidate], shortfall_mib: int, host_free_mib: int
) -> tuple[SuspendCandidate, ...]:
    """Return those that together make the room, first ones first; the unneeded are spared.

    The order says up to whom somebody may have to leave; of those, the ones leave that are done
    soonest: the fewest bytes that are enough. Where the host's memory is too small to take the
    first ones, the largest are tried. An empty tuple when nothing is needed, or it is not enough.
    """
    chosen = _fewest_bytes(_gather(candidates, shortfall_mib, host_free_mib), shortfall_mib)
    ids = {c.view.slice_id for c in chosen}
    return tuple([c for c in candidates if c.view.slice_id in ids]) if ids else ()


def _gather(
    candidates: Sequence[SuspendCandidate], shortfall_mib: int, host_free_mib: int
) -> list[SuspendCandidate]:
    """Return the first ones that are enough, the unneeded among them included; none, if never."""
    gathered = _first_enough(candidates, shortfall_mib, host_free_mib)
    if not gathered and sum(c.host_mib for c in candidates) > host_free_mib:
        by_size = sorted(candidates, key=lambda c: (-c.room_mib, c.slice_id))
        return _first_enough(by_size, shortfall_mib, host_free_mib)
    return gathered


def _first_enough(
    candidates: Iterable[SuspendCandidate], shortfall_mib: int, host_free_mib: int
) -> list[SuspendCandidate]:
    gathered: list[SuspendCandidate] = []
    gathered_mib = in_host_mib = 0
    for candidate in candidates:
        if gathered_mib >= shortfall_mib:
            break
        if in_host_mib + candidate.host_mib <= host_free_mib:
            gathered.append(candidate)
            gathered_mib += candidate.room_mib
            in_host_mib += candidate.host_mib
    return gathered if gathered_mib >= shortfall_mib else []


def _fewest_bytes(
    gathered: Sequence[SuspendCandidate], shortfall_mib: int
) -> Sequence[SuspendCandidate]:
    """Return those of these that leave, so that it is enough.

    A job that was first to go is not spared for an owner's slice that would do alone, and who is on
    its way already leaves anyhow.
    """
    last_kind = max([c.kind for c in gathered], default=_Kind.JOB)
    fixed = [c for c in gathered if c.kind <= _Kind.JOB and c.kind is not last_kind]
    free = [c for c in gathered if c.kind > _Kind.JOB or c.kind is last_kind]
    need_mib = shortfall_mib - sum(c.room_mib for c in fixed)
    rooms = [c.room_mib for c in free]
    if rooms and sum(rooms) - min(rooms) < need_mib:
        return gathered
    return (
        *fixed,
        *(_Fewest(free).find(need_mib) if len(free) <= _FEW else _spare(free, need_mib)),
    )


def _spare(free: Sequence[SuspendCandidate], need_mib: int) -> list[SuspendCandidate]:
    """Return these but for the unneeded, of which the first ones are spared."""
    left_mib = sum(c.room_mib for c in free)
    chosen = []
    for candidate in free:
        if left_mib - candidate.room_mib >= need_mib:
            left_mib -= candidate.room_mib
        else:
            chosen.append(candidate)
    return chosen


_Cost = tuple[int, int, int]
"""How many are ended, how many bytes move, in MiB, and of how many slices."""


class _Fewest:
    """The search for the ones among a few that make enough room at the least cost.

    None is ended for the sake of bytes. Of what costs the same, the first ones leave.
    """

    def __init__(self, free: Sequence[SuspendCandidate]) -> None:
        self._free = free
        rooms = [c.room_mib for c in free]
        self._room_from = [sum(rooms[at:]) for at in range(len(free) + 1)]
        self._best: tuple[_Cost, tuple[SuspendCandidate, ...]] | None = None

    def find(self, need_mib: int) -> tuple[SuspendCandidate, ...]:
        """Return those that make so much room; none, if all do not."""
        self._try(0, need_mib, (0, 0, 0), ())
        return () if self._best is None else self._best[1]

    def _try(
        self, at: int, need_mib: int, cost: _Cost, chosen: tuple[SuspendCandidate, ...]
    ) -> None:
        if self._best is not None and cost >= self._best[0]:
            return
        if need_mib <= 0:
            self._best = cost, chosen
            return
        if self._room_from[at] < need_mib:
            return
        candidate = self._free[at]
        ended, moved_mib, count = cost
        with_it = (ended + candidate.by_eviction, moved_mib + candidate.host_mib, count + 1)
        self._try(at + 1, need_mib - candidate.room_mib, with_it, (*chosen, candidate))
        self._try(at + 1, need_mib, cost, chosen)


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
        return bool(_gather(candidates, shortfall_mib, host_free_mib))
