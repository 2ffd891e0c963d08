"""The wish of somebody for a slice, as a size or as amounts, read under their rights."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from sublet_quota.amounts.gpu_amounts import BEYOND_ALL_GPUS, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.rights import Rights
from sublet_quota.document.sections import SliceSize
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.names.home_claim import HomeInUse
from sublet_quota.names.ids import PoolName, SizeName
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.sizes import SizeRefusal


@dataclass(frozen=True, slots=True)
class RequestedSlice:
    """A notebook server wants a slice: a size by name, or both amounts, or neither."""

    owner: str
    groups: tuple[str, ...] = ()
    """The owner's groups, all that the hub has."""
    size: str | None = None
    pool: str | None = None
    gpu_type: str | None = None
    """The model's name, or a pattern for it."""
    memory_mib: int | None = None
    compute_milli: int | None = None
    never_suspended: bool = False
    """Whether the slice can never make room for others, so that it goes where all slices fit
    together.
    """
    home: HomeInUse | None = None
    """The node where alone the slice can be, because its owner's files are in use there."""
    group: str | None = None
    """The group of the quota document that is to pay, as the owner named it."""
    before: Holding | None = None
    """The same server's slice of just now: while a grace lasts, the server restarts as before."""
    lot: int = 0
    """Drawn once for each request, and kept: decides exact ties."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A wish that can be meant: which pool, and what it comes to on a GPU of each kind."""

    pool: PoolName
    name: SizeName | None
    size: SliceSize | None
    amount: GpuAmount | None
    """The amounts that were wished for, where no size was picked."""
    up_to: tuple[SliceSize, ...] = ()
    """The sizes of which one must be as large as the amounts that were wished for."""

    def on(self, kind: GpuKind) -> GpuAmount:
        """Return what the wish comes to on a GPU of this kind."""
        if self.size is not None:
            return amount_of(self.size, kind)
        return self.amount or GpuAmount(0, 0)

    def may_be_had_on(self, kind: GpuKind) -> bool:
        """Whether amounts that were wished for are no larger than a size that may be picked."""
        amount = self.amount
        return amount is None or any(amount.fits_in(amount_of(s, kind)) for s in self.up_to)


def amount_of(size: SliceSize, kind: GpuKind) -> GpuAmount:
    """Return what a size comes to on a GPU of this kind."""
    return GpuAmount(size.memory_on(kind.usable_mib), size.compute)


def sizes_for(
    document: QuotaDocument, rights: Rights, groups: tuple[str, ...]
) -> Mapping[SizeName, SliceSize]:
    """Return the sizes this user may pick, in the order of the document."""
    return {
        SizeName(name): size
        for name, size in document.sizes.items()
        if (rights.sizes is None or name in rights.sizes) and size.is_open_to(rights.owner, groups)
    }


def read_wish(document: QuotaDocument, rights: Rights, wish: RequestedSlice) -> Wanted | Refusal:
    """Return what the wish means, or why it means nothing that this user may ask for."""
    if wish.pool is not None and wish.pool not in document.pools:
        return refuse(
            SizeRefusal.UNKNOWN_POOL,
            asked_pool=wish.pool,
            nearest=_nearest(wish.pool, document.pools),
            pools=tuple(document.pools),
        )
    open_sizes = sizes_for(document, rights, wish.groups)
    if wish.memory_mib is None and wish.compute_milli is None:
        return _read_size(document, open_sizes, wish)
    if wish.size is not None:
        return refuse(SizeRefusal.SIZE_AND_AMOUNTS)
    return _read_amounts(document, rights, open_sizes, wish)


def _read_size(
    document: QuotaDocument, open_sizes: Mapping[SizeName, SliceSize], wish: RequestedSlice
) -> Wanted | Refusal:
    name = wish.size
    offered = tuple(s for s in open_sizes if wish.pool in (None, document.pool_of_size(s)))
    if name is None:
        if not offered and wish.pool is None:
            return refuse(SizeRefusal.NO_SIZE_OPEN, owner=wish.owner)
        if not offered:
            return refuse(SizeRefusal.NO_SIZE_OPEN_IN_POOL, owner=wish.owner, asked_pool=wish.pool)
        name = document.default_size if document.default_size in offered else offered[0]
    elif name not in document.sizes:
        return refuse(
            SizeRefusal.UNKNOWN_SIZE,
            asked_size=name,
            nearest=_nearest(name, offered),
            offered=offered,
        )
    elif name not in open_sizes:
        return refuse(SizeRefusal.SIZE_NOT_OPEN, owner=wish.owner, asked_size=name, offered=offered)
    elif name not in offered:
        return refuse(
            SizeRefusal.IN_ANOTHER_POOL,
            size=name,
            size_pool=document.pool_of_size(SizeName(name)),
            pool=wish.pool,
            offered=offered,
        )
    size_name = SizeName(name)
    pool = document.pool_of_size(size_name)
    return Wanted(pool, size_name, document.sizes[size_name], None)


def _read_amounts(
    document: QuotaDocument,
    rights: Rights,
    open_sizes: Mapping[SizeName, SliceSize],
    wish: RequestedSlice,
) -> Wanted | Refusal:
    memory_mib, compute_milli = wish.memory_mib, wish.compute_milli
    for value, too_much, too_little in (
        (memory_mib, SizeRefusal.MEMORY_BEYOND_ALL_GPUS, SizeRefusal.MEMORY_TOO_LITTLE),
        (compute_milli, SizeRefusal.COMPUTE_BEYOND_ALL_GPUS, SizeRefusal.COMPUTE_TOO_LITTLE),
    ):
        if value is not None and value > BEYOND_ALL_GPUS:
            return refuse(too_much)
        if value is not None and value < 1:
            return refuse(too_little, too_little=value)
    if memory_mib is None:
        return refuse(SizeRefusal.MEMORY_MISSING)
    if compute_milli is None:
        return refuse(SizeRefusal.COMPUTE_MISSING)
    amount = GpuAmount(memory_mib, compute_milli)
    if not rights.own_amounts:
        return refuse(
            SizeRefusal.NO_OWN_AMOUNTS,
            owner=wish.owner,
            asked=amount,
            offered=tuple(open_sizes),
        )
    pool = PoolName(wish.pool or document.first_pool)
    up_to = tuple(s for name, s in open_sizes.items() if document.pool_of_size(name) == pool)
    return Wanted(pool, None, None, amount, up_to)


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return the name that may have been meant; empty where none is near."""
    return next(iter(get_close_matches(name, list(known), n=1)), "")
