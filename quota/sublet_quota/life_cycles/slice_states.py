"""Where a slice's GPU state is, and the moves between these places."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sublet_quota.life_cycles.life_cycle import after_move


class SliceState(StrEnum):
    """Where the GPU state of a slice's processes is."""

    RESIDENT = "resident"
    """On the GPU and free to run. A slice without any process on the GPU counts as resident."""
    PAUSED = "paused"
    """On the GPU with its CUDA calls blocked."""
    PARKED = "parked"
    """Data in pinned host memory, moved by the process itself; its context still on the GPU."""
    SUSPENDED = "suspended"
    """All of it in host memory, moved by the driver."""


class SliceMove(StrEnum):
    """What can be done to a slice."""

    PAUSE = "pause"
    UNPAUSE = "unpause"
    PARK = "park"
    UNPARK = "unpark"
    SUSPEND = "suspend"
    RESUME = "resume"


_R, _P, _K, _S = SliceState.RESIDENT, SliceState.PAUSED, SliceState.PARKED, SliceState.SUSPENDED

SLICE_MOVES: Final = MappingProxyType(
    {
        (_R, SliceMove.PAUSE): _P,
        (_P, SliceMove.UNPAUSE): _R,
        # Parking is done by the process itself, so it must be free to run.
        (_R, SliceMove.PARK): _K,
        (_K, SliceMove.UNPARK): _R,
        # A suspend locks first: a resident slice goes the whole way in one move.
        (_R, SliceMove.SUSPEND): _S,
        (_P, SliceMove.SUSPEND): _S,
        (_K, SliceMove.SUSPEND): _S,
        # A resume ends unlocked. What was parked before its suspend is parked again by a move.
        (_S, SliceMove.RESUME): _R,
    }
)


def move_slice(state: SliceState, move: SliceMove) -> SliceState:
    """Return the state after ``move``; ``ForbiddenMoveError`` where there is no such move."""
    return after_move(SLICE_MOVES, state, move, "the slice")
