"""Bodies of the API about the revisions of the quota document, where it is in the database."""

from pydantic import Field

from sublet_quota.wire.quota import DocumentText, PartDigest
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
    """Put another document, or a part of it, in force, made from what is in force still."""

    text: DocumentText
    """The document, as YAML; of an admin of groups their part of it."""
    reason: PlainReason
    expect: PositiveCount | None = None
    """The revision that the document was made from: refused where another is in force by now.
    Needed of the whole document.
    """
    expect_part: PartDigest | None = None
    """By what the part that this was made from is known (``QuotaInForce.part``): refused where that
    part is another by now. Needed of a part: of the groups in it, or of all that its author has.
    """


class RollbackRequest(WireModel):
    """Put in force what an earlier revision says, as a new revision."""

    revision: PositiveCount
    reason: PlainReason
    expect: PositiveCount
    """The revision that is thought to be in force: refused where another is by now."""


class RevisionInfo(AnswerModel):
    """A revision of the quota document: who made it, when and why."""

    revision: PositiveCount | None
    """Its number; ``None``: it is told to who sees a part alone."""
    change: PartDigest | None = None
    """Of a part: by what the revision is asked for, in the place of its number."""
    author: Words
    made_at: AwareDatetime
    reason: Words
    """Empty where it was said of more than the groups that this is told of."""
    keys_changed: Count
    """How many keys say something else than in the revision before."""
    in_force: bool
    """Whether it is the newest; of a part: the newest that changed it."""
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

    about: RevisionInfo | None
    """The revision in force; ``None``: of a part nothing was changed."""
    is_new: bool
    """``False``: the document is the one that was in force, word by word; no revision was made."""
    part: PartDigest | None = None
    """Of a part: by what it is known now."""
    warnings: tuple[Words, ...] = Field(default=(), max_length=_MOST_LISTED)
    """What to look at in the document: what may not be meant, or cannot be had of today's cards."""
