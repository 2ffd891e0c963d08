"""Bodies of the API about what admins tell owners: plain text that ends by itself."""

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from sublet_quota.wire.schema import (
    AnswerModel,
    AwareDatetime,
    Name,
    WireModel,
    Words,
    of_plain_text,
)

MOST_ANNOUNCED: Final = 500
"""The most characters of an announcement."""
_MOST_GROUPS: Final = 10_000


class Audience(StrEnum):
    """To whom something is announced."""

    ALL = "all"
    OWNER = "owner"
    GROUP = "group"
    """Whoever is in this group of the quota document, or in one below it; of a group that the
    document does not have, whoever is in JupyterHub's."""
    NODE = "node"
    """Whoever has a slice there, of a server or a job."""
    CARD = "card"
    """Whoever has a slice on it, of a server or a job."""


class AnnouncementRequest(WireModel):
    """Tell owners something, in one line of plain text."""

    text: Annotated[
        str,
        StringConstraints(min_length=1, max_length=MOST_ANNOUNCED),
        AfterValidator(of_plain_text),
    ]
    audience: Audience
    name: Name | None = None
    """Which owner, group or node; a card by its id, or as ``NODE:INDEX``; none for all."""
    until: AwareDatetime | None = None
    """When it ends by itself; ``None``: after a day."""

    @model_validator(mode="after")
    def _is_to_somebody(self) -> Self:
        if (self.name is None) is not (self.audience is Audience.ALL):
            message = "give a name for an owner, a group, a node or a card, and none for all"
            raise ValueError(message)
        return self


class WithdrawalRequest(WireModel):
    """Take an announcement back."""

    announcement_id: Name


class AnnouncementInfo(AnswerModel):
    """What is announced, for admins."""

    announcement_id: Name
    text: Words
    audience: Name
    """A value of ``Audience``; a newer service may tell others."""
    name: Name | None
    """Which owner, group or node; a card by its id."""
    made_by: Name
    within: tuple[Name, ...] = Field(default=(), max_length=_MOST_GROUPS)
    """The groups whose admin tells it, to nobody outside them; none: an admin of all does."""
    made_at: AwareDatetime
    until: AwareDatetime


class MadeAnnouncement(AnnouncementInfo):
    """What was just announced, for the admin who did it."""

    warning: Words | None = None
    """That JupyterHub knows nobody, or no group, of the name; ``None``: it does, or was not to be
    asked.
    """


class ShownAnnouncement(AnswerModel):
    """What an owner is told by admins, or by Sublet itself."""

    announcement_id: Name
    text: Words
    """Of an admin of groups it begins with who that is."""
    made_at: AwareDatetime
    until: AwareDatetime
    from_admin: bool = True
    """Whether an admin says so; else Sublet itself, by the quota document."""
