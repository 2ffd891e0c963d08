"""Bodies about a user's share: the last hour of a slice, quotas, the week's use, another size."""

from typing import Annotated, Final

from pydantic import Field

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.wire.schema import (
    AnswerModel,
    AwareDatetime,
    Count,
    Hours,
    Mib,
    MilliGpu,
    Name,
    Percent,
    PositiveCount,
    PositiveMib,
    WireModel,
    Words,
    keeps_first,
)

_MOST_POINTS: Final = 360
_MOST_GROUPS: Final = 1000
_MOST_WH: Final = 1e18


class LentPeriod(AnswerModel):
    """A time in which somebody else used an idle slice's room, or its compute."""

    from_: AwareDatetime
    until: AwareDatetime
    to: Words
    """``a job of NAME`` for who is in one of its owner's groups; else ``a job``."""


class HistoryPoint(AnswerModel):
    """A slice at one moment."""

    at: AwareDatetime
    memory_mib: Mib
    """What the slice held on the GPU."""
    host_mib: Mib
    """What the slice held in host memory, to come back."""
    utilisation_percent: Percent
    """How busy the slice kept the GPU."""
    state: SliceState
    active: bool
    lent: bool


class SliceHistory(AnswerModel):
    """The last hour of a slice, the oldest point first; at most 360 points.

    Where the agent or the service was away there is a gap longer than ``step_s``.
    """

    slice_id: Name
    step_s: PositiveCount
    """How many seconds are between two points."""
    cap_mib: Mib
    points: tuple[HistoryPoint, ...] = Field(max_length=_MOST_POINTS)


class ResizeRequest(WireModel):
    """Another size for a slice: by name, or amounts; what is left out stays as it is.

    Refused below what the slice holds. Running processes keep the limits they were started
    with; the agent counts by the new size at once, and processes started later see it.
    """

    memory_mib: PositiveMib | None = None
    compute_milli: MilliGpu | None = Field(default=None, ge=1, le=1000)
    size: Name | None = None


class QuotaShare(AnswerModel):
    """What the caller, and the caller's group, are guaranteed, hold, and may hold at most.

    In notebooks' slices: jobs use what is lent, and are on nobody's account.
    """

    groups: Annotated[tuple[Name, ...], keeps_first(_MOST_GROUPS), Field(max_length=_MOST_GROUPS)]
    """The caller's groups that the quota document knows."""
    guaranteed_mib: Mib
    used_mib: Mib
    limit_mib: Mib | None
    """``None``: no limit."""
    slices: Count
    most_slices: Count | None
    group: Name | None = None
    """The group of the next three, on whose account the caller's slices are."""
    group_used_mib: Mib | None = None
    group_guaranteed_mib: Mib | None = None
    group_limit_mib: Mib | None = None
    """``None``: no limit, or no group."""
    keep_left_minutes: Count = 0
    """For how long the caller may still keep slices from being lent today."""


class WeekUse(AnswerModel):
    """What the caller's slices, of notebooks and jobs, used in the last seven days."""

    since: AwareDatetime
    gpu_hours: Hours
    """For how many hours a GPU computed for the caller's slices."""
    energy_wh: float | None = Field(default=None, ge=0, le=_MOST_WH, allow_inf_nan=False)
    """The slices' part of what the GPUs' counters say; ``None`` where a GPU has no counter."""
    lent_hours: Hours
    """For how many hours idle slices of the caller were lent."""
