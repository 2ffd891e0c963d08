"""Bodies of the API about who holds what of the quotas now: every group, and who is over."""

from typing import Final

from pydantic import Field

from sublet_quota.wire.budget import BudgetInfo
from sublet_quota.wire.quota_preview import MOST_TOLD, ExcessInfo
from sublet_quota.wire.schema import AnswerModel, AwareDatetime, Count, Name, PositiveCount, Words
from sublet_quota.wire.share import GroupShare

_MOST_GROUPS: Final = 10_000


class GroupNode(AnswerModel):
    """A group of the tree, with what it holds of what is guaranteed and allowed."""

    share: GroupShare
    weight: Count
    members: tuple[Name, ...] = Field(max_length=_MOST_GROUPS)
    """The hub's groups whose members belong to it directly."""
    over: tuple[ExcessInfo, ...] = Field(default=(), max_length=MOST_TOLD)
    """What its members together hold beyond a limit."""
    budget: BudgetInfo | None = None
    line: PositiveCount | None
    """The document's line."""


class QuotaTree(AnswerModel):
    """All groups as they are in force at this moment, parents before their children."""

    at: AwareDatetime
    revision: PositiveCount | None
    """The revision in force; ``None``: a file is, or whoever asks sees a part alone."""
    groups: tuple[GroupNode, ...] = Field(max_length=_MOST_GROUPS)
    outside: GroupShare
    """What nobody's group pays for."""
    people: Count
    """How many people have slices."""
    over: tuple[ExcessInfo, ...] = Field(max_length=MOST_TOLD)
    """The people with more than they may have."""
    unmet: tuple[Words, ...] = Field(max_length=MOST_TOLD)
    """Which guarantees cannot be met of the cards of now, and why."""
    left_out: Count
    """How many people and guarantees are not told, as there are too many."""
