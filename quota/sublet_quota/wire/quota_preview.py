"""Bodies of the API about what would follow if another quota document were in force."""

from typing import Final

from pydantic import Field

from sublet_quota.wire.budget import BudgetInfo
from sublet_quota.wire.quota import DocumentText
from sublet_quota.wire.rank import ToldRank
from sublet_quota.wire.schema import (
    AnswerModel,
    AwareDatetime,
    Count,
    Name,
    PositiveCount,
    WireModel,
    Words,
)

MOST_TOLD: Final = 1000
"""The most entries of each list."""
MOST_NAMED: Final = 100
"""The most people who are named with one right."""
_MOST_LISTED: Final = 10_000


class PreviewRequest(WireModel):
    """A quota document that might be put in force."""

    text: DocumentText


class PlacedWarning(AnswerModel):
    """A warning about a document, and where in it; for programs what ``warnings`` are for people.

    The key is empty, and the line ``None``, for what is said in no one place.
    """

    line: PositiveCount | None
    key: Words
    """``groups.science.guaranteed.H100``."""
    message: Words


class ExcessInfo(AnswerModel):
    """A group, or a person, who would hold more than they may, or than is guaranteed."""

    beyond: Name
    """``limit``, ``job-limit`` or ``guarantee``."""
    group: Name | None
    owner: Name | None
    """``None``: the group's members together."""
    held: Words
    """``2.5 cards of H100``."""
    most: Words


class RankForecast(AnswerModel):
    """A slice that would stand otherwise than now."""

    slice_id: Name
    owner: Name
    group: Name | None
    """Who pays."""
    before: ToldRank
    after: ToldRank
    at: AwareDatetime | None
    """When, as its grace is over; ``None``: at once."""


class ConcernedSlice(AnswerModel):
    """A slice, and whose it is."""

    slice_id: Name
    owner: Name


class ClaimInfo(AnswerModel):
    """A part of a guarantee on which slices of others lie."""

    group: Name | None
    """Whose guarantee; ``None``: another group's, of which whoever asks sees nothing."""
    gpu_type: Name
    gpu_id: Name
    node: Name
    gpu_index: Count
    calls_back: tuple[ConcernedSlice, ...] = Field(max_length=MOST_TOLD)
    """The slices that would make way, alive, as soon as the group wants the card."""
    in_the_way: tuple[ConcernedSlice, ...] = Field(max_length=MOST_TOLD)
    """The slices that cannot: until they have gone the guarantee is not met there."""


class JobForecastChange(AnswerModel):
    """A job that waits, and of which something else would come."""

    job_id: Name
    owner: Name
    group: Name | None
    """Who would pay."""
    before: Words | None
    """Why it would wait on as things are; ``None``: it would start."""
    after: Words | None
    """Why it would wait; ``None``: it would start."""


class RightForecast(AnswerModel):
    """A right that would be another for some of those who have slices or jobs."""

    group: Name | None
    """The group to whose account it applies; ``None``: whoever pays."""
    right: Name
    before: Words | None
    """``None``: there is none, as the group is none of theirs."""
    after: Words | None
    people: Count
    named: tuple[Name, ...] = Field(max_length=MOST_NAMED)
    """The first of them, by name."""


class QuotaPreviewInfo(AnswerModel):
    """What would follow if a document were in force now; nothing of it has happened."""

    at: AwareDatetime
    """When it was reckoned."""
    revision: PositiveCount | None
    """With which revision it was compared; ``None``: a file is in force, or it is of a part."""
    groups: tuple[Name, ...] | None = Field(default=None, max_length=_MOST_LISTED)
    """The groups that this is told for, with what is below them; ``None``: it is all."""
    people: Count
    """How many people have slices or jobs now; of groups: such as these pay."""
    beyond: tuple[ExcessInfo, ...] = Field(max_length=MOST_TOLD)
    budgets: tuple[BudgetInfo, ...] = Field(default=(), max_length=MOST_TOLD)
    """The budgets that would be over after what is spent of them, and are not now."""
    ranks: tuple[RankForecast, ...] = Field(max_length=MOST_TOLD)
    brought_back: tuple[ConcernedSlice, ...] = Field(max_length=MOST_TOLD)
    """Called-back slices that would have their place again at once."""
    claims: tuple[ClaimInfo, ...] = Field(max_length=MOST_TOLD)
    """Who would have to make way as soon as guarantees are claimed, and has not now."""
    jobs: tuple[JobForecastChange, ...] = Field(max_length=MOST_TOLD)
    jobs_are_planned: bool = True
    """Whether the service's own queue says which job is next: else another one does."""
    unmet: tuple[Words, ...] = Field(max_length=MOST_TOLD)
    """Which guarantees could not be met of the cards of now, and why."""
    rights: tuple[RightForecast, ...] = Field(max_length=MOST_TOLD)
    reservations: tuple[Words, ...] = Field(default=(), max_length=MOST_TOLD)
    """What would be reserved, now or later, and when; those that begin first in front."""
    warnings: tuple[Words, ...] = Field(max_length=MOST_TOLD)
    """What may not be meant in the document, or names what is not there."""
    placed: tuple[PlacedWarning, ...] = Field(default=(), max_length=2 * MOST_TOLD)
    """The same warnings, and what is unmet, with the line and the key of each."""
    left_out: Count
    """How many entries are not told, as there are too many."""
