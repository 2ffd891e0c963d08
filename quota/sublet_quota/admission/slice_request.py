"""The wish of somebody for a slice, as a size or as amounts, read under the rights of who pays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.admission.denial import Denial
from sublet_quota.admission.told_lines import told_line
from sublet_quota.amounts.gpu_amounts import BEYOND_ALL_GPUS, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind, matches
from sublet_quota.amounts.node_amounts import NEEDS_NOTHING, NodeNeed
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.right_values import PayerRights, Rights, Source
from sublet_quota.document.sections import SliceSize
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.names.home_claim import HomeInUse
from sublet_quota.names.ids import GroupName, PoolName, SizeName
from sublet_quota.names.nearest_name import nearest_name
from sublet_quota.reasons.derivation import Rule
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
    """The type's name, the model's, or a pattern for one of them."""
    memory_mib: int | None = None
    compute_milli: int | None = None
    never_suspended: bool = False
    """Whether the slice can never make room for others: it goes where all slices fit together, and
    borrows only outside what is laid out for guarantees.
    """
    home: HomeInUse | None = None
    """The node where alone the slice can be, because its owner's files are in use there."""
    group: str | None = None
    """The group of the quota document that is to pay, as the owner named it."""
    before: Holding | None = None
    """The same server's slice of just now: while a grace lasts, the server restarts as before."""
    stopped_at: datetime | None = None
    """When that was given back, so that others may have its room by now; ``None``: just now."""
    lot: int = 0
    """Drawn once for each request, and kept: decides exact ties."""
    takes: NodeNeed = NEEDS_NOTHING
    """What its server takes of a node beside the GPU: the slice goes where that is left."""

    def may_be_on(self, kind: GpuKind, gpu_type: str) -> bool:
        """Whether GPUs of a kind, which count as a type, are what is asked for."""
        wished = self.gpu_type
        return wished is None or kind.is_type(wished) or matches(gpu_type, (wished,))


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

    def may_lie_on(self, gpu_type: str) -> bool:
        """Whether the size may be had on a type; amounts may be had on any."""
        return self.size is None or self.size.may_lie_on(gpu_type)

    def may_be_had_on(self, kind: GpuKind, gpu_type: str) -> bool:
        """Whether amounts that were wished for are no larger than a size that may be picked."""
        amount = self.amount
        if amount is None:
            return True
        sizes = (size for size in self.up_to if size.may_lie_on(gpu_type))
        return any(amount.fits_in(amount_of(size, kind)) for size in sizes)


def amount_of(size: SliceSize, kind: GpuKind) -> GpuAmount:
    """Return what a size comes to on a GPU of this kind."""
    return GpuAmount(size.memory_on(kind.usable_mib), size.compute)


def sizes_for(document: QuotaDocument, payer: PayerRights) -> Mapping[SizeName, SliceSize]:
    """Return the sizes that a payer's members may pick, in the order of the document."""
    open_to = payer.sizes.value
    return {
        SizeName(name): size
        for name, size in document.sizes.items()
        if open_to is None or name in open_to
    }


def choose_payers(rights: Rights, group: str | None) -> tuple[PayerRights, ...] | Denial:
    """Return who could pay: the group that was named, else all of the owner's."""
    if group is None:
        return rights.payers
    if group in rights.groups:
        return (rights.payer(GroupName(group)),)
    return Denial(
        SizeRefusal.UNKNOWN_GROUP,
        Rule.RIGHT,
        facts={
            "owner": rights.owner,
            "asked_group": group,
            "nearest": nearest_name(group, rights.groups),
            "groups_to_choose": rights.groups,
        },
    )


def read_wish(
    document: QuotaDocument, rights: Rights, payer: PayerRights, wish: RequestedSlice
) -> Wanted | Denial:
    """Return what the wish means, or why it means nothing that could be charged to the payer."""
    if wish.pool is not None and wish.pool not in document.pools:
        return Denial(
            SizeRefusal.UNKNOWN_POOL,
            Rule.RIGHT,
            facts={
                "asked_pool": wish.pool,
                "nearest": nearest_name(wish.pool, document.pools),
                "pools": tuple(document.pools),
            },
        )
    reader = _Reader(document, rights, payer, wish)
    if wish.memory_mib is None and wish.compute_milli is None:
        return reader.size()
    if wish.size is not None:
        return Denial(SizeRefusal.SIZE_AND_AMOUNTS, Rule.RIGHT)
    return reader.amounts()


class _Reader:
    """One wish, as one payer would pay for it."""

    def __init__(
        self, document: QuotaDocument, rights: Rights, payer: PayerRights, wish: RequestedSlice
    ) -> None:
        self._document = document
        self._rights = rights
        self._payer = payer
        self._wish = wish
        self._open = sizes_for(document, payer)

    def size(self) -> Wanted | Denial:
        document, wish, name = self._document, self._wish, self._wish.size
        offered = tuple(s for s in self._open if wish.pool in (None, document.pool_of_size(s)))
        if name is None:
            if not offered:
                return self._none_offered()
            usual = document.default_size
            name = usual if usual is not None and usual in offered else offered[0]
        elif name not in document.sizes:
            return Denial(
                SizeRefusal.UNKNOWN_SIZE,
                Rule.RIGHT,
                facts={
                    "asked_size": name,
                    "nearest": nearest_name(name, offered),
                    "offered": offered,
                },
            )
        elif name not in self._open:
            source = self._payer.size_source(name)
            return self._denied(SizeRefusal.SIZE_NOT_OPEN, source, asked_size=name)
        elif name not in offered:
            return Denial(
                SizeRefusal.IN_ANOTHER_POOL,
                Rule.RIGHT,
                facts={
                    "size": name,
                    "size_pool": document.pool_of_size(SizeName(name)),
                    "pool": wish.pool or "",
                    "offered": offered,
                },
            )
        picked = SizeName(name)
        return Wanted(document.pool_of_size(picked), picked, document.sizes[picked], None)

    def amounts(self) -> Wanted | Denial:
        document, wish = self._document, self._wish
        memory_mib, compute_milli = wish.memory_mib, wish.compute_milli
        for value, too_much, too_little in (
            (memory_mib, SizeRefusal.MEMORY_BEYOND_ALL_GPUS, SizeRefusal.MEMORY_TOO_LITTLE),
            (compute_milli, SizeRefusal.COMPUTE_BEYOND_ALL_GPUS, SizeRefusal.COMPUTE_TOO_LITTLE),
        ):
            if value is not None and value > BEYOND_ALL_GPUS:
                return Denial(too_much, Rule.RIGHT)
            if value is not None and value < 1:
                return Denial(too_little, Rule.RIGHT, facts={"too_little": value})
        if memory_mib is None:
            return Denial(SizeRefusal.MEMORY_MISSING, Rule.RIGHT)
        if compute_milli is None:
            return Denial(SizeRefusal.COMPUTE_MISSING, Rule.RIGHT)
        amount = GpuAmount(memory_mib, compute_milli)
        if not self._payer.own_amounts.value:
            line = told_line(self._payer.own_amounts.source)
            return Denial(
                SizeRefusal.NO_OWN_AMOUNTS,
                Rule.RIGHT,
                self._payer.group,
                (line,),
                {"payer": self._payer.group, "asked": amount, "line": line},
            )
        pool = PoolName(wish.pool or document.default_pool)
        up_to = tuple(
            size for name, size in self._open.items() if document.pool_of_size(name) == pool
        )
        return Wanted(pool, None, None, amount, up_to)

    def _none_offered(self) -> Denial:
        owner, pool = self._rights.owner, self._wish.pool
        if pool is None:
            return self._denied(SizeRefusal.NO_SIZE_OPEN, payer=False, owner=owner)
        return self._denied(
            SizeRefusal.NO_SIZE_OPEN_IN_POOL, payer=False, owner=owner, asked_pool=pool
        )

    def _denied(
        self, code: SizeRefusal, source: Source | None = None, *, payer: bool = True, **facts: str
    ) -> Denial:
        line = told_line(source or self._payer.sizes.source)
        who = {"payer": self._payer.group} if payer else {}
        return Denial(code, Rule.RIGHT, self._payer.group, (line,), {**who, **facts, "line": line})
