"""The base of every wire model, and the bounded strings they use."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Text = Annotated[str, StringConstraints(max_length=4000)]
Mib = Annotated[int, "MiB"]

__all__ = ["AwareDatetime", "Mib", "Name", "Text", "WireModel"]


class WireModel(BaseModel):
    """Frozen, and strict about what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)
