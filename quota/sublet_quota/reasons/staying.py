"""That a slice moves to another card, or why it stays: the codes, and the words."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Staying(StrEnum):
    """What keeps a slice's memory from coming back on another card of its node."""

    SEES_SOME_CARDS = "sees-some-cards"
    """A process sees only some of the node's cards: the driver's mapping must name all."""
    OTHER_TYPE = "other-type"
    NO_SUCH_CARD = "no-such-card"
    UNREADABLE = "unreadable"
    """Which cards a process sees cannot be told, and a mistake would lose its memory."""
    REFUSED = "refused"
    """The driver did not bring a process back there."""
    CANNOT_LEAVE = "cannot-leave"
    """The slice cannot be suspended where it is."""


_CLAUSES: Final[Mapping[Staying, str]] = MappingProxyType(
    {
        Staying.SEES_SOME_CARDS: (
            "the driver moves only processes that see every GPU of the node, and one does not"
        ),
        Staying.OTHER_TYPE: "the other GPU is of another type",
        Staying.NO_SUCH_CARD: "this node has no such GPU",
        Staying.UNREADABLE: "which GPUs its processes see cannot be read",
        Staying.REFUSED: "the driver did not bring it back on the other GPU",
        Staying.CANNOT_LEAVE: "it cannot be suspended",
    }
)


def moving_clause(card: int) -> str:
    """Return that a slice moves to another card, by that one's place among its node's."""
    return f"moves to GPU {card} of its node, when it is idle or its next cell runs"


def moved_clause(card: int | None, at: str) -> str:
    """Return that a slice has moved: from which card, by its place among its node's, and when.

    ``at``: the time as the reader has it.
    """
    from_card = "another GPU" if card is None else f"GPU {card}"
    return f"was moved from {from_card} of its node at {at}, with all that it held"


@dataclass(frozen=True, slots=True)
class Stays:
    """That a slice or process stays on its card: for what reason, and what was seen of it."""

    why: Staying
    detail: str = ""

    @property
    def clause(self) -> str:
        """The reason as a clause for people, with what was seen."""
        return f"{_CLAUSES[self.why]} ({self.detail})" if self.detail else _CLAUSES[self.why]
