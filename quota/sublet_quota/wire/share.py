"""Bodies about a user's share: the last hour of a slice, quotas, the week's use, another size."""

from typing import Final

from pydantic import Field

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.wire.budget import BudgetInfo
from sublet_quota.wire.schema import (
    AnswerModel,
    AwareDatetime,
    CardCount,
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
)

_MOST_POINTS: Final = 360
_MOST_GROUPS: Final = 10_000
_MOST_DEEP: Final = 1000
"""How many groups may lie within each other."""
_MOST_TYPES: Final = 10_000
_MOST_RIGHTS: Final = 100_000
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


class TypeShare(AnswerModel):
    """What a group, or a person, has of one GPU type, in cards of it."""

    gpu_type: Name
    """As the quota document calls it; without one, the model's own name."""
    held: CardCount
    """By slices of notebooks, and by running jobs where these count into the same limit."""
    jobs: CardCount = 0
    """Of ``held``, what running jobs have: it is neither guaranteed nor borrowed."""
    entitled: CardCount
    """What slices of notebooks have within the guarantee."""
    borrowed: CardCount | None = None
    """What slices of notebooks have beyond it; ``None``: of this type nothing is guaranteed to
    anybody, so nothing is borrowed from anybody."""
    guaranteed: CardCount
    limit: CardCount | None
    """``None``: no limit of this type."""


class JobsTypeShare(AnswerModel):
    """What running jobs have of one GPU type, in cards of it, where they count apart."""

    gpu_type: Name
    held: CardCount
    limit: CardCount | None
    """``None``: no limit of this type."""


class JobsShare(AnswerModel):
    """What running jobs have, and may have, where a limit of their own counts them."""

    types: tuple[JobsTypeShare, ...] = Field(max_length=_MOST_TYPES)
    """The types of which jobs hold something, or that are limited."""
    held_cards: CardCount
    """Of all types."""
    limit_cards: CardCount | None
    """``None``: no limit; the same below."""
    held_mib: Mib
    limit_mib: Mib | None
    running: Count
    """Their slices: a job on one card has one."""
    most_running: Count | None


class GroupShare(AnswerModel):
    """What a group's members together have, or a person; guarantees of groups below are in it."""

    group: Name | None
    """``None``: no group. What is charged to none is guaranteed nothing."""
    path: tuple[Name, ...] = Field(max_length=_MOST_DEEP)
    """The groups above it, the top one first, and the group itself."""
    types: tuple[TypeShare, ...] = Field(max_length=_MOST_TYPES)
    """The types of which something is held, guaranteed, or limited."""
    held_cards: CardCount
    """Of all types."""
    limit_cards: CardCount | None
    """``None``: no limit; the same below."""
    held_mib: Mib
    limit_mib: Mib | None
    slices: Count
    most_slices: Count | None
    jobs_apart: JobsShare | None = None
    """What running jobs have by a limit of their own (``jobs.limit``); ``None``: they count above,
    beside the slices of notebooks."""
    may_pay: bool = True
    """Whether the caller may have it pay: not where it is only above a group that may."""
    left: bool = False
    """Whether the caller is a member no more, and it still pays for slices of theirs."""


class RightLine(AnswerModel):
    """What somebody may have or do, and which line of the quota document says so."""

    right: Name
    """What it is: ``limit of H100``."""
    value: Words
    """How much: ``8 cards``."""
    source: Words
    """Where that comes from: ``groups.science.limit.H100``, or ``when nobody says``."""
    line: Count | None
    """The document's line; ``None`` for what it does not say."""
    group: Name | None
    """The group to whose account it applies; ``None``: whoever pays."""


class QuotaShare(AnswerModel):
    """What the caller's groups and the caller are guaranteed, hold, and may hold at most."""

    groups: tuple[GroupShare, ...] = Field(max_length=_MOST_GROUPS)
    """The caller's groups that the quota document knows, which may pay, those that still pay for
    slices of theirs, and those above them; by their paths."""
    own: GroupShare
    """The caller's own, whoever pays: of a person nothing is guaranteed."""
    rights: tuple[RightLine, ...] = Field(default=(), max_length=_MOST_RIGHTS)
    keep_left_minutes: Count = 0
    """For how long the caller may still keep slices from being lent today."""
    budgets: tuple[BudgetInfo, ...] = Field(default=(), max_length=_MOST_GROUPS)
    """The budgets of these groups, and the caller's own in them."""


class WeekUse(AnswerModel):
    """What the caller's slices, of notebooks and jobs, used in the last seven days."""

    since: AwareDatetime
    gpu_hours: Hours
    """For how many hours a GPU computed for the caller's slices."""
    energy_wh: float | None = Field(default=None, ge=0, le=_MOST_WH, allow_inf_nan=False)
    """The slices' part of what the GPUs' counters say; ``None`` where a GPU has no counter."""
    lent_hours: Hours
    """For how many hours idle slices of the caller were lent."""
