"""The quota document as a whole, and what holds without any.

An empty document works: one pool `interactive` with every GPU, four sizes as parts of a GPU. The
document in force at a moment is another one, made by ``at``.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    FieldSerializationInfo,
    PrivateAttr,
    ValidationInfo,
    field_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from sublet_quota.document.consistency.contradictions import Written, find_contradictions
from sublet_quota.document.lookups.gpu_match import Ambiguous, matching_pool, matching_type
from sublet_quota.document.lookups.group_paths import GroupPaths
from sublet_quota.document.lookups.moments import (
    InForce,
    SaidAt,
    State,
    end_after,
    ends,
    exceptions_of_persons,
    in_force,
    state_at,
)
from sublet_quota.document.lookups.places import Places
from sublet_quota.document.lookups.reservations import next_change_of
from sublet_quota.document.lookups.said_keys import said_by
from sublet_quota.document.problems import KeyPath
from sublet_quota.document.section import Section
from sublet_quota.document.sections import (
    ClosedCards,
    EntryName,
    EveryoneQuota,
    FairShareSettings,
    GpuType,
    GroupKey,
    GroupQuota,
    NotebookRules,
    Pool,
    QuotaException,
    Reservation,
    Shrink,
    SliceSize,
)
from sublet_quota.document.text.named_lists import NAME
from sublet_quota.names.ids import GroupName, PoolName, SizeName
from sublet_quota.wire.environment import NO_GPU

DEFAULT_POOL: Final = PoolName("interactive")
_LINES: Final = "lines"
_WRITTEN: Final = "written"


def default_pools() -> dict[str, Pool]:
    """Return the one pool of a document that names none: every GPU."""
    return {DEFAULT_POOL: Pool()}


def default_sizes() -> dict[str, SliceSize]:
    """Return the sizes of a document that names none, smallest first."""
    parts = (
        ("small", "Small: an eighth of a GPU", 8),
        ("medium", "Medium: a quarter of a GPU", 4),
        ("large", "Large: half a GPU", 2),
        ("whole", "Whole: all of a GPU", 1),
    )
    return {
        name: SliceSize.model_validate({"title": title, "memory": f"1/{n}", "compute": f"1/{n}"})
        for name, title, n in parts
    }


def _or_default_pools(value: dict[str, Pool]) -> dict[str, Pool]:
    return value or default_pools()


def _or_default_sizes(value: dict[str, SliceSize]) -> dict[str, SliceSize]:
    return value or default_sizes()


class QuotaDocument(Section):
    """Who may have how much of which GPUs."""

    model_config = ConfigDict(title="Sublet's quota document")
    lists_that_may_be_empty = frozenset({"exceptions", "reservations", "closed"})

    gpu_types: dict[EntryName, GpuType] = Field(
        default={},
        description="The GPU types by name: guarantees and limits are in cards of a type. A card "
        "that none matches, and every card without this section, has its model's own name as its "
        "type.",
    )
    pools: Annotated[dict[EntryName, Pool], AfterValidator(_or_default_pools)] = Field(
        default_factory=default_pools,
        description="Sets of GPUs under one policy each: a list of entries, each with a `name`. "
        "Their order means nothing. Without any: `interactive`, with every GPU.",
    )
    sizes: Annotated[dict[EntryName, SliceSize], AfterValidator(_or_default_sizes)] = Field(
        default_factory=default_sizes,
        description="Sizes of slices, a list of entries with a `name`, in the order of the page. "
        "Without any: small, medium, large and whole: an eighth, a quarter, half and all of a GPU.",
        json_schema_extra={"propertyNames": {"not": {"const": NO_GPU}}},
    )
    everyone: EveryoneQuota = Field(
        default=EveryoneQuota(),
        description="What each person may have where their groups say nothing, key by key.",
    )
    groups: dict[GroupKey, GroupQuota] = Field(
        default={},
        description="The tree of groups: what they are guaranteed and may have. Each name is there "
        "once in the whole tree.",
    )
    exceptions: tuple[QuotaException, ...] = Field(
        default=(),
        description="What holds instead for some persons or groups, for a time; of two the more "
        "generous, key by key.",
    )
    reservations: tuple[Reservation, ...] = Field(
        default=(), description="Guarantees between two times: a course's hours, say."
    )
    closed: tuple[ClosedCards, ...] = Field(
        default=(), description="Cards and nodes that take nothing new, for a time."
    )
    shrink: Shrink = Field(
        default=Shrink(),
        description="How long what runs counts as before when a guarantee, a limit or a "
        "membership becomes less.",
    )
    fair_share: FairShareSettings = Field(
        default=FairShareSettings(), description="How past use orders what waits."
    )
    notebooks: NotebookRules = Field(
        default=NotebookRules(),
        description="What becomes of a notebook for which there is no room.",
    )
    _places: Places = PrivateAttr(default_factory=Places)
    _timeline: "Timeline | None" = PrivateAttr(default=None)

    def __eq__(self, other: object) -> bool:
        """Whether two documents say the same, on whatever lines; sizes have an order."""
        if not isinstance(other, QuotaDocument):
            return NotImplemented
        said = all(getattr(self, each) == getattr(other, each) for each in type(self).model_fields)
        return said and tuple(self.sizes) == tuple(other.sizes)

    __hash__ = None  # type: ignore[assignment]

    @field_serializer("pools", "sizes", when_used="json")
    def _in_order(
        self, entries: dict[str, Section], info: FieldSerializationInfo
    ) -> list[dict[str, Any]]:
        """Write as lists what has an order."""
        unset = info.exclude_unset
        dumped = {
            name: entry.model_dump(mode="json", by_alias=True, exclude_unset=unset)
            for name, entry in entries.items()
        }
        return [{NAME: name, **entry} for name, entry in dumped.items()]

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Self:
        context: Mapping[str, Any] = info.context or {}
        self._places = Places(context.get(_LINES, {}))
        found = find_contradictions(self, context.get(_WRITTEN, Written()))
        if found:
            kind, text = "contradictions", "{text}"
            listed = "; ".join(f"{'.'.join(map(str, c.path))} {c.message}" for c in found)
            raise PydanticCustomError(kind, text, {"text": listed, "contradictions": found})
        return self

    @cached_property
    def default_pool(self) -> PoolName:
        """The pool of sizes that name none."""
        said = [name for name, pool in self.pools.items() if pool.default]
        return PoolName(said[0] if said else next(iter(self.pools)))

    @cached_property
    def default_size(self) -> SizeName | None:
        """The size of who asks for none; ``None``: the first of the list that they may pick."""
        said = [name for name, size in self.sizes.items() if size.default]
        return SizeName(said[0]) if said else None

    def pool_of_size(self, name: SizeName) -> PoolName:
        """Return the pool that the size lies in."""
        return PoolName(self.sizes[name].pool or self.default_pool)

    def type_of(self, model: str) -> str | Ambiguous:
        """Return the type that a card of a model counts as; its own name where none matches."""
        return matching_type(self.gpu_types, model)

    def pool_for(self, gpu_type: str, node: str, gpu_id: str) -> PoolName | Ambiguous | None:
        """Return the pool that a card belongs to; ``None``: no pool has it."""
        found = matching_pool(self.pools, gpu_type, node, gpu_id)
        return PoolName(found) if isinstance(found, str) else found

    @cached_property
    def group_paths(self) -> GroupPaths:
        """The tree of groups, looked up by name."""
        return GroupPaths(self.groups)

    @cached_property
    def said_of_everyone(self) -> Mapping[KeyPath, Any]:
        """What `everyone` says, key by key."""
        return said_by(self.everyone)

    def exceptions_for(self, owner: str) -> Mapping[KeyPath, SaidAt]:
        """Return what exceptions say for a person, key by key; of two the more generous."""
        return self._exceptions_of_persons.get(owner, {})

    @cached_property
    def _exceptions_of_persons(self) -> Mapping[str, Mapping[KeyPath, SaidAt]]:
        return exceptions_of_persons(self.exceptions)

    @property
    def all_groups(self) -> Mapping[GroupName, GroupQuota]:
        """Every group of the tree, parents before their children."""
        return self.group_paths.all

    @cached_property
    def types_guaranteed(self) -> frozenset[str]:
        """The GPU types of which any group is guaranteed something, whatever cards are open."""
        each = (group.guaranteed.items() for group in self.all_groups.values())
        return frozenset(name for said in each for name, cards in said if cards)

    @cached_property
    def groups_guaranteed(self) -> tuple[GroupName, ...]:
        """The groups that say what they are guaranteed, parents before their children."""
        return tuple(name for name, group in self.all_groups.items() if group.guaranteed)

    def path_of(self, group: str) -> tuple[GroupName, ...]:
        """Return the way to a group, from the top; the group comes last.

        Raises ``KeyError`` for one that is not in the tree.
        """
        return self.group_paths.paths[GroupName(group)]

    def path_of_payer(self, group: str | None) -> tuple[GroupName, ...]:
        """Return the way to a group that pays; empty for no group, and for one that is no more."""
        return () if group is None else self.group_paths.paths.get(GroupName(group), ())

    def groups_of(self, hub_groups: Iterable[str]) -> tuple[GroupName, ...]:
        """Return the groups of which who is in these groups of the hub is a direct member."""
        return self.group_paths.of(hub_groups)

    def at(self, now: datetime) -> "QuotaDocument":
        """Return the document in force: without what has ended, groups' exceptions folded in."""
        return self._over_time().at(now)

    def changes_after(self, now: datetime) -> datetime | None:
        """Return the next moment at which ``at`` gives something else."""
        return self._over_time().next_change(now)

    @property
    def as_written(self) -> "QuotaDocument":
        """The document of which this is what is in force at a moment; or itself."""
        return self._over_time().document

    def _over_time(self) -> "Timeline":
        if self._timeline is None:
            self._timeline = Timeline(self)
        return self._timeline

    def with_parts(self, parts: InForce, timeline: "Timeline | None" = None) -> "QuotaDocument":
        """Return the document with the parts that are in force in a state."""
        said = {name: getattr(self, name) for name in type(self).model_fields}
        made = self.model_construct(**(said | parts.sections()))
        made.belongs_to(timeline, Places(self._places.lines, parts.origins))
        return made

    def belongs_to(self, timeline: "Timeline | None", places: Places) -> None:
        """Keep of which document this is what is in force, and where that one says it."""
        self._timeline, self._places = timeline, places

    def origin_of(self, path: KeyPath) -> KeyPath:
        """Return where the document as it was written has what is here now."""
        return self._places.origin_of(path)

    def line_of(self, path: KeyPath) -> int | None:
        """Return the line on which a path, or the nearest one around it, was read.

        ``None``: it was not read, but holds when nobody says.
        """
        return self._places.line_of(path)


class Timeline:
    """What of one document is in force when; each state is made once."""

    def __init__(self, document: QuotaDocument) -> None:
        self.document = document
        """As it was written."""
        self._ends = ends(document)
        self._made: dict[State, QuotaDocument] = {}
        self._last: tuple[datetime, datetime | None, QuotaDocument] | None = None

    def next_change(self, now: datetime) -> datetime | None:
        """Return the first end, or begin of a reservation, that is still to come."""
        changes = [next_change_of(each, now) for each in self.document.reservations]
        changes.append(end_after(self._ends, now))
        return min((each for each in changes if each is not None), default=None)

    def at(self, now: datetime) -> QuotaDocument:
        """Return what is in force; the same document until the next change."""
        if self._last is not None:
            since, until, made = self._last
            if since <= now and (until is None or now < until):
                return made
        state = state_at(self.document, self._ends, now)
        if state not in self._made:
            self._made[state] = self.document.with_parts(in_force(self.document, state), self)
        self._last = now, self.next_change(now), self._made[state]
        return self._made[state]
