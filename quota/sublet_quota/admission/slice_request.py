"""The wish of somebody for a slice, as a size or as amounts, read under their rights."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.rights import Rights
from sublet_quota.document.sections import SliceSize
from sublet_quota.holdings.gpu_load import GpuKind
from sublet_quota.names.home_claim import HomeInUse
from sublet_quota.names.ids import PoolName, SizeName
from sublet_quota.reasons.refusal import Refusal, RefusalReason, quoted

_BEYOND_ALL_GPUS: Final = 10**9
"""A number of MiB, and of milli-GPU, above any that a request can mean."""


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
        return Refusal(
            RefusalReason.UNKNOWN_POOL,
            f"There is no pool {quoted(wish.pool)}{_nearest(wish.pool, document.pools)}. "
            f"Pick one of: {_listed(document.pools)}.",
        )
    open_sizes = sizes_for(document, rights, wish.groups)
    if wish.memory_mib is None and wish.compute_milli is None:
        return _read_size(document, open_sizes, wish)
    if wish.size is not None:
        return _bad_amount("Ask for a size or for amounts, not for both.")
    return _read_amounts(document, rights, open_sizes, wish)


def _read_size(
    document: QuotaDocument, open_sizes: Mapping[SizeName, SliceSize], wish: RequestedSlice
) -> Wanted | Refusal:
    name = wish.size
    offered = [s for s in open_sizes if wish.pool in (None, document.pool_of_size(s))]
    if name is None:
        if not offered:
            where = f" in pool {quoted(wish.pool)}" if wish.pool else ""
            return Refusal(
                RefusalReason.SIZE_NOT_ALLOWED,
                f"'{wish.owner}' may pick no size{where}. Ask an administrator for one.",
            )
        name = document.default_size if document.default_size in offered else offered[0]
    elif name not in document.sizes:
        return Refusal(
            RefusalReason.UNKNOWN_SIZE,
            f"There is no size {quoted(name)}{_nearest(name, offered)}. {_pick_one(offered)}",
        )
    elif name not in open_sizes:
        return Refusal(
            RefusalReason.SIZE_NOT_ALLOWED,
            f"'{wish.owner}' may not pick size {quoted(name)}. {_pick_one(offered)}",
        )
    elif name not in offered:
        pool = document.pool_of_size(SizeName(name))
        return Refusal(
            RefusalReason.UNKNOWN_SIZE,
            f"Size '{name}' lies in pool '{pool}', not in '{wish.pool}'. {_pick_one(offered)}",
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
    for name, value, unit in (
        ("memory", memory_mib, "MiB"),
        ("compute", compute_milli, "milli-GPU"),
    ):
        if value is not None and value > _BEYOND_ALL_GPUS:
            return _bad_amount(f"That is more {name} than any GPU has: ask for less.")
        if value is not None and value < 1:
            shown = value if value > -_BEYOND_ALL_GPUS else "less than nothing"
            return _bad_amount(f"{name} is {shown}: ask for 1 {unit} or more.")
    if memory_mib is None or compute_milli is None:
        missing = "memory (in MiB)" if memory_mib is None else "compute (in milli-GPU)"
        return _bad_amount(f"Give both amounts: {missing} is missing.")
    amount = GpuAmount(memory_mib, compute_milli)
    if not rights.own_amounts:
        return Refusal(
            RefusalReason.SIZE_NOT_ALLOWED,
            f"'{wish.owner}' may not ask for amounts of their own ({amount}). "
            f"{_pick_one(list(open_sizes))}",
            _numbers(amount),
        )
    pool = PoolName(wish.pool or document.first_pool)
    up_to = tuple(s for name, s in open_sizes.items() if document.pool_of_size(name) == pool)
    return Wanted(pool, None, None, amount, up_to)


def _bad_amount(message: str) -> Refusal:
    return Refusal(RefusalReason.BAD_AMOUNT, message)


def _numbers(amount: GpuAmount) -> dict[str, int]:
    return {"asked_mib": amount.memory_mib, "asked_milli": amount.compute_milli}


def _pick_one(offered: list[SizeName]) -> str:
    return f"Pick one of: {_listed(offered)}." if offered else "Ask an administrator for a size."


def _listed(names: Mapping[str, object] | list[SizeName]) -> str:
    shown = list(names)[:20]
    return ", ".join(shown) + (", ..." if len(names) > len(shown) else "")


def _nearest(name: str, known: Mapping[str, object] | list[SizeName]) -> str:
    found = get_close_matches(name, list(known), n=1)
    return f" (did you mean '{found[0]}'?)" if found else ""
