"""The quota document as a whole: pools, sizes, groups and users, and what holds without any.

An empty document works: one pool `interactive` with every GPU, four sizes as parts of a GPU.
"""

from collections.abc import Container, Mapping
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from sublet_quota.document.contradictions import find_contradictions
from sublet_quota.document.named_lists import NAME
from sublet_quota.document.sections import (
    EntryName,
    EveryoneQuota,
    FairShareSettings,
    GroupQuota,
    HubName,
    Pool,
    Section,
    SliceSize,
    UserQuota,
)
from sublet_quota.document.values import GpuShare
from sublet_quota.names.ids import PoolName, SizeName
from sublet_quota.wire.environment import NO_GPU

DEFAULT_POOL: Final = PoolName("interactive")


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


def _nothing_is_empty(value: object) -> object:
    """Return an empty section for one without content (``groups:``)."""
    return {} if value is None else value


def _or_default_pools(value: dict[str, Pool]) -> dict[str, Pool]:
    return value or default_pools()


def _sizes_in_order(value: dict[str, SliceSize], info: ValidationInfo) -> dict[str, SliceSize]:
    """Return sizes as a list has them, else the smallest first, or those of a document without."""
    if not value:
        return default_sizes()
    written: Mapping[str, Container[str]] = info.context or {}
    if "sizes" in written.get("listed", ()):
        return value
    return dict(sorted(value.items(), key=_smallest_first))


def _smallest_first(entry: tuple[str, SliceSize]) -> tuple[bool, Fraction, int, str]:
    name, size = entry
    if isinstance(size.memory, GpuShare):
        return True, size.memory.part, size.compute, name
    return False, Fraction(size.memory), size.compute, name


class QuotaDocument(Section):
    """Who may have how much of which GPUs."""

    model_config = ConfigDict(title="Sublet's quota document")

    pools: Annotated[
        dict[EntryName, Pool],
        BeforeValidator(_nothing_is_empty),
        AfterValidator(_or_default_pools),
    ] = Field(
        default_factory=default_pools,
        description="Sets of GPUs by name; several as a list, each with its `name`, since a GPU "
        "belongs to the first that it matches. Without any: `interactive`, with every GPU.",
    )
    sizes: Annotated[
        dict[EntryName, SliceSize],
        BeforeValidator(_nothing_is_empty),
        AfterValidator(_sizes_in_order),
    ] = Field(
        default_factory=default_sizes,
        description="Sizes of slices by name. A list, each with its `name`, is in the order of the "
        "page; a mapping has the smallest first, amounts before parts. Without any: small, "
        "medium, large and whole: an eighth, a quarter, half and all of a GPU.",
        json_schema_extra={"propertyNames": {"not": {"const": NO_GPU}}},
    )
    default_size: EntryName | None = Field(
        default=None, description="The size of who asks for none; the first when left out."
    )
    everyone: EveryoneQuota = Field(
        default=EveryoneQuota(),
        description="What holds for a user where neither their entry nor their groups say it.",
    )
    groups: Annotated[dict[HubName, GroupQuota], BeforeValidator(_nothing_is_empty)] = Field(
        default={}, description="JupyterHub's groups by name."
    )
    users: Annotated[dict[HubName, UserQuota], BeforeValidator(_nothing_is_empty)] = Field(
        default={}, description="JupyterHub's users by name; goes before what groups say."
    )
    fair_share: FairShareSettings = Field(
        default=FairShareSettings(), description="The order of waiting jobs."
    )

    @field_serializer("pools", "sizes", when_used="json")
    def _in_order(self, entries: dict[str, Section]) -> list[dict[str, Any]]:
        """Write as lists what has an order."""
        dumped = {k: v.model_dump(mode="json", by_alias=True) for k, v in entries.items()}
        return [{NAME: name, **entry} for name, entry in dumped.items()]

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Self:
        written: Mapping[str, tuple[str, ...]] = info.context or {}
        found = find_contradictions(self, written.get("pools", ()), written.get("sizes", ()))
        if found:
            kind, text = "contradictions", "{text}"
            listed = "; ".join(f"{'.'.join(map(str, c.path))} {c.message}" for c in found)
            raise PydanticCustomError(kind, text, {"text": listed, "contradictions": found})
        return self

    @cached_property
    def first_pool(self) -> PoolName:
        """The name of the pool of sizes and guarantees that name none."""
        return PoolName(next(iter(self.pools)))

    def pool_of_size(self, name: SizeName) -> PoolName:
        """Return the pool that the size lies in."""
        return PoolName(self.sizes[name].pool or self.first_pool)
