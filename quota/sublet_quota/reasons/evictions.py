"""What an owner is told whose server or job an admin ends: codes with facts, and their words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sublet_quota.reasons.moments import moment_words
from sublet_quota.reasons.refusal import quoted


class EvictionStage(StrEnum):
    """What becomes of a server or job that an admin ends."""

    SERVER_WILL_STOP = "server-will-stop"
    SERVER_STOPS = "server-stops"
    """Its grace is over, and it is being stopped."""
    SERVER_STOPPED = "server-stopped"
    JOB_SENT_BACK = "job-sent-back"
    JOB_CANCELLED = "job-cancelled"


@dataclass(frozen=True, slots=True)
class EvictionFacts:
    """What an owner is told about it."""

    stage: EvictionStage
    name: str
    """The server's name, empty for the default one; a job's id."""
    by: str
    """The admin."""
    at: datetime
    """When it ends, or ended."""
    reason: str
    """The admin's own words."""


_SENTENCES: Final[Mapping[EvictionStage, str]] = MappingProxyType(
    {
        EvictionStage.SERVER_WILL_STOP: (
            "{name} will be stopped at {at} by {by}: {reason}. Save your work before then."
        ),
        EvictionStage.SERVER_STOPS: "{name} is being stopped, since {at}, by {by}: {reason}.",
        EvictionStage.SERVER_STOPPED: "{name} was stopped at {at} by {by}: {reason}.",
        EvictionStage.JOB_SENT_BACK: (
            "Your job {name} was sent back to the queue at {at} by {by}: {reason}. It begins anew "
            "from what it saved."
        ),
        EvictionStage.JOB_CANCELLED: "Your job {name} was cancelled at {at} by {by}: {reason}.",
    }
)
_OF_JOBS: Final = frozenset({EvictionStage.JOB_SENT_BACK, EvictionStage.JOB_CANCELLED})


def eviction_sentence(facts: EvictionFacts) -> str:
    """Return what the owner is told, as sentences."""
    server = f"Your server {quoted(facts.name)}" if facts.name else "Your server"
    return _SENTENCES[facts.stage].format(
        name=facts.name if facts.stage in _OF_JOBS else server,
        at=moment_words(facts.at),
        by=facts.by,
        reason=facts.reason.rstrip(". "),
    )


def sent_back_clause(reason: str) -> str:
    """Return why a job had to leave its GPU, for its reason: without the admin's name."""
    return f"an admin has sent it back: {reason}"
