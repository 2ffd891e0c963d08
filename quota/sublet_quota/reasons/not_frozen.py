"""Why neighbours are not frozen while a slice comes back: the codes, and the table of their words.

Whoever begins to use a GPU then is paused only when the card lists it; but beside outsiders at
large nothing is brought back at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class NotFrozen(StrEnum):
    """What keeps a node's agent from freezing slices."""

    SWITCHED_OFF = "switched-off"
    NO_CONTROL_GROUPS = "no-control-groups"
    """No control groups are mounted where the agent looks."""
    NO_FREEZER = "no-freezer"
    """There are control groups, and the kernel offers no freezing for them."""
    NO_ACCESS = "no-access"
    """The agent cannot make control groups: it is not root, say, or may only read them."""
    SLICE_WITHOUT_GROUP = "slice-without-group"
    """The control group of a slice is not found, or cannot be made: the others are frozen."""
    OUTSIDERS_AT_LARGE = "outsiders-at-large"
    """Processes of an account with a slice run outside of its group, and cannot be stilled: nothing
    is brought back beside them."""


@dataclass(frozen=True, slots=True)
class UnfrozenSlices:
    """That not every slice of a node can be frozen, and why."""

    why: NotFrozen
    detail: str = ""
    """Which folder or slice it is, and what the kernel says: for the agent's log."""


_CLAUSES: Final[Mapping[NotFrozen, str]] = MappingProxyType(
    {
        NotFrozen.SWITCHED_OFF: "freezing is switched off (SubletAgent.freeze)",
        NotFrozen.NO_CONTROL_GROUPS: "no control groups are mounted there",
        NotFrozen.NO_FREEZER: "the control groups there cannot be frozen",
        NotFrozen.NO_ACCESS: (
            "its agent cannot make control groups: it needs root, or a tree that it may write to"
        ),
        NotFrozen.SLICE_WITHOUT_GROUP: (
            "a slice there has no control group, and its agent's log says which"
        ),
        NotFrozen.OUTSIDERS_AT_LARGE: (
            "processes of somebody with a slice there (by ssh, from cron) run outside of it and do "
            "not stand still: nothing comes back beside them until they do, and nothing is lost"
        ),
    }
)


def not_frozen_clause(why: NotFrozen) -> str:
    """Return why slices of a node are not all frozen, to stand behind a colon."""
    return _CLAUSES[why]
