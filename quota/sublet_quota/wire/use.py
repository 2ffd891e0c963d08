"""Bodies of the API about what was held, used and waited for, over a time."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from sublet_quota.wire.schema import (
    AnswerModel,
    AwareDatetime,
    CardCount,
    Name,
    PositiveCount,
    Seconds,
    Text,
    Words,
)

Hours = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_MOST_ROWS: Final = 100_000
_MOST_PUE: Final = 10.0
_MOST_G_PER_KWH: Final = 100_000.0


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
    HOUR = "hour"
    """Of the hour, the day and the week, which are those of the zone that is asked for, one at
    once: ``2026-11-24T09:00+01:00``."""
    DAY = "day"
    WEEK = "week"
    """From Monday, by ISO 8601: ``2026-W48``."""
    KIND = "kind"
    """What became of it: each row tells of all kinds in ``kinds``. By owner, group, type and time
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
    """How long GPUs computed; told by owner, group, type and time alone, as are the next three."""
    lent_hours: Hours | None = None
    """How long idle slices were lent."""
    energy_wh: Hours | None = None
    """``None`` also where a card had no counter."""
    carbon_g: Hours | None = None
    """What that energy came to in CO2, in grams; ``None`` also where no factors are set."""
    kinds: KindHours | None = None
    """Told where hours are asked for by kind."""


class CarbonFactors(AnswerModel):
    """By what grams of CO2 are reckoned from energy: kWh x ``pue`` x ``g_per_kwh``."""

    pue: Annotated[float, Field(ge=1, le=_MOST_PUE, allow_inf_nan=False)]
    """How much the whole house takes for each kWh of the cards' (power usage effectiveness)."""
    g_per_kwh: Annotated[float, Field(ge=0, le=_MOST_G_PER_KWH, allow_inf_nan=False)]
    source: Words
    """Who says so."""
    as_of: dt.date


class UseReport(AnswerModel):
    """What was held and used between two times."""

    since: AwareDatetime
    until: AwareDatetime
    zone: Name = "UTC"
    """Whose hours, days and weeks they are. What is known by the hour alone counts whole where that
    hour of UTC begins."""
    carbon: CarbonFactors | None = None
    """``None``: none are set, and no ``carbon_g`` is told."""
    rows: tuple[UseRow, ...] = Field(max_length=_MOST_ROWS)
    """Those with the most card hours first."""


class WaitedKind(StrEnum):
    """What was waited for."""

    NOTEBOOK = "notebook"
    """A notebook's turn in line: from when it was asked for until it had its slice."""
    JOB = "job"
    """A job's first beginning, from its submission."""
    CELL = "cell"
    """That cells might run: of each stretch of work, for how long its gates kept it."""


class WaitedRow(AnswerModel):
    """How long one kind was waited for, of one owner, group, type or time."""

    kind: Name
    """A value of ``WaitedKind``; a newer service may tell others."""
    of: dict[Name, Text]
    count: PositiveCount
    """How many that were waited for got what they did, in the time."""
    at_once: Annotated[int, Field(ge=0)]
    """How many of them within a second."""
    median_s: Seconds
    p95_s: Seconds
    """Nineteen of twenty waited no longer."""
    longest_s: Seconds


class WaitedReport(AnswerModel):
    """How long was waited for what was had between two times."""

    since: AwareDatetime
    until: AwareDatetime
    zone: Name = "UTC"
    rows: tuple[WaitedRow, ...] = Field(max_length=_MOST_ROWS)


class ProposedLimit(AnswerModel):
    """The limit that would have refused so much of the hours that were held."""

    group: Name | None
    """Who paid; ``None``: no group."""
    gpu_type: Name | None
    """``None``: a limit of the cards of all types together."""
    of_each: bool
    """Whether it is of each member, or of all together."""
    cards: CardCount
    most: CardCount
    """The most cards that were held at once."""
    held_hours: Hours
    """Of notebooks and jobs."""


class LimitsReport(AnswerModel):
    """Limits by what was held between two times."""

    since: AwareDatetime
    until: AwareDatetime
    refused_percent: Annotated[int, Field(ge=0, le=100)]
    """How much of the hours each of them would have refused."""
    limits: tuple[ProposedLimit, ...] = Field(max_length=_MOST_ROWS)
