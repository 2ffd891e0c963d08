"""What goes between the service and the process that simulates past days: a line of JSON each.

The process is sent the question, and then each day as it is exported (``HistoryDay``); when that is
over it tells how far it is, and at the end what it came to.
"""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sublet_quota.wire.past_preview import PastPreviewInfo

MODULE: Final = "sublet_hub.usage.past_preview.simulating"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Asked(_Line):
    """The question."""

    in_force: str
    other: str
    days: int


class Passed(_Line):
    """How far the simulation is, from 0 to 1."""

    part: float


class Report(_Line):
    """What it came to."""

    report: PastPreviewInfo


class Wrong(_Line):
    """Why there is nothing to tell."""

    wrong: str


class OutOfMemory(_Line):
    """It needed more memory than it may have."""

    needed_more_than_mib: int


Told = Passed | Report | Wrong | OutOfMemory
TOLD: Final[TypeAdapter[Told]] = TypeAdapter(Annotated[Told, Field(union_mode="left_to_right")])
