"""By what a slice's compute share and memory cap are kept, as agent and service tell it.

Between parts go codes; people are told these together with their words.
"""

from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from sublet_quota.reasons.cap_keepers import (
    CapKeeper,
    DriverLimit,
    cap_keepers_meaning,
    cap_keepers_of,
    cap_keepers_with,
    cap_keepers_words,
    driver_limit_meaning,
)
from sublet_quota.reasons.share_kept import (
    BY_ENGINES,
    Holds,
    ShareKept,
    holds_of,
    share_kept_meaning,
    share_kept_words,
)
from sublet_quota.wire.schema import AnswerModel, Name, Words

_MOST_KEEPERS: Final = 100


def _known(told: object) -> object:
    """Return a code; what only a newer part knows is not told."""
    return None if isinstance(told, str) and told not in set(ShareKept) else told


ToldCode = Annotated[ShareKept | None, BeforeValidator(_known)]
"""How it stands with a share, by its code; ``None``: it is not told."""


def _known_limit(told: object) -> object:
    """Return a code; one that only a newer agent knows says that the driver keeps nothing."""
    return DriverLimit.REFUSED if isinstance(told, str) and told not in set(DriverLimit) else told


ToldDriverLimit = Annotated[DriverLimit | None, BeforeValidator(_known_limit)]
"""How it stands with the driver's limit, by its code; ``None``: none was asked for."""
KeeperCodes = Annotated[tuple[Name, ...], Field(max_length=_MOST_KEEPERS)]
"""Values of ``CapKeeper``; a newer part may tell others."""


class ToldShareKept(AnswerModel):
    """How it stands with a slice's share of its card's compute, in these very words."""

    code: Name
    """A value of ``ShareKept``; a newer part may tell others."""
    holds: Holds | Name
    """Whether it is kept, capped, not needed now, cannot be kept, or that is not known yet."""
    words: Words
    """Which of these it is, by what or why not: to be read after "compute share"."""
    meaning: Words
    """The same in a sentence."""


class ToldCapKept(AnswerModel):
    """By what a slice's memory cap is kept, in these very words."""

    by: KeeperCodes
    words: Words
    """What keeps it, in few words: to be read after "kept by"."""
    meaning: Words
    """What each of these does, to be read after "kept by"."""


def tell_share_kept(
    kept: ShareKept, most_milli: int | None = None, foreign_percent: int | None = None
) -> ToldShareKept:
    """Return how it stands with a share, with its words.

    ``most_milli``: how much of the card its slice has at most, in milli-GPU; ``None``: all.
    ``foreign_percent``: how much of its time what belongs to no slice uses, where that is why.
    """
    return ToldShareKept(
        code=kept.value,
        holds=holds_of(kept),
        words=share_kept_words(kept, most_milli, foreign_percent),
        meaning=share_kept_meaning(kept, foreign_percent),
    )


def tell_cap_kept(told: Iterable[str] | None, *, simulated: bool) -> ToldCapKept | None:
    """Return by what a slice's cap is kept; ``None``: it is not known.

    ``told``: codes, as its spawner told; empty where the card tells.
    """
    if told is None:
        return None
    keepers: tuple[CapKeeper, ...] = cap_keepers_of(told, simulated=simulated)
    return ToldCapKept(
        by=tuple(each.value for each in keepers),
        words=cap_keepers_words(keepers),
        meaning=cap_keepers_meaning(keepers),
    )


def tell_cap_kept_with(limit: DriverLimit, *, simulated: bool) -> ToldCapKept:
    """Return by what the cap of a slice is kept for which the driver's limit was asked."""
    keepers = cap_keepers_with(limit, simulated=simulated)
    told = (cap_keepers_meaning(keepers), driver_limit_meaning(limit))
    return ToldCapKept(
        by=tuple(each.value for each in keepers),
        words=cap_keepers_words(keepers),
        meaning="; ".join(filter(None, told)),
    )


def kept_by_engine(told: ShareKept | None, *, simulated: bool) -> ShareKept | None:
    """Return what an engine keeps of the share, as the spawner told; ``None``: no engine does.

    No engine keeps anything of a simulated card.
    """
    return told if told in BY_ENGINES and not simulated else None
