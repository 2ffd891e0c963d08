"""Bodies of the API about notices that go out by mail or webhook; for admins."""

from typing import Final

from pydantic import Field

from sublet_quota.wire.schema import AnswerModel, AwareDatetime, Count, Name, WireModel, Words

MOST_WITHOUT: Final = 50


class ChannelInfo(AnswerModel):
    """One way out, with what became of the notices that took it lately."""

    channel: Name
    """``mail`` or ``webhook``; a newer service may have others."""
    waiting: Count
    """How many are still to be sent, or sent again."""
    sent: Count
    failed: Count
    """How many were given up."""
    problem: Words | None = None
    """Why the last one that was not delivered was not; ``None``: none lately."""
    problem_at: AwareDatetime | None = None
    """Since when that one is told."""


class ReportsInfo(AnswerModel):
    """The reports of weeks that go out."""

    next_at: AwareDatetime | None = None
    """When the next is due."""
    week: Name | None = None
    """The last that was made, such as ``2026-W48``; ``None``: none yet."""
    made_at: AwareDatetime | None = None
    receivers: Count = 0
    """To how many users they are mailed."""
    without: tuple[Name, ...] = Field(default=(), max_length=MOST_WITHOUT)
    """Groups of which nobody is told, the first of them by name."""
    more_without: Count = 0
    problem: Words | None = None
    """Why the one that is due could not be made; it is tried again."""


class DeliveriesInfo(AnswerModel):
    """The ways out that are set; empty where none is."""

    channels: tuple[ChannelInfo, ...] = ()
    is_full: bool = False
    """Whether so many wait that new ones are not taken in."""
    reports: ReportsInfo | None = None
    """``None``: no reports are sent."""


class ReportTrialRequest(WireModel):
    """Send me a week's report now."""

    channel: Name = "mail"
    """``mail`` (to the caller alone) or ``webhook``."""
    week: Name | None = None
    """Such as ``2026-W48``; ``None``: the last whole one."""
    group: Name | None = None
    """Of this group with all below it alone."""


class ReportTrial(AnswerModel):
    """What came of it."""

    channel: Name
    week: Name
    was_sent: bool
    problem: Words | None = None
    """Why it was not taken."""
