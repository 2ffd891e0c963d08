"""The sections of a quota document as frozen models.

A key that is left out says nothing: what others say then holds (``document.rights``).
The descriptions are the manual: they appear in the published JSON Schema.
"""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field, StringConstraints

from sublet_quota.document.section import Section
from sublet_quota.document.value_kinds.amount_limit import AmountLimit
from sublet_quota.document.value_kinds.budget import GroupBudget, SetBudget
from sublet_quota.document.value_kinds.cards import Cards, Part, Rate
from sublet_quota.document.value_kinds.group_admins import GroupAdmins
from sublet_quota.document.value_kinds.reserved_time import Day, TimeReserved, Zone
from sublet_quota.document.value_kinds.sizes import ComputeShare, GpuShare, MemoryOrShare
from sublet_quota.document.values import (
    CountLimit,
    Duration,
    Flag,
    FullRule,
    HubName,
    Instant,
    OneLine,
    Overcommit,
    Pattern,
    Patterns,
    PositiveDuration,
    TimeLimit,
    WhenFull,
    WholeNumber,
)

EntryName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""The name of a GPU type, a pool or a size."""
TypeName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
"""The name of a GPU type; without `gpu_types`, the model's as NVML tells it."""
GROUP_NAME: Final = r"[^/]$"
GroupKey = Annotated[str, StringConstraints(max_length=255, pattern=GROUP_NAME)]
"""The name of a group in the tree."""


class GpuType(Section):
    """GPUs that count as one type: guarantees and limits are in cards of a type."""

    match: Patterns = Field(
        description="The model's name as NVML tells it, or a pattern such as '*H100*'; one, or a "
        "list. Upper and lower case are the same. A name without '*', '?' and '[' goes before "
        "patterns; a card that two types match is closed."
    )
    rate: Rate = Field(
        default=Fraction(1),
        description="What an hour on a card of this type counts beside other types, in past use "
        "and budgets.",
    )
    expect: WholeNumber | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="How many cards there should be: guarantees are checked against it, no more "
        "are in force, and it is told when there are fewer, or more.",
    )


class Pool(Section):
    """A set of GPUs under one policy."""

    types: tuple[TypeName, ...] | None = Field(
        default=None, description="The GPU types that belong to it, by their names in `gpu_types`."
    )
    nodes: tuple[Pattern, ...] = Field(
        default=(), description="Patterns for the name of the GPU's node."
    )
    ids: tuple[Pattern, ...] = Field(
        default=(), description="Patterns for a GPU's UUID, such as 'GPU-4f1c*'."
    )
    default: Flag = Field(
        default=False,
        description="Whether it is the pool of sizes that name none. The only pool is, unsaid. A "
        "pool without `types`, `nodes` and `ids` has every GPU that no other pool has.",
    )
    lends: dict[EntryName, Part] = Field(
        default={},
        description="Up to which part of its cards slices of another pool may borrow: "
        "`{interactive: 25%}`. What is guaranteed counts wherever its type is, and is not "
        "bounded by this.",
    )
    memory_overcommit: Overcommit = Field(
        default=Decimal(2),
        description="The sum of the memory caps of borrowed slices on a GPU may reach its memory "
        "times this. With 1 all slices of a GPU always fit on it together.",
    )
    compute_overcommit: Overcommit = Field(
        default=Decimal(4),
        description="The sum of the compute shares of borrowed slices on a GPU may reach one GPU "
        "times this.",
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
        description="How soon jobs are out of an owner's way: none begins that puts more memory "
        "there than can leave in this time, all jobs of a GPU together, at the speed that was "
        "measured there.",
    )
    turn: PositiveDuration = Field(
        default=timedelta(seconds=60),
        description="How long a turn lasts when active owners do not fit on their GPU together.",
    )
    lend_at_least: Duration = Field(
        default=timedelta(seconds=60),
        description="A slice that was suspended for a job stays away at least so long, unless its "
        "owner wants it back.",
    )
    max_compute: ComputeShare | None = Field(
        default=None,
        description="The most of a GPU's compute that a slice or a job has here, also where it is "
        "alone at work: 0.25, '250m' or '1/4'; its own share where that is more. Unsaid: all.",
    )
    max_over_cap: TimeLimit | None = Field(
        default=None,
        description="A server or job that has more than its memory cap for so long is ended: its "
        "owner is told that long before, and it goes on if it is back within. 'unlimited': never; "
        "so it is when nobody says. Whatever is said here, who is over their cap makes way first.",
    )


class SliceSize(Section):
    """A size of slice that users may pick."""

    title: Annotated[str, StringConstraints(max_length=255)] = Field(
        default="", description="What the page shows; the name when empty."
    )
    memory: MemoryOrShare = Field(
        description="The memory cap: an amount, or a part such as '1/4' of the memory that the "
        "GPU can give away (its memory without the margin kept for contexts); 1 is all of it."
    )
    compute: ComputeShare = Field(
        description="The share of the GPU's compute: 0.25, '250m' or '1/4'; 1 is all of it."
    )
    types: tuple[TypeName, ...] | None = Field(
        default=None, description="The GPU types it may lie on; any when left out."
    )
    pool: EntryName | None = Field(
        default=None, description="The pool it lies in; the default one when left out."
    )
    for_: tuple[HubName, ...] | None = Field(
        default=None,
        alias="for",
        description="The groups whose members may pick it, those in groups below them too; "
        "everybody when left out.",
    )
    default: Flag = Field(
        default=False,
        description="Whether it is what somebody gets who asks for no size. Unsaid: the first of "
        "the list that they may pick.",
    )

    def memory_on(self, usable_mib: int) -> int:
        """Return the MiB that the size means on a GPU that can give away ``usable_mib``."""
        if isinstance(self.memory, GpuShare):
            return int(usable_mib * self.memory.part)
        return self.memory

    def may_lie_on(self, gpu_type: str) -> bool:
        """Whether a slice of the size may lie on a GPU type."""
        return self.types is None or gpu_type in self.types


class JobRules(Section):
    """What holds for training jobs. A key that is left out says nothing."""

    types: tuple[TypeName, ...] | None = Field(
        default=None, description="The GPU types that jobs may use; none with []."
    )
    most: CountLimit | None = Field(
        default=None,
        description="The most jobs at a time, waiting or running. When nobody says: 20 for one "
        "person, and no limit for a group.",
    )
    max_run: PositiveDuration | None = Field(
        default=None,
        description="The longest that one attempt of a job may run. When nobody says: 24h.",
    )
    limit: AmountLimit | None = Field(
        default=None,
        description="The most that running jobs may have: cards by type, `cards` of all types, "
        "`memory`, `slices` (a job on one card counts as one). Unsaid, jobs count into the limit "
        "of notebooks' slices.",
    )


class PersonQuota(Section):
    """What one person may have."""

    limit: AmountLimit = Field(
        default=AmountLimit(),
        description="The most that one person may hold: cards by type, `cards` of all types, "
        "`memory`, `slices` (when nobody says: 4 of notebooks); 'unlimited' lifts one.",
    )
    jobs: JobRules = Field(default=JobRules(), description="What holds for one person's jobs.")
    keep_a_day: Duration | None = Field(
        default=None,
        description="For how long in a day somebody may say that their slice is not to be lent. "
        "When nobody says: 4h.",
    )
    max_idle: TimeLimit | None = Field(
        default=None,
        description="A notebook server that has been idle for so long is ended: its owner is "
        "warned before, and can put that off. 'unlimited': never; so it is when nobody says.",
    )


class Choice(Section):
    """What may be picked. A key that is left out says nothing."""

    sizes: tuple[EntryName, ...] | None = Field(
        default=None, description="The sizes that may be picked, with those that are `for` it."
    )
    types: tuple[TypeName, ...] | None = Field(
        default=None, description="The GPU types that slices may lie on."
    )
    own_amounts: Flag | None = Field(
        default=None,
        description="Whether amounts other than a size's may be asked for, up to the largest size "
        "that may be picked. When nobody says: yes, unless `sizes` restricts the choice.",
    )


class EveryoneQuota(PersonQuota, Choice):
    """What holds for each person where their groups say nothing."""


class GroupQuota(Choice):
    """What holds for a group: its members together, those of groups in it too."""

    members: tuple[HubName, ...] | None = Field(
        default=None,
        description="The hub's groups whose members belong to it; when left out, the one of its "
        "own name. With [], nobody directly.",
    )
    admins: GroupAdmins = Field(
        default=GroupAdmins(),
        description="Who sees the group and all below it, and sets what is below it.",
    )
    guaranteed: dict[TypeName, Cards] = Field(
        default={},
        description="Cards by type that are always to be had. What of them is unused is lent.",
    )
    limit: AmountLimit = Field(
        default=AmountLimit(),
        description="The most that all together may have, guaranteed and borrowed.",
    )
    weight: WholeNumber = Field(
        default=1,
        ge=0,
        le=1000,
        description="The group's part of what guarantees leave, beside its siblings'. 0: only what "
        "nobody else wants.",
    )
    each: PersonQuota = Field(
        default=PersonQuota(), description="What each member may have, of all they hold."
    )
    jobs: JobRules = Field(
        default=JobRules(), description="What holds for the jobs that are charged to the group."
    )
    budget: GroupBudget = Field(
        default=GroupBudget(),
        description="Hours on cards that the group may spend in a period, with those in groups in "
        "it. What is beyond counts as borrowed; nothing is ended.",
    )
    groups: dict[GroupKey, "GroupQuota"] = Field(
        default={}, description="The groups in it; their guarantees fit into its own."
    )


class ExceptionQuota(PersonQuota, Choice):
    """What an exception lays over the rest, key by key."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    guaranteed: dict[TypeName, Cards] = Field(
        default={}, description="For a group alone: cards by type that are always to be had."
    )
    weight: WholeNumber | None = Field(
        default=None, ge=0, le=1000, description="For a group alone: its weight."
    )
    each: PersonQuota = Field(
        default=PersonQuota(), description="For a group alone: what each member may have."
    )
    budget: SetBudget = Field(
        default=SetBudget(), description="Other hours in a budget that a group has."
    )


class QuotaException(Section):
    """What holds for somebody for a time."""

    who: tuple[HubName, ...] = Field(default=(), description="The persons it is for.")
    groups: tuple[HubName, ...] = Field(
        default=(), description="The groups, as this document has them, it is for."
    )
    set_: ExceptionQuota = Field(alias="set", description="What holds instead, key by key.")
    until: Instant | None = Field(
        default=None,
        description="When it ends by itself: a day (it is included) or a moment with its zone.",
    )
    why: OneLine = Field(description="Why; shown to whom it concerns.")


class Reservation(Section):
    """A guarantee between two times, beside what is always guaranteed."""

    name: OneLine = Field(description="What it is for; each name is there once.")
    for_: HubName = Field(alias="for", description="The group, as this document has it.")
    guaranteed: Annotated[dict[TypeName, Cards], Field(min_length=1)] = Field(
        description="Cards by type, added to what the group and those above it are guaranteed. "
        "Their limits still bind."
    )
    at: TimeReserved = Field(
        description="When, by the wall clock: 'Mon 14:00-16:00', 'Mon-Fri 09:00-17:00' each week, "
        "or once, '2027-02-15 14:00-16:00'."
    )
    zone: Zone = Field(
        default=ZoneInfo("UTC"),
        description="Whose wall clock it is, such as Europe/Berlin; its summer time counts.",
    )
    until: Day | None = Field(
        default=None, description="The last day on which it may begin, which is included."
    )


class ClosedCards(Section):
    """Cards that take nothing new."""

    node: HubName = Field(description="The node's name, as its agent tells it.")
    gpus: tuple[Annotated[WholeNumber, Field(ge=0, le=1023)], ...] | None = Field(
        default=None, description="The cards by their index there; all when left out."
    )
    drain: Flag = Field(default=False, description="Whether jobs leave them, too.")
    until: Instant | None = Field(default=None, description="When they open by themselves.")
    why: OneLine = Field(description="Why; shown to whoever is refused.")


class Shrink(Section):
    """What holds when a guarantee, a limit or a membership becomes less."""

    grace: Duration = Field(
        default=timedelta(hours=24),
        description="For so long what runs counts as before; then as borrowed. Nothing is ended.",
    )


class FairShareSettings(Section):
    """How past use of GPUs orders what waits."""

    half_life: PositiveDuration = Field(
        default=timedelta(days=7), description="Use counts half after this time."
    )
    most_lag: PositiveDuration = Field(
        default=timedelta(hours=24),
        description="Nobody's past use counts for more than the others can catch up with in this "
        "time on all cards.",
    )


class NotebookRules(Section):
    """What holds for notebooks that find no room."""

    when_full: FullRule = Field(
        default=WhenFull.REFUSE,
        description="What becomes of a notebook for which there is no room: `refuse` says why, "
        "`queue` lets it wait in line, and starts it when its turn comes.",
    )
    wait_most: PositiveDuration = Field(
        default=timedelta(hours=2),
        description="The longest that a notebook waits in line; then it is told that none came.",
    )
