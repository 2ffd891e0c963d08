"""What will be taken from an owner unless something happens before: codes with facts, and words.

Of each: what is taken, why, what its owner can do, and, where no button puts it off, why none does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sublet_quota.reasons.refusal import quoted


class AheadKind(StrEnum):
    """What is ahead of an owner."""

    SERVER_IDLE = "server-idle"
    SERVER_EVICTED = "server-evicted"
    SERVER_OVER_CAP = "server-over-cap"
    JOB_OVER_CAP = "job-over-cap"
    JOB_DRAINED = "job-drained"
    PLACE_CLOSED = "place-closed"
    """A server's slice stays, but comes to no such place again."""
    LESS_GUARANTEED = "less-guaranteed"
    BUDGET_ENDS = "budget-ends"
    BUDGET_ENDS_NO_NEW = "budget-ends-no-new"
    KEEP_ENDS = "keep-ends"


@dataclass(frozen=True, slots=True)
class AheadFacts:
    """What the words are made of; what a kind has none of is empty."""

    kind: AheadKind
    name: str = ""
    """The server's, empty for the default one; the job's; the budget's, as a clause."""
    why: str = ""
    """What an admin, or the quota document, says."""
    by: str = ""
    since: str = ""
    length: str = ""
    has: str = ""
    may_have: str = ""
    again: str = ""
    """When there are hours again."""


@dataclass(frozen=True, slots=True)
class AheadWords:
    """The same for people, as sentences; ``why_no_deed`` is empty where nothing is to be said."""

    what: str
    why: str
    advice: str
    why_no_deed: str


_ALIVE: Final = "It is never ended for that: it is suspended and takes turns, and loses nothing."
_MORE_HOURS: Final = "Whoever keeps the quota document can give more hours.{again}"
_TABLE: Final[Mapping[AheadKind, AheadWords]] = MappingProxyType(
    {
        AheadKind.SERVER_IDLE: AheadWords(
            "{server} is ended, with all that is in its kernels' memory.",
            "It has been idle since {since}, and may be so for {length}.",
            "Run a cell, or extend it. Files stay as they are.",
            "It is being ended already.",
        ),
        AheadKind.SERVER_EVICTED: AheadWords(
            "{server} is stopped, with all that is in its kernels' memory.",
            "By {by}: {why}.",
            "Save your work before then.",
            "An admin stops it: {by} can say when else.",
        ),
        AheadKind.SERVER_OVER_CAP: AheadWords(
            "{server} is ended, with all that is in its kernels' memory.",
            "It has {has} of the GPU's memory, and may have {may_have}.",
            "Free memory: once it is back within its cap, it goes on.",
            "Only that puts it off.",
        ),
        AheadKind.JOB_OVER_CAP: AheadWords(
            "Your job {name} is ended.",
            "It has {has} of the GPU's memory, and may have {may_have}.",
            "Once it is back within its cap, it goes on.",
            "Only that puts it off.",
        ),
        AheadKind.JOB_DRAINED: AheadWords(
            "Your job {name} leaves its GPU, and goes back to the queue.",
            "{why}.",
            "It begins anew, from what it saved, where there is room.",
            "The card is being emptied.",
        ),
        AheadKind.PLACE_CLOSED: AheadWords(
            "{server} stays where it is for as long as it runs, and is not started there again.",
            "{why}.",
            "Once you stop it, it is started on another card, where there is room.",
            "Nothing is taken while it runs.",
        ),
        AheadKind.LESS_GUARANTEED: AheadWords(
            "{server} no longer counts as guaranteed: it makes way for whoever is.",
            "The quota document guarantees or allows less than when it came; so long it counts as "
            "before.",
            _ALIVE,
            "Whoever keeps the quota document can guarantee more.",
        ),
        AheadKind.BUDGET_ENDS: AheadWords(
            "{name} is spent: what it pays for counts as borrowed, and makes way for all others.",
            "{has} h are left of {may_have} h; the time is by what was spent so far.",
            "Stop what you need no more; hours in which idle slices are lent are credited.",
            _MORE_HOURS,
        ),
        AheadKind.BUDGET_ENDS_NO_NEW: AheadWords(
            "{name} is spent: nothing new is let in, and what runs counts as borrowed.",
            "{has} h are left of {may_have} h; the time is by what was spent so far.",
            "Stop what you need no more; hours in which idle slices are lent are credited.",
            _MORE_HOURS,
        ),
        AheadKind.KEEP_ENDS: AheadWords(
            "{server} may be lent again while it is idle.",
            "You keep it until then.",
            "Whenever you run a cell it comes back, with all that it held.",
            "None of the minutes are left for which you may keep slices today.",
        ),
    }
)


def ahead_words(facts: AheadFacts) -> AheadWords:
    """Return what an owner is told of what is ahead."""
    server = f"Your server {quoted(facts.name)}" if facts.name else "Your server"
    again = f" There are hours again at {facts.again}." if facts.again else ""
    why = facts.why.rstrip(".")
    told = _TABLE[facts.kind]

    def put(words: str) -> str:
        filled = words.format(
            server=server,
            name=facts.name,
            why=why[:1].upper() + why[1:] if words.startswith("{why}") else why,
            by=facts.by,
            since=facts.since,
            length=facts.length,
            has=facts.has,
            may_have=facts.may_have,
            again=again,
        )
        return filled[:1].upper() + filled[1:]

    return AheadWords(put(told.what), put(told.why), put(told.advice), put(told.why_no_deed))
