"""A decision against a request: a value with its reason and its numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.derivation import Derivation
from sublet_quota.reasons.helping import Help

_MOST_QUOTED: Final = 60


class RefusalReason(StrEnum):
    """Why a request was decided against."""

    UNKNOWN_POOL = "unknown-pool"
    UNKNOWN_SIZE = "unknown-size"
    UNKNOWN_GROUP = "unknown-group"
    SIZE_NOT_ALLOWED = "size-not-allowed"
    BAD_AMOUNT = "bad-amount"
    LARGER_THAN_GPU = "larger-than-gpu"
    USER_LIMIT = "user-limit"
    GROUP_LIMIT = "group-limit"
    TOO_MANY_SLICES = "too-many-slices"
    NO_ROOM = "no-room"
    NO_GPU = "no-gpu"
    GPU_CLOSED = "gpu-closed"
    BAD_NOTEBOOK = "bad-notebook"
    BAD_PARAMETERS = "bad-parameters"
    BAD_FILES = "bad-files"
    UNKNOWN_KERNEL = "unknown-kernel"
    NO_ACCOUNT = "no-account"
    NO_JOBS = "no-jobs"
    TOO_MANY_JOBS = "too-many-jobs"
    NO_DISK = "no-disk"
    PRIORITY_NOT_ALLOWED = "priority-not-allowed"
    KEEP_BUDGET = "keep-budget"
    BUDGET_SPENT = "budget-spent"
    BELOW_HELD = "below-held"
    POD_REFUSED = "pod-refused"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, in words for the person who asked, and in numbers for programs.

    ``message`` says what was asked, what is allowed and what to do. Page, API and log all
    show these same words, which ``refusals.refuse`` makes from a specific code.
    """

    reason: RefusalReason
    message: str
    numbers: Mapping[str, int] = field(default_factory=dict)
    why: Derivation | None = None
    """The group, the rule and the lines of the quota document that decided."""
    waits_for: tuple[GroupName | None, ...] = ()
    """The groups whose slices are in the way; ``None`` is who is in no group."""
    helps: tuple[Help, ...] = ()
    """What would help; each was found to."""

    def __post_init__(self) -> None:
        """Keep the numbers as they are now, whatever becomes of the mapping they came in."""
        object.__setattr__(self, "numbers", MappingProxyType(dict(self.numbers)))


def quoted(text: str) -> str:
    """Return what somebody sent, in quotes, on one line and not too long for a message."""
    shown = text if len(text) <= _MOST_QUOTED else text[: _MOST_QUOTED - 3] + "..."
    return f"'{shown}'" if shown.isprintable() else ascii(shown)
