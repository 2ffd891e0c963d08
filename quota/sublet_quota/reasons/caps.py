"""That a slice holds more than its cap: the numbers, and the one place of their words."""

from dataclasses import dataclass
from typing import Final

from sublet_quota.amounts.gpu_amounts import format_memory

OVER_CAP_ADVICE: Final = (
    "Free what is needed no more, or resize the slice; until then its processes may be paused."
)
"""What an owner can do about it, as a sentence."""


@dataclass(frozen=True, slots=True)
class OverCap:
    """How much a slice holds on the GPU, and the cap that this is beyond."""

    held_mib: int
    cap_mib: int


def over_cap_clause(over: OverCap) -> str:
    """Return that a slice is over its cap, as a clause whose subject is the slice."""
    held, cap = format_memory(over.held_mib), format_memory(over.cap_mib)
    return f"holds {held} on the GPU, more than its cap of {cap}"
