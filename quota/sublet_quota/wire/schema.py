"""The base of every wire model, and the bounded strings they use."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Text = Annotated[str, StringConstraints(max_length=4000)]
LongText = Annotated[str, StringConstraints(max_length=20_000)]
PathText = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
"""A path below a folder, with ``/`` between its parts."""
Mib = Annotated[int, "MiB"]

__all__ = [
    "AnswerModel",
    "AwareDatetime",
    "LongText",
    "Mib",
    "Name",
    "PathText",
    "Text",
    "WireModel",
]


class WireModel(BaseModel):
    """Frozen, and strict about what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AnswerModel(WireModel):
    """What a part of Sublet tells another: the teller may be newer, and say more than is known."""

    model_config = ConfigDict(extra="ignore", frozen=True)
