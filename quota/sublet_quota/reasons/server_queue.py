"""Notebooks in line: from what an expected time follows, and the words of a wait and of its end.

Moments are told in UTC, to the minute. No time is told that does not follow from something known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sublet_quota.reasons.moments import moment_words


class ExpectedFrom(StrEnum):
    """From what it follows when there will be room, or why that is not known."""

    TURN_NOW = "turn-now"
    KNOWN_ENDS = "known-ends"
    """From ends that are known."""
    IDLE_ENDS = "idle-ends"
    """From when idle servers are ended whose owners were warned."""
    HELD_BEFORE = "held-before"
    """From how long slices of that type were held lately."""
    CARD_OPENS = "card-opens"
    RESERVATION_ENDS = "reservation-ends"
    """From the end of a reservation, after which it is due what others hold by that."""
    EXCEPTION_ENDS = "exception-ends"
    """From the end of an exception, in the same way, or of what the exception kept from it."""
    LIMIT = "limit"
    """Unknown: a limit is in the way, and who makes room below it is not known."""
    FAR_BACK = "far-back"
    """Unknown: too many are before it."""
    RESERVED = "reserved"
    """Unknown: by the time that slices there end, the cards may be kept for a reservation."""
    NOTHING_KNOWN = "nothing-known"
    """Unknown: of the slices in the way too few ends are known or can be judged."""


class LineEnd(StrEnum):
    """Why a notebook is in line no more, without having its place."""

    LEFT = "left"
    """Its owner took it out."""
    TAKEN_OUT = "taken-out"
    """An administrator took it out."""
    WAITED_LONG = "waited-long"
    NOT_STARTED = "not-started"
    """It had its slice, and its server was not started in time."""
    RUNS_OTHERWISE = "runs-otherwise"
    """Its server was started in another way meanwhile, without the slice."""
    HUB_REFUSES = "hub-refuses"
    RULES_CHANGED = "rules-changed"
    """By now the request is one that no waiting helps."""
    NO_USER = "no-user"
    """Its owner is no user of the hub any more."""
    NO_LINE = "no-line"
    """The quota document lets nobody wait any more."""


@dataclass(frozen=True, slots=True)
class Expected:
    """When there will be room, as far as that is known."""

    at: datetime | None
    by: ExpectedFrom
    gpu_type: str = ""


@dataclass(frozen=True, slots=True)
class WaitFacts:
    """What a wait in line is told from."""

    place: int
    before: int
    """How many of those before ask for the same GPUs."""
    expected: Expected
    until: datetime
    why: str
    """The sentences of the refusal; empty where its turn has come."""


_EXPECTED: Final[Mapping[ExpectedFrom, str]] = MappingProxyType(
    {
        ExpectedFrom.TURN_NOW: "its turn has come",
        ExpectedFrom.KNOWN_ENDS: "room is expected at {at}, when what is in the way ends",
        ExpectedFrom.IDLE_ENDS: (
            "room is expected at {at}, when idle servers end, unless their owners come back"
        ),
        ExpectedFrom.HELD_BEFORE: (
            "room is expected at about {at}, if slices of {gpu_type} are held as long as lately"
        ),
        ExpectedFrom.CARD_OPENS: "room is expected at {at}, when a GPU opens",
        ExpectedFrom.RESERVATION_ENDS: (
            "room is expected at {at}, when a reservation ends and, as things stand, it is due some"
        ),
        ExpectedFrom.EXCEPTION_ENDS: (
            "room is expected at {at}, when an exception ends and, as things stand, it is due some"
        ),
        ExpectedFrom.LIMIT: (
            "when there will be room is not known: it hangs on a limit, and on what counts there"
        ),
        ExpectedFrom.FAR_BACK: (
            "when there will be room is not known: too many are before it in line"
        ),
        ExpectedFrom.RESERVED: (
            "when there will be room is not known: before slices there end, a reservation begins"
        ),
        ExpectedFrom.NOTHING_KNOWN: (
            "when there will be room is not known: too little is known of when slices there end"
        ),
    }
)
_ENDS: Final[Mapping[LineEnd, str]] = MappingProxyType(
    {
        LineEnd.LEFT: "its owner left the line",
        LineEnd.TAKEN_OUT: "an administrator took it out of the line",
        LineEnd.WAITED_LONG: "it waited {waited}, the longest that is allowed, and no room came",
        LineEnd.NOT_STARTED: (
            "its turn came, but its server was not started in time: its slice went to others"
        ),
        LineEnd.RUNS_OTHERWISE: "its server runs already, without the slice that it waited for",
        LineEnd.HUB_REFUSES: "its turn came, but JupyterHub does not start it: {said}",
        LineEnd.RULES_CHANGED: "no waiting helps any more: {said}",
        LineEnd.NO_USER: "JupyterHub has no such user any more",
        LineEnd.NO_LINE: "the quota document lets no notebooks wait in line any more",
    }
)


def expected_words(expected: Expected) -> str:
    """Return when there will be room, and from what that follows, as one clause."""
    at = "" if expected.at is None else moment_words(expected.at)
    return _EXPECTED[expected.by].format(at=at, gpu_type=expected.gpu_type)


def before_clause(before: int) -> str:
    """Return how many of those before ask for the same GPUs, as one clause."""
    if not before:
        return "nobody before it asks for the same GPUs"
    return f"{before} before it ask{'s' if before == 1 else ''} for the same GPUs"


def leaving_clause(until: datetime) -> str:
    """Return how a wait ends, as one clause whose subject is the notebook."""
    return f"starts by itself when its turn comes, or leaves the line at {moment_words(until)}"


def wait_words(facts: WaitFacts) -> str:
    """Return how a notebook stands in line, in sentences for its owner."""
    clause = expected_words(facts.expected)
    told = (
        f"Your notebook is in line, at place {facts.place}; {before_clause(facts.before)}.",
        f"{clause[0].upper()}{clause[1:]}.",
        f"It {leaving_clause(facts.until)}.",
        *((facts.why,) if facts.why else ()),
    )
    return " ".join(told)


def line_end_words(end: LineEnd, *, said: str = "", waited: str = "") -> str:
    """Return why a notebook is in line no more, as one clause.

    ``said``: what there is to say of that; ``waited``: how long it was in line.
    """
    return _ENDS[end].format(said=said, waited=waited)
