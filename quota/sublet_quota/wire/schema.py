"""The base of every wire model, and the bounded strings they use."""

from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints

from sublet_quota.names.control_groups import is_group_of_a_unit


def _of_a_unit(path: str) -> str:
    if not is_group_of_a_unit(path):
        message = f"{path!r} is not the control group of a systemd service"
        raise ValueError(message)
    return path


Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Text = Annotated[str, StringConstraints(max_length=4000)]
LongText = Annotated[str, StringConstraints(max_length=20_000)]
PathText = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
"""A path below a folder, with ``/`` between its parts."""
UnitGroup = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_of_a_unit)]
"""The control group of a systemd service, such as ``/system.slice/jupyter-ada.service``."""
Mib = Annotated[int, "MiB"]

__all__ = [
    "AnswerModel",
    "AwareDatetime",
    "LongText",
    "Mib",
    "Name",
    "PathText",
    "Text",
    "UnitGroup",
    "WireModel",
]


class WireModel(BaseModel):
    """Frozen, and strict about what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AnswerModel(WireModel):
    """What a part of Sublet tells another: the teller may be newer, and say more than is known."""

    model_config = ConfigDict(extra="ignore", frozen=True)
