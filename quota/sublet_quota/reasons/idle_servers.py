"""What an owner is told whose server is idle, or was ended for it: facts, and their words."""

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
        name=f"Your server {quoted(facts.server)}" if facts.server else "Your server",
        since=moment_words(facts.idle_since),
        at=moment_words(facts.ends_at),
        max_idle=length_words(facts.max_idle),
    )
