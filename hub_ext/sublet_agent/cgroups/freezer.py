"""Nobody beside a slice that comes back may do anything, or be born, while it does.

``Freezer`` is what the moves are given for that. Where there is none, whoever is born is paused
as soon as the card lists it, which may be too late.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from sublet_quota.names.ids import GpuId, SliceId


def _nobody(_pid: int) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class FrozenNeighbours:
    """Who stands still while the block lasts."""

    problem: str = ""
    """Why not everybody does who could: then nothing may be restored."""
    has_frozen: Callable[[int], bool] = _nobody
    """Whether this process is frozen: it needs no pausing, and could not answer the driver."""


class Freezer(Protocol):
    """Keeps whole slices from running, those of their processes included that nobody knows."""

    def set_apart(self, slice_id: SliceId, pids: Sequence[int]) -> None:
        """Let these processes answer the driver also while the rest of their slice is frozen."""
        ...

    def freeze_neighbours(
        self, gpu_id: GpuId, slice_id: SliceId, pids: Sequence[int], within_s: float
    ) -> AbstractContextManager[FrozenNeighbours]:
        """Freeze everybody on the GPU but these processes of this slice; thaw at the end."""
        ...


class NoFreezer:
    """Freezes nobody."""

    def set_apart(self, slice_id: SliceId, pids: Sequence[int]) -> None:
        """Nobody has to be."""

    def freeze_neighbours(
        self, _gpu_id: GpuId, _slice_id: SliceId, _pids: Sequence[int], _within_s: float
    ) -> AbstractContextManager[FrozenNeighbours]:
        """Freeze nobody."""
        return nullcontext(FrozenNeighbours())
