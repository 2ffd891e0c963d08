"""Why a GPU is not fit to be lent: the codes, what follows from each, and the table of their words.

Lending a GPU means moving its users' memory out and back. Whatever makes that unsafe, or was not
tried yet, keeps memory on the GPU; whatever gives users errors keeps new slices away. What is out
already comes back all the same: kept out it would be lost at the next boot, and help nobody.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Unfit(StrEnum):
    """What is not as it must be on a GPU that is lent."""

    BEING_CHECKED = "being-checked"
    """Whether memory can be moved there safely is being tried, or will be."""
    DRIVER = "driver"
    """There are open reports of lost work with this version of the driver."""
    DRIVER_UNLOADS = "driver-unloads"
    """Nobody keeps the driver loaded on the card, and bringing memory back needs that."""
    MPS = "mps"
    EXCLUSIVE = "exclusive"
    """The card's compute mode lets one process on it, or none."""
    SPLIT = "split"
    """MIG splits the card."""
    UNREADABLE = "unreadable"
    """What is on the card cannot be read."""
    OCCUPIED = "occupied"
    """Processes of no slice use the card."""
    CANARY_NOT_STARTED = "canary-not-started"
    """The agent's own small process cannot use the card."""
    CANARY_NOT_MOVED = "canary-not-moved"
    """The agent's own small process could not be moved out and back."""
    CANARY_STUCK = "canary-stuck"
    """The agent's own small process did not come back in time."""
    CANARY_LOST = "canary-lost"
    """The agent's own small process was lost on the way."""
    CANARY_CHANGED = "canary-changed"
    """The agent's own small process came back with other bytes."""
    MEMORY_LEFT = "memory-left"
    """Another account found what the agent's own small process had left in the card's memory."""


class Consequence(StrEnum):
    """What follows for a GPU that is not fit."""

    PAUSE_ONLY = "pause-only"
    """Nothing is suspended there; what is away comes back, and jobs that run may be paused."""
    CLOSED = "closed"
    """The GPU takes nothing new, and nothing is suspended or resumed there."""
    LEFT_OUT = "left-out"
    """The GPU is not used at all."""


@dataclass(frozen=True, slots=True)
class UnfitReason:
    """One thing that is not as it must be, and what was seen of it."""

    why: Unfit
    detail: str = ""
    """Versions, processes, the driver's own words; they go behind the table's."""

    @property
    def consequence(self) -> Consequence:
        """What follows for the GPU."""
        return _WORDS[self.why].consequence

    @property
    def clause(self) -> str:
        """What is so and what an admin can do about it, to stand behind a colon."""
        words = _WORDS[self.why]
        seen = f" ({self.detail})" if self.detail else ""
        return f"{words.so}{seen}; {words.help}" if words.help else f"{words.so}{seen}"


@dataclass(frozen=True, slots=True)
class _Words:
    consequence: Consequence
    so: str
    help: str = ""


_TRIED_AGAIN: Final = "it is tried again in a while"
_REPORT: Final = (
    "try another version of the driver; it is tried again when the driver is another, the machine "
    "was booted, or canaries.json was removed from the agent's state folder and it was restarted"
)
_WORDS: Final[Mapping[Unfit, _Words]] = MappingProxyType(
    {
        Unfit.BEING_CHECKED: _Words(
            Consequence.PAUSE_ONLY,
            "whether memory can be moved there and back is being tried with a small process",
        ),
        Unfit.DRIVER: _Words(
            Consequence.PAUSE_ONLY,
            "this version of the driver is known to lose or hang processes that are moved",
            "install another version",
        ),
        Unfit.DRIVER_UNLOADS: _Words(
            Consequence.PAUSE_ONLY,
            "nothing keeps the driver loaded there, which bringing memory back needs",
            "switch persistence mode on: run nvidia-persistenced, or `nvidia-smi -pm 1`",
        ),
        Unfit.MPS: _Words(
            Consequence.PAUSE_ONLY,
            "a control daemon of MPS runs, and processes under MPS can be neither paused nor moved",
            "stop it: `echo quit | nvidia-cuda-mps-control`",
        ),
        Unfit.EXCLUSIVE: _Words(
            Consequence.CLOSED,
            "its compute mode does not let several processes on it",
            "set it to default: `nvidia-smi -c DEFAULT`",
        ),
        Unfit.SPLIT: _Words(
            Consequence.LEFT_OUT,
            "it is split by MIG, and memory of its parts cannot be moved",
            "switch MIG off (`nvidia-smi -mig 0`), or give its parts out by the engine for MIG",
        ),
        Unfit.UNREADABLE: _Words(
            Consequence.CLOSED,
            "what is on it cannot be read, so nobody knows how much room there is",
            "see whether `nvidia-smi` can read it, as the agent's account",
        ),
        Unfit.OCCUPIED: _Words(
            Consequence.PAUSE_ONLY,
            "processes of no slice use it",
            "end them, or move them to another GPU",
        ),
        Unfit.CANARY_NOT_STARTED: _Words(
            Consequence.PAUSE_ONLY,
            "a small process of the agent's cannot use it",
            f"see whether other programs can; {_TRIED_AGAIN}",
        ),
        Unfit.CANARY_NOT_MOVED: _Words(
            Consequence.PAUSE_ONLY,
            "a small process of the agent's could not be moved out and back",
            _TRIED_AGAIN,
        ),
        Unfit.CANARY_STUCK: _Words(
            Consequence.PAUSE_ONLY,
            "a small process of the agent's did not come back in time",
            f"try another version of the driver; {_TRIED_AGAIN}",
        ),
        Unfit.CANARY_LOST: _Words(
            Consequence.PAUSE_ONLY,
            "a small process of the agent's was lost when its memory was moved",
            _REPORT,
        ),
        Unfit.CANARY_CHANGED: _Words(
            Consequence.PAUSE_ONLY,
            "the memory of a small process of the agent's came back changed",
            _REPORT,
        ),
        Unfit.MEMORY_LEFT: _Words(
            Consequence.PAUSE_ONLY,
            "what a process leaves in its memory is there for the next account to read, so that "
            "nothing is lent from one owner to another",
            _REPORT,
        ),
    }
)


def is_closed(reasons: Iterable[UnfitReason]) -> bool:
    """Whether a GPU takes nothing new, for one of these reasons."""
    return any(reason.consequence is not Consequence.PAUSE_ONLY for reason in reasons)


def is_return_put_off(reasons: Iterable[UnfitReason]) -> bool:
    """Whether nothing is brought back to a GPU: it could not be there, or a trial tells soon."""
    reasons = tuple(reasons)
    return is_closed(reasons) or any(reason.why is Unfit.BEING_CHECKED for reason in reasons)


def unfit_clause(reasons: Iterable[UnfitReason]) -> str:
    """Return all that is not as it must be, to stand behind a colon; empty where all is."""
    return "; ".join(reason.clause for reason in reasons)
