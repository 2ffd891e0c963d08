"""The room on a GPU, and how much of it is taken: held, promised, or on its way.

One rule stands above all others: room counts as free only when nobody holds it, nobody was promised
it, and no move in flight may still need it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.snapshot import GpuSnapshot, Rank, SliceView, TransitionKind
from sublet_quota.residency.turns import Turns

_OVER_CAP: Final = 2 * (max(Rank) + 1)
_AT_REST: Final = _OVER_CAP + 2
BEHIND_RESERVE: Final = frozenset(
    {2 * Rank.BORROWED + 1, 2 * Rank.CALLED_BACK + 1, _OVER_CAP + 1, _AT_REST + 1}
)
"""The lines that have only what a reservation leaves."""


@dataclass(frozen=True, slots=True)
class Room:
    """The GPU's memory, added up once for one decision."""

    snapshot: GpuSnapshot
    views: tuple[SliceView, ...]
    """All slices, by id: the order in which the agent lists them decides nothing.

    A job is entitled among them only where it can take turns.
    """
    full_mib: Mapping[SliceId, int]
    """The memory that each slice is owed while it is active."""
    committed_mib: Mapping[SliceId, int]
    """The memory that each slice takes now, promises and moves in flight included."""
    free_mib: int
    """The memory that may be promised or filled now; below zero where more is taken than is there.
    """
    turns: Turns = field(compare=False)

    def need_mib(self, view: SliceView) -> int:
        """Return how much more the slice would take with its whole cap promised."""
        return self.full_mib[view.slice_id] - self.committed_mib[view.slice_id]

    def can_grow(self, view: SliceView) -> bool:
        """Whether the slice may fill more than it holds once its gate is open."""
        return self.full_mib[view.slice_id] > view.held_mib


def measure_room(snapshot: GpuSnapshot) -> Room:
    """Return the sum of who takes how much of the GPU."""
    by_id = sorted(snapshot.slices, key=lambda s: s.slice_id)
    views = tuple(_as_ranked_here(snapshot, s) for s in by_id)
    full = {s.slice_id: full_mib(snapshot, s) for s in views}
    committed = {s.slice_id: committed_mib(snapshot, s, full[s.slice_id]) for s in views}
    free_mib = snapshot.usable_mib - sum(committed.values())
    return Room(snapshot, views, full, committed, free_mib, Turns(snapshot))


def _as_ranked_here(snapshot: GpuSnapshot, view: SliceView) -> SliceView:
    """Return a job that is not, or cannot be, entitled here as any other job.

    Where nothing is lent no job runs, and where nothing can be moved there are no turns.
    """
    if not view.is_job or view.rank is Rank.BORROWED:
        return view
    in_turns = (
        not view.held_back and view.takes_turns and snapshot.is_lent and not snapshot.pause_only
    )
    return view if in_turns else replace(view, rank=Rank.BORROWED)


def full_mib(snapshot: GpuSnapshot, view: SliceView) -> int:
    """Return what an active slice is owed: its cap, or more where it has more already.

    The driver's own overhead may eat into the margin: a slice of the whole GPU is then owed what
    the GPU can give, else it would wait for ever.
    """
    beyond_mib = view.cap_mib - snapshot.usable_mib
    owed = snapshot.usable_mib if 0 < beyond_mib <= snapshot.margin_mib else view.cap_mib
    return max(owed, _total_mib(snapshot, view))


def _total_mib(snapshot: GpuSnapshot, view: SliceView) -> int:
    if is_moving(snapshot, view):
        # Each of the two may already count bytes that are on their way.
        return max(view.held_mib, view.image_mib)
    return view.held_mib + view.image_mib


def committed_mib(snapshot: GpuSnapshot, view: SliceView, full: int) -> int:
    """Return what a slice takes now, with promises and moves; ``full``: what it is owed."""
    transition = snapshot.transition
    if transition is not None and transition.slice_id == view.slice_id:
        if transition.kind is TransitionKind.RESUMING and view.active:
            return full
        # A suspend may have to be undone: its room is free when the whole slice is out.
        return full if _goes_on_by_itself(view) else _total_mib(snapshot, view)
    on_its_own = _goes_on_by_itself(view) and not view.is_job and not view.is_away
    stays_or_may_grow = _stays_whatever_happens(view) or on_its_own
    if view.gate_open or (stays_or_may_grow and view.held_mib > 0):
        return full
    # Also of a suspended slice: a process of it may have been born since.
    return view.held_mib


def _stays_whatever_happens(view: SliceView) -> bool:
    """Whether no overcommit counts on a slice: it can neither be moved nor kept from growing."""
    paused_job = view.is_job and view.state is SliceState.PAUSED
    return view.unsuspendable is not None and view.on_gpu and not paused_job


def _goes_on_by_itself(view: SliceView) -> bool:
    """Whether a cell of a slice runs without an open gate, and may use its GPU any moment.

    The slice counts as idle by now, or its turn is over and it could not be stopped, or has not
    been yet. Its cap is free only when it is suspended: then the cell's next GPU call waits, where
    it would run out of memory otherwise. A slice that holds nothing cannot be suspended, and keeps
    nothing.
    """
    return view.past_the_gate or (view.runs_a_cell and not view.active)


def is_moving(snapshot: GpuSnapshot, view: SliceView) -> bool:
    """Whether the transition in flight is this slice's."""
    transition = snapshot.transition
    return transition is not None and transition.slice_id == view.slice_id


def makes_way(snapshot: GpuSnapshot, view: SliceView) -> bool:
    """Whether a slice leaves ahead of a reservation: of who borrows, a job that is not entitled."""
    return snapshot.reserved_mib > 0 and view.rank >= Rank.BORROWED and not view.in_reserve


def line_of(snapshot: GpuSnapshot, view: SliceView) -> int:
    """Return in which line a slice with work stands for its room: lower ones come first.

    That is its rank's. Behind them all is who has more than its cap, whatever its rank: nobody who
    keeps to theirs waits for that. Behind these is an owner who is at rest: at once where it has no
    seat, for nothing of it waits; with one after a whole turn, so that nobody moves for every
    pause. Where something is reserved, who makes way for that comes in each case behind who does
    not.
    """
    since = view.rests_since
    seated = since is None or (view.gate_open and snapshot.now - since < snapshot.settings.turn)
    line = _AT_REST
    if seated:
        line = _OVER_CAP if view.is_over_cap else 2 * view.turn_rank
    return line + (not view.is_job and makes_way(snapshot, view))


def kept_from_jobs(room: Room, *, entitled: bool) -> tuple[SliceView, ...]:
    """Return the idle slices that owners keep from jobs: from entitled ones, who is entitled."""
    idle = (s for s in room.views if not s.is_job and not s.active and is_kept(room.snapshot, s))
    return tuple(s for s in idle if s.rank < Rank.BORROWED or not entitled)


def is_kept(snapshot: GpuSnapshot, view: SliceView) -> bool:
    """Whether the slice's owner said "do not lend mine", and that still holds."""
    return view.kept_until is not None and view.kept_until > snapshot.now
