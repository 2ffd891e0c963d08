"""How a slice stands: the one decision, its codes, and the one table of their words.

Status bar, panel, widget, ``%sublet`` and command line show these words; signs, icons and colours
go by the code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.waiting import WaitReason


class Standing(StrEnum):
    """How things stand with a slice, for its owner."""

    ACTIVE = "active"
    IDLE = "idle"
    LENT = "lent"
    MOVED_OUT = "moved-out"
    """The slice's memory is in host memory, at rest."""
    COMING_BACK = "coming-back"
    """The slice's memory is on its way to the GPU, or next to be."""
    WAITING = "waiting"
    """The slice waits for its turn, or for something that only others can change."""
    LEAVING = "leaving"
    """The slice's memory is on its way to host memory."""


@dataclass(frozen=True, slots=True)
class SliceFacts:
    """What the standing of a slice follows from."""

    state: SliceState
    active: bool
    lent: bool
    """Whether a job uses the slice's room or its compute."""
    move: Literal["suspending", "resuming"] | None = None
    """Which way the slice's own memory moves at this moment."""
    wait: WaitReason | None = None
    """Why the slice may not run yet, where somebody wants it to."""


@dataclass(frozen=True, slots=True)
class _Words:
    """A standing beside its sign, and explained in one sentence."""

    word: str
    meaning: str


_WORDS: Final[Mapping[Standing, _Words]] = MappingProxyType(
    {
        Standing.ACTIVE: _Words("active", "You are at work: your slice is all yours."),
        Standing.IDLE: _Words("idle", "Nothing of yours uses the GPU at the moment."),
        Standing.LENT: _Words(
            "lent",
            "A training job uses your slice while you think. Run a cell to have it back.",
        ),
        Standing.MOVED_OUT: _Words(
            "moved out",
            "Your data waits in host memory. It comes back with your next cell.",
        ),
        Standing.COMING_BACK: _Words("coming back", "Your data is on its way back to the GPU."),
        Standing.WAITING: _Words("waiting", "Your cell waits for its turn or for room on the GPU."),
        Standing.LEAVING: _Words(
            "moving out",
            "Your data is being moved to host memory, to make room for others.",
        ),
    }
)
_RETURNS: Final = frozenset({WaitReason.COMING_BACK, WaitReason.MAKING_ROOM})
"""What a slice waits for that is sure to bring it back next."""


def standing_of(facts: SliceFacts) -> Standing:
    """Return how a slice stands; what moves or waits comes before what is at rest."""
    if facts.move == "resuming" or facts.wait in _RETURNS:
        return Standing.COMING_BACK
    if facts.wait is not None:
        return Standing.WAITING
    if facts.move == "suspending":
        return Standing.LEAVING
    if facts.lent:
        return Standing.LENT
    if facts.active:
        return Standing.ACTIVE
    return Standing.MOVED_OUT if facts.state is SliceState.SUSPENDED else Standing.IDLE


def standing_with_next_cell(host_mib: int) -> Standing | None:
    """Return how a slice stands once a cell is run, where memory of it has to come back first.

    ``None``: nothing of the slice is in host memory, and the cell makes no such difference.
    """
    return Standing.COMING_BACK if host_mib > 0 else None


def standing_word(standing: Standing) -> str:
    """Return the word of a standing, to be shown beside its sign."""
    return _WORDS[standing].word


def standing_meaning(standing: Standing) -> str:
    """Return what a standing means, in one or two sentences for the slice's owner."""
    return _WORDS[standing].meaning


def activity_of(*, active: bool) -> Standing:
    """Return whether a slice's owner is at work: active or idle, however else the slice stands."""
    return Standing.ACTIVE if active else Standing.IDLE
