"""What an owner is told whose server is idle, spared, or was ended: facts, and their words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sublet_quota.reasons.moments import length_words, moment_words
from sublet_quota.reasons.refusal import quoted


class ToldIdle(StrEnum):
    """What becomes of an idle server."""

    IDLE = "idle"
    """Its end is not near yet."""
    WARNED = "warned"
    ENDS = "ends"
    """Its time is over, and it is being ended."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class IdleFacts:
    """What is known of an idle server."""

    told: ToldIdle
    server: str
    """Its name; empty for the default one."""
    idle_since: datetime
    max_idle: timedelta
    ends_at: datetime
    """When it is, or was, ended."""


@dataclass(frozen=True, slots=True)
class SparingJob:
    """The job for which an idle server is not ended: it was promoted from it."""

    name: str
    runs: bool
    """Whether it runs; else it has begun, and waits to go on."""
    others: int = 0
    """How many more such jobs there are."""


_SENTENCES: Final[Mapping[ToldIdle, str]] = MappingProxyType(
    {
        ToldIdle.IDLE: (
            "{name} has been idle since {since}. Unless a cell runs before, it is ended at {at}."
        ),
        ToldIdle.WARNED: (
            "{name} has been idle since {since} and will be ended at {at}, with all that is in its "
            "kernels' memory: run a cell, or extend it, if you still need it."
        ),
        ToldIdle.ENDS: "{name} is being ended, since {at}: it has been idle since {since}.",
        ToldIdle.ENDED: (
            "{name} was ended at {at}: it had been idle since {since}, and may be so for "
            "{max_idle}. Your files are as they were."
        ),
    }
)


def idle_sentence(facts: IdleFacts) -> str:
    """Return what the owner is told, as sentences."""
    return _SENTENCES[facts.told].format(
        name=_named(facts.server),
        since=moment_words(facts.idle_since),
        at=moment_words(facts.ends_at),
        max_idle=length_words(facts.max_idle),
    )


def spared_clause(job: SparingJob) -> str:
    """Return why an idle server is not ended, for a list of remarks."""
    verb = "runs" if job.runs else "waits to go on"
    more = f" (and {job.others} more)" if job.others else ""
    return f"not ended while job {quoted(job.name)}{more}, promoted from it, {verb}"


def spared_sentence(server: str, idle_since: datetime, job: SparingJob) -> str:
    """Return why an idle server is not ended, as a sentence; an empty name: the default one."""
    since = moment_words(idle_since)
    return f"{_named(server)} has been idle since {since}, and is {spared_clause(job)}."


def _named(server: str) -> str:
    return f"Your server {quoted(server)}" if server else "Your server"
