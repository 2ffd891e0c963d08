"""The events of the stream ``changes``, by which an open console learns what is another now."""

from enum import StrEnum
from typing import Final

from pydantic import Field

from sublet_quota.wire.api import GpuInfo
from sublet_quota.wire.schema import AnswerModel, Name

MOST_CARDS_TOLD: Final = 200
"""How many cards one event has at most; more come in several."""
_MOST_GONE: Final = 100_000


class Topic(StrEnum):
    """What a page asks for anew when the stream says so."""

    SHARE = "share"
    """The caller's ``share``."""
    JOBS = "jobs"
    """The caller's ``jobs``."""
    WAITS = "waits"
    """The caller's ``waits``, and of all for admins."""
    LENDING = "lending"
    EVICTIONS = "evictions"
    """For admins."""
    NOTICES = "notices"
    """For admins: what they tell owners."""
    QUOTA = "quota"
    """The quota document in force: all of it for admins, to admins of groups what is theirs."""


class CardsChanged(AnswerModel):
    """The event ``cards``, for admins: cards as they are now, and those that are no more."""

    cards: tuple[GpuInfo, ...] = Field(max_length=MOST_CARDS_TOLD)
    gone: tuple[Name, ...] = Field(default=(), max_length=_MOST_GONE)
    """The ids of cards that the service knows no more."""
    complete: bool = True
    """Whether this is the last of several events that belong together."""


class TopicsChanged(AnswerModel):
    """The event ``changed``: what is to be asked for anew."""

    topics: tuple[Topic, ...] = Field(max_length=len(Topic))
