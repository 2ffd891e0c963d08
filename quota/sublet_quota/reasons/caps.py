"""How a slice stands to its memory cap: the numbers, and the one place of their words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.reasons.moments import length_words, moment_words
from sublet_quota.reasons.refusal import quoted

NEAR_PERCENT: Final = 90
"""The part of its cap from which on a slice is near it."""
OVER_CAP_ADVICE: Final = (
    "Free what is needed no more, or resize the slice. Until then it makes way first: for others "
    "who need their room it may be suspended, with all it has."
)
"""What an owner can do about a slice that is over its cap, as sentences."""
NEAR_CAP_ADVICE: Final = "Free what is needed no more, or resize the slice, before it runs out."
"""What an owner can do about a slice that is near its cap, as a sentence."""
_ENDS: Final = "With more than its cap it is ended at {at}. "


@dataclass(frozen=True, slots=True)
class CapUse:
    """How much a slice has, on the GPU and in host memory, and its cap."""

    held_mib: int
    cap_mib: int

    @property
    def is_over(self) -> bool:
        """Whether the slice has more than its cap."""
        return self.held_mib > self.cap_mib

    @property
    def is_near(self) -> bool:
        """Whether the slice has nine tenths of its cap, or more, and not more than the cap."""
        return not self.is_over and 0 < NEAR_PERCENT * self.cap_mib <= 100 * self.held_mib


def over_cap_clause(use: CapUse) -> str:
    """Return that a slice is over its cap, as a clause whose subject is the slice."""
    held, cap = format_memory(use.held_mib), format_memory(use.cap_mib)
    return f"holds {held}, more than its cap of {cap}"


def near_cap_clause(use: CapUse) -> str:
    """Return that a slice is near its cap, as a clause whose subject is the slice."""
    held, cap = format_memory(use.held_mib), format_memory(use.cap_mib)
    return f"holds {held}, almost all of its cap of {cap}"


def over_cap_advice(ends_at: datetime | None) -> str:
    """Return what an owner can do about a slice that is over its cap.

    ``ends_at``: when it is ended unless it is back within; ``None``: it is not.
    """
    ends = "" if ends_at is None else _ENDS.format(at=moment_words(ends_at))
    return ends + OVER_CAP_ADVICE


class ToldOverCap(StrEnum):
    """What becomes of a server or job that is over its cap for as long as it may be."""

    WARNED = "warned"
    ENDS = "ends"
    """Its time is over, and it is being ended."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class OverCapEnd:
    """What is known of a server or job that is ended for being over its cap."""

    told: ToldOverCap
    use: CapUse
    """As it was seen last."""
    max_over_cap: timedelta
    at: datetime
    """When it is, or was, ended."""
    server: str = ""
    """Its name; empty for the default one."""
    job: str | None = None
    """The job's name, where it is none of a server."""


_ENDINGS: Final[Mapping[ToldOverCap, str]] = MappingProxyType(
    {
        ToldOverCap.WARNED: (
            "{name} has {held}, more than its cap of {cap}. Unless it is back within before, it is "
            "ended at {at}, with all that it has in memory: free what is needed no more{resize}."
        ),
        ToldOverCap.ENDS: (
            "{name} is being ended, since {at}: it has {held}, more than its cap of {cap}, for "
            "longer than {max}."
        ),
        ToldOverCap.ENDED: (
            "{name} was ended at {at}: it had {held}, more than its cap of {cap}, for longer than "
            "{max}. Your files are as they were."
        ),
    }
)


def over_cap_sentence(end: OverCapEnd) -> str:
    """Return what the owner of a server or job is told that is ended for being over its cap."""
    if end.job is not None:
        name = f"Your job {quoted(end.job)}"
    else:
        name = f"Your server {quoted(end.server)}" if end.server else "Your server"
    return _ENDINGS[end.told].format(
        name=name,
        held=format_memory(end.use.held_mib),
        cap=format_memory(end.use.cap_mib),
        at=moment_words(end.at),
        max=length_words(end.max_over_cap),
        resize="" if end.job is not None else ", or resize the slice",
    )
