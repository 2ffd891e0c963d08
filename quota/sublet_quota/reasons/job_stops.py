"""How a job that has begun stands still: the one decision, and its words.

Its process lives, so its state is "running"; whoever shows a job says this instead.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.waiting import WaitReason


class JobStop(StrEnum):
    """How a job stands still."""

    SUSPENDED = "suspended"
    """Its memory is in host memory."""
    PAUSED = "paused"
    """Its memory is on the GPU, and it may not compute."""
    WAITS = "waits"
    """Its memory is where it was, and it waits to go on."""


_WORDS: Final[Mapping[JobStop, str]] = MappingProxyType(
    {JobStop.SUSPENDED: "suspended", JobStop.PAUSED: "paused", JobStop.WAITS: "waits on its GPU"}
)


def stop_of(state: SliceState, wait: WaitReason | None) -> JobStop | None:
    """Return how a job stands still whose slice is in this state; ``None``: it runs."""
    match state:
        case SliceState.SUSPENDED:
            return JobStop.SUSPENDED
        case SliceState.PAUSED:
            return JobStop.PAUSED
        case _:
            return None if wait is None else JobStop.WAITS


def stop_word(stop: str) -> str:
    """Return the word of a stop, as it stands in place of "running"."""
    return _WORDS[JobStop(stop)] if stop in set(JobStop) else stop
