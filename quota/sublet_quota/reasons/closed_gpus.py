"""Why a GPU takes nothing new: the code of the fault, with what the driver says; the document."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

IN_NO_POOL: Final = "no pool of the quota document matches"
"""Why a card takes nothing that no pool matches: a clause."""


def several_match(sections: str, names: Sequence[str]) -> str:
    """Return why a card takes nothing that several ``sections`` match, types or pools: a clause."""
    return f"the quota document's {sections} {', '.join(names)} match"


class GpuFault(StrEnum):
    """What is wrong with a card."""

    GONE = "gone"
    """The card does not answer: it is closed only until it does again."""
    UNREADABLE = "unreadable"
    """What is on the card cannot be read: it is closed only until it can again."""
    XID = "xid"
    """The driver reported an error of the card."""
    UNFIT = "unfit"
    """The card is set up so that slices cannot share it."""
    ECC = "ecc"
    """Memory errors that could not be corrected."""


@dataclass(frozen=True, slots=True)
class ClosedGpu:
    """That a card is closed to new slices, and why."""

    fault: GpuFault
    detail: str
    """The driver's own words."""

    @property
    def may_pass(self) -> bool:
        """Whether the card is open again as soon as it answers."""
        return self.fault in {GpuFault.GONE, GpuFault.UNREADABLE}

    @property
    def words(self) -> str:
        """The fault and its detail, as hub, admins and refusals tell it."""
        return f"{self.fault.value}: {self.detail}"
