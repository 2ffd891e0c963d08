"""The interface by which a move freezes the neighbours of a slice that comes back.

Nobody beside such a slice may do anything, or be born, until it is back. Where there is no freezer,
whoever is born is paused as soon as the card lists it, which may be too late.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from sublet_quota.names.ids import GpuId, SliceId


def _nobody(_pid: int) -> bool:
    return False


def _no_look() -> None:
    pass


def _not_held(_pid: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class FrozenNeighbours:
    """The processes that stand still while a block of ``freeze_neighbours`` lasts."""

    problem: str = ""
    """Why not everybody stands still who could compute, and nothing may be restored; ``""``: all
    do.
    """
    has_frozen: Callable[[int], bool] = _nobody
    """Whether the process with this pid is frozen: it needs no pausing, and could not answer the
    driver.
    """
    look_again: Callable[[], None] = _no_look
    """Keeps from running who has come since and may begin to use the GPU."""
    hold: Callable[[int], None] = _not_held
    """Keeps a process of no slice of this GPU from running until the end of the block."""


class Freezer(Protocol):
    """A means to keep whole slices from running, with all of their processes, known or not."""

    def set_apart(self, slice_id: SliceId, pids: Sequence[int]) -> None:
        """Let these processes answer the driver also while the rest of their slice is frozen."""
        ...

    def note_stranger(self, gpu_id: GpuId, pid: int) -> None:
        """Note a process that uses a GPU and is no slice's: others of its account may, too."""
        ...

    def freeze_neighbours(
        self, gpu_id: GpuId, slice_id: SliceId, pids: Sequence[int], within_s: float
    ) -> AbstractContextManager[FrozenNeighbours]:
        """Freeze everybody on the GPU but these processes of this slice while the block lasts.

        Yields who stands still; slices that are not at rest after ``within_s`` seconds are its
        problem.
        """
        ...


class NoFreezer:
    """A freezer that freezes nobody."""

    def set_apart(self, slice_id: SliceId, pids: Sequence[int]) -> None:
        """Do nothing: the rest of the slice is not frozen either."""

    def note_stranger(self, _gpu_id: GpuId, _pid: int) -> None:
        """Do nothing: nobody of any account is frozen."""

    def freeze_neighbours(
        self, _gpu_id: GpuId, _slice_id: SliceId, _pids: Sequence[int], _within_s: float
    ) -> AbstractContextManager[FrozenNeighbours]:
        """Return a context in which nobody is frozen, and that has no problem."""
        return nullcontext(FrozenNeighbours())
