"""Bodies of the API about what was held and used, over a time."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from sublet_quota.wire.schema import AnswerModel, AwareDatetime, Name, Text

Hours = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_MOST_ROWS = 100_000


class UseKey(StrEnum):
    """By what hours are added up."""

    OWNER = "owner"
    GROUP = "group"
    """Which group it was charged to; empty for none."""
    TYPE = "type"
    """The card's type, as the quota document in force calls it; else its model."""
    POOL = "pool"
    NODE = "node"
    HOLDER = "holder"
    """``notebook`` or ``job``."""
    DAY = "day"
    """The day in UTC."""
    KIND = "kind"
    """What became of it: each row tells of all kinds in ``kinds``. By owner, group, type and day
    alone, and by whole hours."""


class KindHours(AnswerModel):
    """Hours on cards by what became of them; a slice counts as the part of its card that it is.

    ``held`` is the sum of the four that follow.
    """

    held: Hours
    used: Hours
    """While a GPU computed for the slice."""
    idle: Hours
    lent: Hours
    """While others had the room, or the compute, of an idle slice."""
    suspended: Hours
    """While it was off its card, and not lent."""
    borrowed: Hours
    """Those of ``held`` that were not within a guarantee."""
    charged: Hours
    """What the nearest budget of whoever paid was charged: times the type's ``rate``."""
    credited: Hours
    """What guests paid of that for lent room."""


class UseRow(AnswerModel):
    """The hours of one owner, type, day or whatever they are added up by."""

    of: dict[Name, Text]
    """What the row is of, by the keys that were asked for."""
    slice_hours: Hours
    """How long slices were held, whatever their sizes."""
    card_hours: Hours
    """The same, a slice counted as the larger of its parts of memory and compute of its card."""
    memory_gib_hours: Hours
    busy_hours: Hours | None = None
    """How long GPUs computed; told by owner and day alone, as are the next two."""
    lent_hours: Hours | None = None
    """How long idle slices were lent."""
    energy_wh: Hours | None = None
    """``None`` also where a card had no counter."""
    kinds: KindHours | None = None
    """Told where hours are asked for by kind."""


class UseReport(AnswerModel):
    """What was held and used between two times."""

    since: AwareDatetime
    until: AwareDatetime
    rows: tuple[UseRow, ...] = Field(max_length=_MOST_ROWS)
    """Those with the most card hours first."""
