"""How much of a GPU is taken: what is held, promised, or on its way.

One rule stands above all others: room counts as free only when nobody holds it, nobody was
promised it, and no move in flight may still need it.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sublet_quota.residency.snapshot import GpuSnapshot, SliceView, TransitionKind
from sublet_quota.slice_states import SliceState

T = TypeVar("T")


def full_mib(view: SliceView) -> int:
    """What an active slice is owed: its cap, or more where it holds more already."""
    return max(view.cap_mib, view.held_mib, view.image_mib)


def committed_mib(snapshot: GpuSnapshot, view: SliceView) -> int:
    """How much of the GPU this slice takes now, promises and moves in flight included."""
    transition = snapshot.transition
    if transition is not None and transition.slice_id == view.slice_id:
        if transition.kind is TransitionKind.RESUMING and view.active:
            return full_mib(view)
        # A suspend may have to be undone: its room is free when the whole slice is out.
        return max(view.held_mib, view.image_mib)
    if view.gate_open or (view.unsuspendable is not None and view.on_gpu):
        return full_mib(view)
    return view.held_mib if view.state is not SliceState.SUSPENDED else 0


def free_mib(snapshot: GpuSnapshot) -> int:
    """What may be promised or filled now; below zero where more is taken than is there."""
    return snapshot.usable_mib - sum(committed_mib(snapshot, s) for s in snapshot.slices)


def fewest(candidates: Sequence[T], need: int, size_of: Callable[[T], int]) -> tuple[T, ...]:
    """Candidates, first ones first, that together have ``need``; those not needed are spared.

    Returns an empty tuple when all of them together are not enough, or nothing is needed.
    """
    chosen: list[T] = []
    gathered = 0
    for candidate in candidates:
        if gathered >= need:
            break
        chosen.append(candidate)
        gathered += size_of(candidate)
    if gathered < need:
        return ()
    for candidate in tuple(chosen):
        if gathered - size_of(candidate) >= need:
            chosen.remove(candidate)
            gathered -= size_of(candidate)
    return tuple(chosen)
