"""Bodies about a user's share: the last hour of a slice, quotas, the week's use, another size."""

from pydantic import Field

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.wire.schema import AnswerModel, AwareDatetime, Name, Text, WireModel


class LentPeriod(AnswerModel):
    """A time in which somebody else used an idle slice's room, or its compute."""

    from_: AwareDatetime
    until: AwareDatetime
    to: Text
    """``a job of NAME`` for who is in one of its owner's groups; else ``a job``."""


class HistoryPoint(AnswerModel):
    """A slice at one moment."""

    at: AwareDatetime
    memory_mib: int = Field(ge=0)
    """What the slice held on the GPU."""
    host_mib: int = Field(ge=0)
    """What the slice held in host memory, to come back."""
    utilisation_percent: int = Field(ge=0, le=100)
    """How busy the slice kept the GPU."""
    state: SliceState
    active: bool
    lent: bool


class SliceHistory(AnswerModel):
    """The last hour of a slice, the oldest point first; at most 360 points.

    Where the agent or the service was away there is a gap longer than ``step_s``.
    """

    slice_id: Name
    step_s: int = Field(ge=1)
    """How many seconds are between two points."""
    cap_mib: int = Field(ge=0)
    points: tuple[HistoryPoint, ...]


class ResizeRequest(WireModel):
    """Another size for a slice: by name, or amounts; what is left out stays as it is.

    Refused below what the slice holds. Running processes keep the limits they were started
    with; the agent counts by the new size at once, and processes started later see it.
    """

    memory_mib: int | None = Field(default=None, ge=1)
    compute_milli: int | None = Field(default=None, ge=1, le=1000)
    size: Name | None = None


class QuotaShare(AnswerModel):
    """What the caller, and the caller's group, are guaranteed, hold, and may hold at most.

    In notebooks' slices: jobs use what is lent, and are on nobody's account.
    """

    groups: tuple[Name, ...]
    """The caller's groups that the quota document knows."""
    guaranteed_mib: int = Field(ge=0)
    used_mib: int = Field(ge=0)
    limit_mib: int | None
    """``None``: no limit."""
    slices: int = Field(ge=0)
    most_slices: int | None
    group: Name | None = None
    """The group of the next three, on whose account the caller's slices are."""
    group_used_mib: int | None = None
    group_guaranteed_mib: int | None = None
    group_limit_mib: int | None = None
    """``None``: no limit, or no group."""
    keep_left_minutes: int = Field(default=0, ge=0)
    """For how long the caller may still keep slices from being lent today."""


class WeekUse(AnswerModel):
    """What the caller's slices, of notebooks and jobs, used in the last seven days."""

    since: AwareDatetime
    gpu_hours: float = Field(ge=0)
    """For how many hours a GPU computed for the caller's slices."""
    energy_wh: float | None = Field(default=None, ge=0)
    """The slices' part of what the GPUs' counters say; ``None`` where a GPU has no counter."""
    lent_hours: float = Field(ge=0)
    """For how many hours idle slices of the caller were lent."""
