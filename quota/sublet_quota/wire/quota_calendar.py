"""Bodies of the API about when the quota document says something else: what begins and ends."""

from typing import Final

from pydantic import Field

from sublet_quota.wire.schema import AnswerModel, AwareDatetime, Count, Name, PositiveCount, Words

MOST_DAYS: Final = 100
"""So many days a calendar has at most."""
MOST_ENTRIES: Final = 1000
"""So many entries of each kind are told."""
_MOST_TIMES: Final = 2 * MOST_DAYS
_MOST_NAMED: Final = 10_000


class ReservedSpan(AnswerModel):
    """A time at which something is reserved."""

    begins_at: AwareDatetime
    ends_at: AwareDatetime


class ReservationInfo(AnswerModel):
    """A reservation, with its times in the days that were asked for."""

    name: Words
    group: Name
    cards: Words
    """What is reserved: ``8 cards of L4``."""
    at: Words
    """When, as the document writes it."""
    zone: Name
    until: Words | None
    """The last day."""
    times: tuple[ReservedSpan, ...] = Field(max_length=_MOST_TIMES)
    line: PositiveCount | None


class ExceptionInfo(AnswerModel):
    """An exception: what holds instead for some, until when, and why."""

    who: tuple[Name, ...] = Field(max_length=_MOST_NAMED)
    groups: tuple[Name, ...] = Field(max_length=_MOST_NAMED)
    sets: tuple[Words, ...] = Field(max_length=_MOST_NAMED)
    """What it lays over the rest, key by key: ``limit.cards: 4``."""
    until: AwareDatetime | None
    """When it ends by itself; ``None``: it does not."""
    is_over: bool
    why: Words
    line: PositiveCount | None


class QuotaCalendar(AnswerModel):
    """What is reserved on some days, and which exceptions there are."""

    begins_at: AwareDatetime
    ends_at: AwareDatetime
    reservations: tuple[ReservationInfo, ...] = Field(max_length=MOST_ENTRIES)
    """Of the document's those with a time in these days, by their first."""
    exceptions: tuple[ExceptionInfo, ...] = Field(max_length=MOST_ENTRIES)
    """Those that have not ended before these days, the first to end in front."""
    left_out: Count
