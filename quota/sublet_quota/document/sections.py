"""The sections of a quota document as frozen models.

A key that is left out says nothing: what others say then holds (``document.rights``).
The descriptions are the manual: they appear in the published JSON Schema.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from sublet_quota.document.values import (
    Compute,
    ComputeLimit,
    ComputeShare,
    CountLimit,
    Duration,
    Flag,
    GpuShare,
    Memory,
    MemoryLimit,
    MemoryOrShare,
    Overcommit,
    PositiveDuration,
)

EntryName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""The name of a pool or of a size."""
HubName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
"""The name of a user or a group, as JupyterHub has it."""
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class Section(BaseModel):
    """The base of all sections: frozen, and strict about keys it does not know."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_alias=True, validate_by_name=True
    )

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_empty(cls, value: Any) -> Any:
        """Return a section without any key for one without content (``interactive:``)."""
        return {} if value is None else value


class GpuSelection(Section):
    """Which GPUs belong to a pool: those that match one pattern of each list that is given."""

    types: tuple[Pattern, ...] = Field(
        default=(),
        description="Patterns for the model's name as NVML tells it, such as '*H100*'. "
        "Upper and lower case are the same.",
    )
    ids: tuple[Pattern, ...] = Field(
        default=(), description="Patterns for a GPU's UUID, such as 'GPU-4f1c*'."
    )
    nodes: tuple[Pattern, ...] = Field(
        default=(), description="Patterns for the name of the GPU's node."
    )


class Pool(Section):
    """A set of GPUs under one policy."""

    gpus: GpuSelection = Field(
        default=GpuSelection(),
        description="Which GPUs belong to it; without this, every GPU that no earlier pool has. "
        "A GPU belongs to the first pool, in the order of the list, that it matches.",
    )
    memory_overcommit: Overcommit = Field(
        default=Decimal(2),
        description="The sum of the memory caps on a GPU may reach its memory times this. "
        "With 1 all slices of a GPU always fit on it together.",
    )
    compute_overcommit: Overcommit = Field(
        default=Decimal(4),
        description="The sum of the compute shares on a GPU may reach one GPU times this.",
    )
    idle_after: PositiveDuration = Field(
        default=timedelta(minutes=10),
        description="A slice counts as idle after so long without a cell starting or ending and "
        "without use of the GPU.",
    )
    lend: Flag = Field(
        default=True, description="Whether idle slices' room here is lent to training jobs."
    )
    give_back_within: PositiveDuration = Field(
        default=timedelta(seconds=30),
        description="A job may put no more memory in an owner's way than can leave in this time.",
    )
    turn: PositiveDuration = Field(
        default=timedelta(seconds=60),
        alias="turn_s",
        description="How long a turn lasts when active owners do not fit on their GPU together.",
    )
    lend_at_least: Duration = Field(
        default=timedelta(seconds=60),
        description="A slice that was suspended for a job stays away at least so long, unless its "
        "owner wants it back.",
    )


class SliceSize(Section):
    """A size of slice that users may pick."""

    title: Annotated[str, StringConstraints(max_length=255)] = Field(
        default="", description="What the page shows; the name when empty."
    )
    memory: MemoryOrShare = Field(
        description="The memory cap: an amount, or a part such as '1/4' of the memory that the "
        "GPU can give away (its memory without the margin kept for contexts)."
    )
    compute: ComputeShare = Field(
        description="The share of the GPU's compute: 0.25, '250m' or '1/4'."
    )
    pool: EntryName | None = Field(
        default=None, description="The pool it lies in; the first one when left out."
    )
    groups: tuple[HubName, ...] | None = Field(
        default=None, description="Only members of these groups, and the users below, may pick it."
    )
    users: tuple[HubName, ...] | None = Field(
        default=None, description="Only these users, and the groups above, may pick it."
    )

    def memory_on(self, usable_mib: int) -> int:
        """Return the MiB that the size means on a GPU that can give away ``usable_mib``."""
        if isinstance(self.memory, GpuShare):
            return int(usable_mib * self.memory.part)
        return self.memory

    def is_open_to(self, owner: str, groups: tuple[str, ...]) -> bool:
        """Whether the size itself, not the user's rights, lets this user pick it."""
        if self.groups is None and self.users is None:
            return True
        return owner in (self.users or ()) or any(g in (self.groups or ()) for g in groups)


class Limit(Section):
    """The most that slices may add up to. A part that is left out is not limited here."""

    memory: MemoryLimit | None = Field(
        default=None, description="The sum of the memory caps, or 'unlimited'."
    )
    compute: ComputeLimit | None = Field(
        default=None, description="The sum of the compute shares in GPUs, or 'unlimited'."
    )


class Guarantee(Section):
    """What is kept for somebody: others are not admitted into it."""

    memory: Memory = Field(default=0, description="Memory caps that are always to be had.")
    compute: Compute = Field(default=0, description="Compute, in GPUs, that is always to be had.")
    pool: EntryName | None = Field(
        default=None, description="In which pool; the first one when left out."
    )


class MemberQuota(Section):
    """What one user may have."""

    limit: Limit = Field(
        default=Limit(), description="The most that one user's notebook slices may add up to."
    )
    most_slices: CountLimit | None = Field(
        default=None,
        description="The most notebook slices one user may have at a time. When nobody says: 4.",
    )
    most_jobs: CountLimit | None = Field(
        default=None,
        description="The most training jobs one user may have, waiting or running. "
        "When nobody says: 20.",
    )
    keep_a_day: Duration | None = Field(
        default=None,
        description="For how long in a day a user may say that their slice is not to be lent. "
        "When nobody says: 4h.",
    )


class _Choice(Section):
    sizes: tuple[EntryName, ...] | None = Field(
        default=None, description="The sizes that may be picked; all open ones when left out."
    )
    own_amounts: Flag | None = Field(
        default=None,
        description="Whether amounts other than a size's may be asked for, up to the largest size "
        "that may be picked. When nobody says: yes, unless `sizes` restricts the choice.",
    )


class EveryoneQuota(MemberQuota, _Choice):
    """What holds for a user about whom neither their entry nor their groups say anything."""


class UserQuota(MemberQuota, _Choice):
    """What holds for one user, whatever their groups say."""

    guaranteed: Guarantee | None = Field(
        default=None, description="What is kept for this user's notebook slices."
    )
    weight: int = Field(
        default=1, ge=1, le=1000, description="This user's weight when jobs wait for room."
    )


class GroupQuota(_Choice):
    """What holds for a group as a whole, and for each of its members."""

    guaranteed: Guarantee | None = Field(
        default=None, description="What is kept for the members' notebook slices together."
    )
    limit: Limit = Field(
        default=Limit(),
        description="The most that all members' notebook slices may add up to together.",
    )
    most_slices: CountLimit | None = Field(
        default=None, description="The most notebook slices of all members together."
    )
    weight: int = Field(
        default=1, ge=1, le=1000, description="The group's weight when jobs wait for room."
    )
    each_member: MemberQuota = Field(
        default=MemberQuota(),
        description="What each member may have. Who is in several groups has the most generous "
        "of what they say.",
    )


class FairShareSettings(Section):
    """How past use of lent GPUs orders the jobs that wait."""

    half_life: PositiveDuration = Field(
        default=timedelta(days=7), description="Use counts half after this time."
    )
