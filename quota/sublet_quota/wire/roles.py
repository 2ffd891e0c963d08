"""Bodies of the API about who somebody is to Sublet."""

from pydantic import Field

from sublet_quota.wire.schema import AnswerModel, Name

_MOST_LISTED = 10_000


class RoleInfo(AnswerModel):
    """Who the caller is, and which groups of the quota document are theirs."""

    role: Name
    """``admin``; ``reader``, who sees all and changes nothing; ``group-admin``; ``user``."""
    groups: tuple[Name, ...] = Field(default=(), max_length=_MOST_LISTED)
    """The groups that the caller administers; of one below another only this other."""
    all_groups: tuple[Name, ...] = Field(default=(), max_length=_MOST_LISTED)
    """These, and all below them."""
