"""Bodies of the API about the revisions of the quota document, where it is in the database."""

from pydantic import Field

from sublet_quota.wire.quota import DocumentText
from sublet_quota.wire.schema import (
    AnswerModel,
    AwareDatetime,
    Count,
    Name,
    PlainReason,
    PositiveCount,
    WireModel,
    Words,
)

MOST_REVISIONS = 1000
"""So many are kept, the newest."""
_MOST_LISTED = 10_000


class ApplyRequest(WireModel):
    """Put another document in force, made from a revision that is in force still."""

    text: DocumentText
    """The document, as YAML."""
    reason: PlainReason
    expect: PositiveCount
    """The revision that the document was made from: refused where another is in force by now."""


class RollbackRequest(WireModel):
    """Put in force what an earlier revision says, as a new revision."""

    revision: PositiveCount
    reason: PlainReason
    expect: PositiveCount
    """The revision that is thought to be in force: refused where another is by now."""


class RevisionInfo(AnswerModel):
    """A revision of the quota document: who made it, when and why."""

    revision: PositiveCount
    author: Words
    made_at: AwareDatetime
    reason: Words
    """Empty where it was said of more than the groups that this is told of."""
    keys_changed: Count
    """How many keys say something else than in the revision before."""
    in_force: bool
    role: Name | None = None
    """In which role it was made (``RoleInfo.role``); ``None``: by the service, or long ago."""
    groups: tuple[Name, ...] = Field(default=(), max_length=_MOST_LISTED)
    """The groups within which an admin of groups made it."""
    is_part: bool = False
    """Whether it is told of some groups alone: of their keys, and as far as it is theirs to see."""


class RevisionText(AnswerModel):
    """A revision with what it says, and what the one before said."""

    about: RevisionInfo
    text: DocumentText
    text_before: DocumentText | None
    """``None``: none before it is kept."""


class Applied(AnswerModel):
    """What came of a document that was applied: it is in force."""

    about: RevisionInfo
    is_new: bool
    """``False``: the document is the one that was in force, word by word; no revision was made."""
    warnings: tuple[Words, ...] = Field(default=(), max_length=_MOST_LISTED)
    """What to look at in the document: what may not be meant, or cannot be had of today's cards."""
