"""The totals of users and groups: what they hold in notebook slices, and guarantees left unused."""

from collections import defaultdict
from dataclasses import dataclass
from typing import TypeVar

from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.sections import Guarantee
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.names.ids import GroupName, PoolName, UserName

N = TypeVar("N", UserName, GroupName)


@dataclass(frozen=True, slots=True)
class Use:
    """The sum of notebook slices, and how many they are."""

    amount: GpuAmount = NOTHING
    slices: int = 0


NO_USE = Use()


class GroupTotals:
    """The sums of ``Holdings`` by user and by group; jobs count for nobody."""

    def __init__(self, document: QuotaDocument) -> None:
        self._first_pool = document.first_pool
        self._users: dict[tuple[UserName, PoolName | None], Use] = {}
        self._groups: dict[tuple[GroupName, PoolName | None], Use] = {}
        self._kept_for_users = {
            UserName(name): quota.guaranteed
            for name, quota in document.users.items()
            if quota.guaranteed is not None
        }
        self._kept_for_groups = {
            GroupName(name): quota.guaranteed
            for name, quota in document.groups.items()
            if quota.guaranteed is not None
        }
        self._unused: defaultdict[PoolName, GpuAmount] = defaultdict(lambda: NOTHING)
        for guarantee in (*self._kept_for_users.values(), *self._kept_for_groups.values()):
            self._unused[self._pool_of(guarantee)] += _unused_of(guarantee, NO_USE)

    def add(self, holding: Holding) -> None:
        """Count a notebook's slice for its owner and their groups."""
        self._change(holding, 1)

    def remove(self, holding: Holding) -> None:
        """Count a notebook's slice no longer."""
        self._change(holding, -1)

    def of_user(self, owner: UserName, pool: PoolName | None) -> Use:
        """Return what a user holds in one pool, or in all."""
        return self._users.get((owner, pool), NO_USE)

    def of_group(self, group: GroupName, pool: PoolName | None) -> Use:
        """Return what a group's members hold for it in one pool, or in all."""
        return self._groups.get((group, pool), NO_USE)

    def kept_for_user(self, owner: UserName, pool: PoolName) -> GpuAmount:
        """Return what is guaranteed to a user in a pool."""
        return self._kept(self._kept_for_users.get(owner), pool)

    def kept_for_group(self, group: GroupName, pool: PoolName) -> GpuAmount:
        """Return what is guaranteed to a group in a pool."""
        return self._kept(self._kept_for_groups.get(group), pool)

    def unused(self, pool: PoolName) -> GpuAmount:
        """Return what of all guarantees in a pool is not used now."""
        return self._unused[pool]

    def unused_of_user(self, owner: UserName, pool: PoolName) -> GpuAmount:
        """Return what of a user's guarantee in a pool is not used now."""
        return less(self.kept_for_user(owner, pool), self.of_user(owner, pool).amount)

    def unused_of_group(self, group: GroupName, pool: PoolName) -> GpuAmount:
        """Return what of a group's guarantee in a pool is not used now."""
        return less(self.kept_for_group(group, pool), self.of_group(group, pool).amount)

    def _change(self, holding: Holding, count: int) -> None:
        pool = holding.pool
        self._change_one(self._users, self._kept_for_users, holding.owner, holding, count)
        for group in dict.fromkeys(holding.groups):
            self._change_one(self._groups, self._kept_for_groups, group, holding, count)
        if self._unused[pool] == NOTHING:
            del self._unused[pool]

    def _change_one(
        self,
        uses: dict[tuple[N, PoolName | None], Use],
        kept: dict[N, Guarantee],
        name: N,
        holding: Holding,
        count: int,
    ) -> None:
        pool, guarantee = holding.pool, kept.get(name)
        before = uses.get((name, pool), NO_USE)
        for key in ((name, None), (name, pool)):
            use = uses.get(key, NO_USE)
            amount = use.amount + holding.amount if count > 0 else use.amount - holding.amount
            if use.slices + count:
                uses[key] = Use(amount, use.slices + count)
            else:
                del uses[key]
        if guarantee is not None and self._pool_of(guarantee) == pool:
            after = uses.get((name, pool), NO_USE)
            self._unused[pool] += _unused_of(guarantee, after)
            self._unused[pool] -= _unused_of(guarantee, before)

    def _kept(self, guarantee: Guarantee | None, pool: PoolName) -> GpuAmount:
        if guarantee is None or self._pool_of(guarantee) != pool:
            return NOTHING
        return GpuAmount(guarantee.memory, guarantee.compute)

    def _pool_of(self, guarantee: Guarantee) -> PoolName:
        return PoolName(guarantee.pool or self._first_pool)


def less(amount: GpuAmount, taken: GpuAmount) -> GpuAmount:
    """Return what ``taken`` leaves of ``amount``, nothing where it is more."""
    return GpuAmount(
        max(0, amount.memory_mib - taken.memory_mib),
        max(0, amount.compute_milli - taken.compute_milli),
    )


def _unused_of(guarantee: Guarantee, use: Use) -> GpuAmount:
    return less(GpuAmount(guarantee.memory, guarantee.compute), use.amount)
