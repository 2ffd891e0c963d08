"""Bodies of the API about notices that go out by mail or webhook; for admins."""

from sublet_quota.wire.schema import AnswerModel, AwareDatetime, Count, Name, Words


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


class DeliveriesInfo(AnswerModel):
    """The ways out that are set; empty where none is."""

    channels: tuple[ChannelInfo, ...] = ()
    is_full: bool = False
    """Whether so many wait that new ones are not taken in."""
