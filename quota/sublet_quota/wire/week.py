"""Bodies of the API about a week of each group: what it held, waited for, was refused and took."""

from typing import Annotated, Final

from pydantic import Field

from sublet_quota.wire.schema import AnswerModel, AwareDatetime, Count, Name, Seconds, Text
from sublet_quota.wire.use import CarbonFactors, Hours, KindHours

_MOST_GROUPS: Final = 10_000
_MOST_KINDS: Final = 100
MOST_IDLE: Final = 5


class WeekWait(AnswerModel):
    """How long one kind was waited for, of a group in a week."""

    kind: Name
    """A value of ``WaitedKind``; a newer service may tell others."""
    count: Count
    median_s: Seconds
    p95_s: Seconds


class WeekRefusal(AnswerModel):
    """How often one reason was told to members of a group in a week."""

    code: Name
    """A value of ``RefusalReason``; a newer service may tell others."""
    times: Count
    owners: Count
    """To how many users."""


class WeekNumbers(AnswerModel):
    """The numbers of one group in one week."""

    hours: KindHours
    energy_wh: Hours | None
    """``None``: nothing was metered, or a card had no counter."""
    carbon_g: Hours | None
    waits: tuple[WeekWait, ...] = Field(max_length=_MOST_KINDS)
    refusals: tuple[WeekRefusal, ...] = Field(max_length=_MOST_KINDS)
    """The most frequent first; who is a member of several groups is told of in each."""


class IdleHolder(AnswerModel):
    """Somebody whose slices were idle for long."""

    owner: Name
    held: Hours
    idle: Hours


class GroupWeek(AnswerModel):
    """A group's week, and the one before it."""

    group: Text
    """Who paid; empty: no group."""
    week: WeekNumbers
    before: WeekNumbers
    idle: tuple[IdleHolder, ...] = Field(max_length=MOST_IDLE)
    """Those whose slices were idle for the most hours of the week, these first."""


class WeekReport(AnswerModel):
    """A week by group."""

    week: Annotated[str, Field(pattern=r"^[0-9]{4}-W[0-9]{2}$")]
    """By ISO 8601: ``2026-W48``."""
    since: AwareDatetime
    until: AwareDatetime
    """Its end, or when this was told, if it was not over then."""
    is_over: bool
    zone: Name
    carbon: CarbonFactors | None
    groups: tuple[GroupWeek, ...] = Field(max_length=_MOST_GROUPS)
    """By name; what no group paid comes last."""
