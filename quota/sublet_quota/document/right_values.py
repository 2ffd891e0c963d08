"""The values of rights: each with the line of the document that says it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction
from typing import Final, Generic, TypeVar

from sublet_quota.document.problems import KeyPath, written_path
from sublet_quota.names.ids import GroupName, SizeName, UserName
from sublet_quota.shares.limits import Limit, LimitKind

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document says something."""

    path: KeyPath
    line: int | None

    @property
    def key(self) -> str:
        """The path as people write it, or ``when nobody says``."""
        return written_path(self.path) if self.path else "when nobody says"

    def __str__(self) -> str:
        """Return it for people: ``groups.science.limit.H100 (line 12)``."""
        return self.key if self.line is None else f"{self.key} (line {self.line})"


BUILT_IN: Final = Source((), None)


@dataclass(frozen=True, slots=True)
class Right(Generic[T]):
    """A right, and what says it; where it is a limit ``None`` is no limit."""

    value: T
    source: Source = BUILT_IN


@dataclass(frozen=True, slots=True)
class PayerRights:
    """What holds for what is charged to one group, or to no group."""

    group: GroupName | None
    sizes: Right[frozenset[SizeName] | None]
    """The sizes to pick from; ``None`` for all."""
    types: Right[frozenset[str] | None]
    """The GPU types of slices; ``None`` for all."""
    own_amounts: Right[bool]
    job_types: Right[frozenset[str] | None]
    """The GPU types of jobs; ``None`` for all."""
    job_max_run: Right[timedelta]
    sizes_for: Mapping[SizeName, Source] = field(default_factory=dict, hash=False)
    """The sizes that are `for` some groups, where that is what lets these have them or not."""

    def size_source(self, name: str) -> Source:
        """Return what says whether a size may be picked."""
        return self.sizes_for.get(SizeName(name), self.sizes.source)

    def allows_type(self, gpu_type: str) -> bool:
        """Whether slices may lie on a GPU type."""
        return self.types.value is None or gpu_type in self.types.value


@dataclass(frozen=True, slots=True)
class PersonLimit:
    """The most that one person may hold; a type that is not named has no limit of its own."""

    types: Mapping[str, Right[Fraction | None]] = field(default_factory=dict)
    cards: Right[Fraction | None] = Right(None)
    memory: Right[int | None] = Right(None)
    """In MiB."""
    slices: Right[int | None] = Right(None)

    @property
    def limit(self) -> Limit:
        """The limits alone, as shares count them."""
        return Limit(
            types={
                name: right.value for name, right in self.types.items() if right.value is not None
            },
            cards=self.cards.value,
            memory_mib=self.memory.value,
            slices=self.slices.value,
        )

    @property
    def with_jobs(self) -> "PersonLimit":
        """The same for jobs, too: how many slices when nobody says is of notebooks alone."""
        if self.slices.source == BUILT_IN:
            return replace(self, slices=Right(None))
        return self

    def source(self, kind: LimitKind, gpu_type: str | None = None) -> Source:
        """Return what says one of the limits."""
        match kind:
            case LimitKind.TYPE:
                return self.types[gpu_type or ""].source
            case LimitKind.CARDS:
                return self.cards.source
            case LimitKind.MEMORY:
                return self.memory.source
            case LimitKind.SLICES:
                return self.slices.source


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of one person."""

    owner: UserName
    payers: tuple[PayerRights, ...]
    """One for each group of theirs, by name; exactly one, of no group, where they are in none."""
    limit: PersonLimit
    jobs_most: Right[int | None]
    """How many jobs, waiting or running."""
    job_limit: PersonLimit | None
    """What running jobs may have, apart from slices; ``None``: they count into ``limit``."""
    keep_a_day: Right[timedelta]
    max_idle: Right[timedelta | None] = Right(None)
    """For how long a server may be idle."""

    @property
    def groups(self) -> tuple[GroupName, ...]:
        """The groups that can pay, by name."""
        return tuple(payer.group for payer in self.payers if payer.group is not None)

    @property
    def limit_with_jobs(self) -> PersonLimit:
        """What slices and running jobs may have together, where ``job_limit`` is ``None``."""
        return self.limit.with_jobs

    def payer(self, group: str | None) -> PayerRights:
        """Return what holds for what a group pays; ``KeyError`` for one that is not theirs."""
        for payer in self.payers:
            if payer.group == group:
                return payer
        message = f"{self.owner} is in no group {group!r}: {', '.join(self.groups) or 'in none'}"
        raise KeyError(message)
