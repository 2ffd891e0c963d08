"""Bodies of the API about the quota document: what is in force, and what somebody may have."""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from sublet_quota.wire.schema import AnswerModel, AwareDatetime, Name, PositiveCount, Text, Words
from sublet_quota.wire.share import RightLine

MOST_DOCUMENT: Final = 2**20
"""The most bytes of a quota document."""
PartDigest = Annotated[str, StringConstraints(max_length=32, pattern=r"^[0-9a-f]{32}$")]
"""By what a part of the document is known; a change elsewhere does not change it."""
DocumentText = Annotated[str, StringConstraints(max_length=MOST_DOCUMENT)]
_MOST_LISTED: Final = 10_000


class KeptIn(StrEnum):
    """Where the quota document is kept."""

    FILE = "file"
    """In a file, which the service reads again when it changes."""
    DATABASE = "database"
    """In the service's database, with its revisions."""


class QuotaInForce(AnswerModel):
    """The quota document in force, and what is wrong with the file as it is now."""

    document: dict[str, Any]
    """All that it says, and what holds where it says nothing; as it was read, whatever has ended by
    now.
    """
    text: DocumentText
    """As it was written; empty without a file."""
    path: Text | None
    """The file; where it is kept in the database, the one that its first revision came from."""
    kept_in: Name = KeptIn.FILE.value
    """A value of ``KeptIn``."""
    revision: PositiveCount | None = None
    """The revision in force, where it is kept in the database; ``None``, too, to who sees a part
    alone.
    """
    groups: tuple[Name, ...] | None = Field(default=None, max_length=_MOST_LISTED)
    """The groups that this is the part of, with what is below them; ``None``: it is all."""
    part: PartDigest | None = None
    """By what this part is known; ``None``: it is all."""
    loaded_at: AwareDatetime | None
    """Since when it is in force; ``None``: whoever asks sees a part alone."""
    errors: tuple[Words, ...] = Field(default=(), max_length=_MOST_LISTED)
    """Not empty: the file is wrong now, and the document of before is in force."""
    warnings: tuple[Words, ...] = Field(default=(), max_length=_MOST_LISTED)
    """What to look at in the document: what may not be meant, or cannot be had of today's cards."""


class QuotaRights(AnswerModel):
    """What somebody may have, each right with the line of the document that says so."""

    owner: Name
    groups: tuple[Name, ...] = Field(max_length=_MOST_LISTED)
    """Their groups that can pay."""
    groups_known: bool = True
    """Whether their groups are known: where not, what they may have through these is not in here.
    """
    rights: tuple[RightLine, ...] = Field(max_length=_MOST_LISTED)
