"""Whether a slice is guaranteed or borrowed: the codes, and the one table of their words.

Options form, panel, widget and command line show these words; signs and colours go by the code.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class RankCode(StrEnum):
    """How a slice stands to what groups are guaranteed; the names are those of ``Rank``."""

    ENTITLED = "entitled"
    ENTITLED_IN_PART = "entitled-in-part"
    """Within what a group above its own is guaranteed, and beyond its own group's; or entitled on a
    card that is laid out for others."""
    BORROWED = "borrowed"
    CALLED_BACK = "called-back"
    """Borrowed, and others need its room now."""


_WORDS: Final[Mapping[RankCode, str]] = MappingProxyType(
    {
        RankCode.ENTITLED: "guaranteed",
        RankCode.ENTITLED_IN_PART: "guaranteed in part",
        RankCode.BORROWED: "borrowed",
        RankCode.CALLED_BACK: "called back",
    }
)
_MEANINGS: Final[Mapping[RankCode, str]] = MappingProxyType(
    {
        RankCode.ENTITLED: "Guaranteed to {group}: it waits for no other group's work.",
        RankCode.ENTITLED_IN_PART: (
            "Guaranteed in part: {group} or a group above it is guaranteed so much for several "
            "together, or it lies on a card that is laid out for another group. It makes way, "
            "alive, for those who are guaranteed this very room, and for nobody else."
        ),
        RankCode.BORROWED: (
            "Borrowed: it makes way, alive, when somebody who is guaranteed {cards} needs the "
            "room. It is suspended then, takes turns or moves, and loses nothing."
        ),
        RankCode.CALLED_BACK: (
            "Called back: {why}. It takes turns behind them, loses nothing, and is in its place "
            "again once there is room."
        ),
    }
)
_FOR_WHOM: Final = "its room is due to {group}"
_RESERVED: Final = "its room is reserved for {group} {reserved_from}"
_FOR_ANYBODY: Final = "somebody who is guaranteed {cards} needs the room"
_NOT_BEFORE: Final = (
    " It was called back several times in a few minutes, so it comes back at {at} at the earliest."
)


def rank_word(rank: RankCode) -> str:
    """Return the word of a rank, to be shown beside a slice or a size."""
    return _WORDS[rank]


def reserved_meaning(called_back_for: str, reserved_from: str) -> str:
    """Return what it means to be called back for a reservation, as sentences.

    ``reserved_from``: from when on (``from_words``).
    """
    why = _RESERVED.format(group=called_back_for, reserved_from=reserved_from)
    return _MEANINGS[RankCode.CALLED_BACK].format(why=why)


def from_words(begin: datetime) -> str:
    """Return from when on something is reserved, by the wall clock of its zone."""
    return f"from {begin:%H:%M} ({begin.tzinfo})"


def rank_meaning(
    rank: RankCode,
    group: str | None = None,
    gpu_type: str | None = None,
    called_back_for: str | None = None,
    back_at: datetime | None = None,
) -> str:
    """Return what a rank means for a slice that is charged to ``group``, as sentences.

    ``gpu_type`` is the type of the slice's card, as the quota document has it; ``called_back_for``
    the group whose slice a called-back one makes way for, ``back_at`` before when that does not
    come back.
    """
    cards = "GPUs" if gpu_type is None else gpu_type
    why = _FOR_ANYBODY if called_back_for is None else _FOR_WHOM
    why = why.format(group=called_back_for, cards=cards)
    meaning = _MEANINGS[rank].format(group=group or "its group", cards=cards, why=why)
    if rank is RankCode.CALLED_BACK and back_at is not None:
        meaning += _NOT_BEFORE.format(at=f"{back_at.astimezone(UTC):%H:%M:%S} UTC")
    return meaning
