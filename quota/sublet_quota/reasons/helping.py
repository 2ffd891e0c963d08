"""What would help somebody who is refused: codes with names, and the one table of their words.

Only what was found to help may be given: whoever refuses asks first whether the request would then
be granted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sublet_quota.amounts.gpu_amounts import GpuAmount

_MOST_NAMES: Final = 3


class HelpKind(StrEnum):
    """What somebody could do, or wait for."""

    OTHER_SIZE = "other-size"
    """Pick one of the sizes that are named."""
    LESS = "less"
    """Ask for no more than the amount."""
    OTHER_GROUP = "other-group"
    """Have one of the groups that are named pay."""
    STOP_ONE = "stop-one"
    """Stop one of one's own other servers."""
    STOP_ALL = "stop-all"
    """Stop all one's own other servers."""
    MEMBERS_STOP = "members-stop"
    """Wait until members of the groups that are named stop servers."""
    SOMEBODY_STOPS = "somebody-stops"
    """Wait until others stop servers."""
    START_AGAIN = "start-again"
    """Start the server again, to be placed on another GPU."""
    CANCEL_JOB = "cancel-job"
    IN_LINE = "in-line"
    """Stay in line: nobody in it has to try again."""
    LATER = "later"
    """Wait for cards to open again."""
    AFTER = "after"
    """Wait for the time that is named: a card opens then."""
    RESERVED = "reserved"
    """Wait for what is left of the reservation of a group, or for its end: all three are named.
    Where nothing is lent before that, both moments are its end.
    """
    ADMIN_OPENS = "admin-opens"
    """Wait for an administrator to open a card: none opens by itself."""
    ADMIN = "admin"
    """Ask an administrator: nothing else helps."""


@dataclass(frozen=True, slots=True)
class Help:
    """One thing that would help."""

    kind: HelpKind
    names: tuple[str, ...] = ()
    """The sizes, groups or moments, where the kind speaks of any."""
    amount: GpuAmount | None = None


ADMIN: Final = (Help(HelpKind.ADMIN),)

_WORDS: Final[Mapping[HelpKind, str]] = MappingProxyType(
    {
        HelpKind.OTHER_SIZE: "pick another size ({names})",
        HelpKind.LESS: "ask for {amount} or less",
        HelpKind.OTHER_GROUP: "have another group of yours pay ({names})",
        HelpKind.STOP_ONE: "stop another server of yours",
        HelpKind.STOP_ALL: "stop your other servers",
        HelpKind.MEMBERS_STOP: "wait until members of {names} stop servers",
        HelpKind.SOMEBODY_STOPS: "wait until somebody stops a server",
        HelpKind.START_AGAIN: (
            "start your server again with the larger size, to get it on another GPU"
        ),
        HelpKind.CANCEL_JOB: "cancel a job, or wait until one ends",
        HelpKind.IN_LINE: "stay in line",
        HelpKind.LATER: "try again later",
        HelpKind.AFTER: "try again after {names}",
        HelpKind.RESERVED: (
            "try again after {left}, when what {group} leaves of its reservation is lent, or after "
            "{end}, when that ends"
        ),
        HelpKind.ADMIN_OPENS: "an administrator has to open a GPU",
        HelpKind.ADMIN: "ask an administrator",
    }
)
_TRY_AGAIN: Final = frozenset({HelpKind.LATER, HelpKind.AFTER, HelpKind.RESERVED})
_RESERVED_TO_ITS_END: Final = "try again after {end}, when the reservation of {group} ends"
_LESS: Final = "ask for less"
"""Where the refusal itself says how much there may be, in other units than memory and compute."""


def for_who_is_in_line(helps: tuple[Help, ...]) -> tuple[Help, ...]:
    """Return what would help somebody who is asked for anew by itself: never to try again."""
    told = (Help(HelpKind.IN_LINE) if each.kind in _TRY_AGAIN else each for each in helps)
    return tuple(dict.fromkeys(told))


def helping_sentence(helps: tuple[Help, ...]) -> str:
    """Return what would help, as one sentence."""
    clauses = [help_clause(each) for each in helps]
    told = clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])}, or {clauses[-1]}"
    return f"{told[0].upper()}{told[1:]}."


def help_clause(one: Help) -> str:
    """Return one thing that would help, as a clause without a full stop."""
    if one.kind is HelpKind.LESS and one.amount is None:
        return _LESS
    if one.kind is HelpKind.RESERVED:
        group, left, end = one.names
        words = _WORDS[one.kind] if left != end else _RESERVED_TO_ITS_END
        return words.format(group=group, left=left, end=end)
    return _WORDS[one.kind].format(names=", ".join(one.names[:_MOST_NAMES]), amount=one.amount)
