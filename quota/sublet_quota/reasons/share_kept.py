"""How it stands with a slice's share of a card's compute: the codes, and the one table of words.

A share is kept, or need not be kept now, or cannot be, for a reason; or that is not known yet, as
it is being measured; or its slice has no more than it may have at most, and nobody else needs what
is left. Panel, status bar, widget, ``%sublet``,
command line and API show these words. What an engine on Kubernetes keeps is said as the engine's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

COMES_TO_REST_WITHIN_MS: Final = 50
"""So long a program may take to come to rest for another's turn: its kernel ends first."""


class Holds(StrEnum):
    """Which of the five it is."""

    KEPT = "kept"
    CAPPED = "capped"
    """More than the share, and no more than the quota lets a slice have."""
    NOT_NEEDED = "not-needed"
    CANNOT = "cannot"
    NOT_KNOWN = "not-known"
    """Whether it is kept is being measured."""


class ShareKept(StrEnum):
    """How it stands with a slice's share of the card's compute, and by what or why not."""

    BY_TURNS = "by-turns"
    """The slice was measured to have what is due to it, by turns."""
    CAPPED = "capped"
    """The slice has what the pool lets one have at most, with nobody in its place."""
    BY_MIG = "by-mig"
    BY_MPS = "by-mps"
    BY_HAMI = "by-hami"
    BY_VOLCANO = "by-volcano"
    NOT_NEEDED = "not-needed"
    """The slice has what is due to it, or does not compute, or the card has time to spare."""
    NOT_PAUSABLE = "not-pausable"
    """The slice cannot be paused, and runs beside the turns of others."""
    LONG_KERNELS = "long-kernels"
    """The slice does not come to rest in time for the turns of others, and runs beside them."""
    ON_SEVERAL_CARDS = "on-several-cards"
    """A program or a job computes on several cards: the others wait for what is paused on one."""
    WAITS_FOR_PROGRAM = "waits-for-program"
    """The slice's program does not fill the card: it runs beside the turns of others."""
    RUNS_ON = "runs-on"
    """The slice runs on through the turns of others, as its kernels are long."""
    ALONE_PAUSABLE = "alone-pausable"
    """Who has more than is due to it cannot be made to take turns."""
    OTHERS_WAIT = "others-wait-for-programs"
    """Who has more than is due to it did not fill its turns, and is let alone for a while."""
    FOREIGN = "foreign-use"
    """What belongs to no slice of the card takes what the slice lacks of its share."""
    TOO_MANY = "too-many"
    """There are too many for a turn of each in one period."""
    MOVING = "moving"
    """Memory is being moved on the card, or the card is being tried."""
    CLOSED = "closed"
    """The card has failed, and nobody is paused there."""
    NOT_TOLD = "not-told"
    """The card does not tell who uses it how much."""
    TURNS_OFF = "turns-off"
    """No turns are taken on the card, which is full while the slice has less than its share."""
    DRIVER_WAITS = "driver-waits"
    """The card's driver keeps a switch from one turn to the next waiting."""
    TURNS_LAPSED = "turns-lapsed"
    """The agent did not measure the card in time for turns to go on, or they failed."""
    BEING_MEASURED = "being-measured"
    """Turns are taken, and it was not measured yet that they give the slice what is due to it."""
    NOT_MEASURED = "not-measured"
    """The card was not measured since the agent's start."""


@dataclass(frozen=True, slots=True)
class _Words:
    holds: Holds
    words: str
    """What follows "compute share"."""
    meaning: str
    """A sentence."""


_HOLDS: Final[Mapping[Holds, str]] = MappingProxyType(
    {
        Holds.KEPT: "kept",
        Holds.CAPPED: "capped",
        Holds.NOT_NEEDED: "not needed now",
        Holds.CANNOT: "cannot be kept",
        Holds.NOT_KNOWN: "not known yet",
    }
)


def _kept(meaning: str, by: str = "") -> _Words:
    return _Words(Holds.KEPT, _HOLDS[Holds.KEPT] + by, meaning)


def _because(why: str) -> _Words:
    words = f"{_HOLDS[Holds.CANNOT]}, because {why}"
    return _Words(Holds.CANNOT, words, f"The share {words}.")


def _not_known(why: str, meaning: str) -> _Words:
    return _Words(Holds.NOT_KNOWN, f"{_HOLDS[Holds.NOT_KNOWN]}, as {why}", meaning)


_WORDS: Final[Mapping[ShareKept, _Words]] = MappingProxyType(
    {
        ShareKept.BY_TURNS: _kept(
            "The card is full: slices compute in turns there, and the slice was measured to have "
            "what is due to it of the card's time. Where others run beside it, the card's changes "
            "from one to another are part of that time."
        ),
        ShareKept.CAPPED: _Words(
            Holds.CAPPED,
            f"{_HOLDS[Holds.CAPPED]}{{at}} by the quota's max_compute",
            "The quota lets a slice have no more of the card's compute than its pool's max_compute "
            "or, where that is more, its own share: the rest of the time is nobody's, as nobody "
            "else needs it.",
        ),
        ShareKept.BY_MIG: _kept(
            "The card itself keeps a part of its compute apart (MIG).", " by the card (MIG)"
        ),
        ShareKept.BY_MPS: _kept(
            "The MPS server lets each program have no more than the share, each by itself.",
            " by MPS",
        ),
        ShareKept.BY_HAMI: _kept(
            "HAMi's library in the programs slows them down to the share.", " by HAMi"
        ),
        ShareKept.BY_VOLCANO: _kept(
            "Volcano's vGPU library in the programs slows them down to the share.",
            " by Volcano's vGPU",
        ),
        ShareKept.NOT_NEEDED: _Words(
            Holds.NOT_NEEDED,
            _HOLDS[Holds.NOT_NEEDED],
            "Nobody has to wait for it: the slice has what is due to it, or does not compute, or "
            "the card has time to spare.",
        ),
        ShareKept.NOT_PAUSABLE: _because(
            "a program of it cannot be paused for the turns of others"
        ),
        ShareKept.LONG_KERNELS: _because(
            "a program of it cannot be paused for the turns of others: what runs of it on the card "
            f"takes longer than {COMES_TO_REST_WITHIN_MS} ms to end, as with long kernels"
        ),
        ShareKept.ON_SEVERAL_CARDS: _because(
            "it computes on several cards at once, and takes no turns"
        ),
        ShareKept.WAITS_FOR_PROGRAM: _because(
            "its program did not use its turns in full; it runs beside those of the others"
        ),
        ShareKept.RUNS_ON: _because("it runs on when its turns end, as with long kernels"),
        ShareKept.ALONE_PAUSABLE: _because(
            "what has more than its share of the card cannot be paused, or not in time"
        ),
        ShareKept.OTHERS_WAIT: _because(
            "programs beside it did not use their turns in full, and run freely for a while"
        ),
        ShareKept.FOREIGN: _because("processes of no slice of this card use {part} of its time"),
        ShareKept.TOO_MANY: _because("too many compute on the card at once for a turn of each"),
        ShareKept.MOVING: _because("memory is being moved on the card, or the card is being tried"),
        ShareKept.CLOSED: _because("the card has failed, or does not answer"),
        ShareKept.NOT_TOLD: _because("the card does not tell who uses how much of it"),
        ShareKept.TURNS_OFF: _because("this machine's agent is set to take no turns on this card"),
        ShareKept.DRIVER_WAITS: _because("the card's driver does not answer in time"),
        ShareKept.TURNS_LAPSED: _because(
            "this machine's agent was too late to go on with turns, or could not; it begins anew"
        ),
        ShareKept.BEING_MEASURED: _not_known(
            "its turns are being measured",
            "Slices compute in turns on the card: whether these give the slice what is due to it, "
            "and no more than it may have, is being measured, for a minute at most.",
        ),
        ShareKept.NOT_MEASURED: _not_known(
            "the card has not been measured yet",
            "The machine's agent has just started, or the card has not answered it yet.",
        ),
    }
)

BY_ENGINES: Final = frozenset(
    each for each in _WORDS if _WORDS[each].holds is Holds.KEPT and each is not ShareKept.BY_TURNS
)
"""What an engine keeps itself, and the node's agent leaves to it."""


def holds_of(kept: ShareKept) -> Holds:
    """Return which of the five it is."""
    return _WORDS[kept].holds


def share_kept_words(
    kept: ShareKept, most_milli: int | None = None, foreign_percent: int | None = None
) -> str:
    """Return how it stands, to be read after "compute share": in full, with the reason.

    ``most_milli``: how much of the card the slice has at most, in milli-GPU, where that is told;
    ``foreign_percent``: which part of the card's time what belongs to no slice uses.
    """
    at = "" if most_milli is None else f" at {most_milli / 10:g} %"
    return _WORDS[kept].words.format(at=at, part=_part(foreign_percent))


def share_kept_meaning(kept: ShareKept, foreign_percent: int | None = None) -> str:
    """Return how it stands in a sentence; ``foreign_percent`` as in ``share_kept_words``."""
    return _WORDS[kept].meaning.format(part=_part(foreign_percent))


def _part(percent: int | None) -> str:
    return "a part" if percent is None else f"{percent} %"
