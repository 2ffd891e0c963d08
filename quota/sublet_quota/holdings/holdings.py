"""The holdings: who holds what on which GPU, added up as it changes.

The one structure of this package that changes: the hub service owns it, tells it of every slice and
GPU, and hands it to admission and placement, which only read it. Every sum in it equals what adding
up from scratch would give, and a change costs the same however much is held.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, TypeVar

from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind, matches
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.sections import GpuSelection
from sublet_quota.holdings.gpu_load import GpuFacts, GpuLoad, GpuRoom, Holding, room_on
from sublet_quota.holdings.group_totals import GroupTotals
from sublet_quota.holdings.room_index import RoomIndex
from sublet_quota.names.ids import GpuId, PoolName, SliceId, UserName
from sublet_quota.residency.snapshot import Holder

_NO_KINDS: Final[Mapping[GpuKind, RoomIndex]] = MappingProxyType({})
_NO_LOAD: Final = GpuLoad()
K = TypeVar("K", UserName, GpuId)


class Holdings:
    """All slices and GPUs, with their sums by user, group, pool and GPU."""

    def __init__(
        self,
        document: QuotaDocument,
        gpus: Iterable[GpuFacts] = (),
        slices: Iterable[Holding] = (),
    ) -> None:
        self.document = document
        """The document in force; ``under`` puts another in its place."""
        self.totals = GroupTotals(document)
        """The sums of what users and groups hold."""
        self._slices: dict[SliceId, Holding] = {}
        self._on_gpu: defaultdict[GpuId, set[SliceId]] = defaultdict(set)
        self._loads: dict[GpuId, GpuLoad] = {}
        self._gpus: dict[GpuId, GpuFacts] = {}
        self._pools: dict[GpuId, PoolName] = {}
        self._kinds: dict[PoolName, dict[GpuKind, RoomIndex]] = {}
        self._room: dict[PoolName, GpuAmount] = {}
        for holding in slices:
            self.put(holding)
        for facts in gpus:
            self.put_gpu(facts)

    def under(self, document: QuotaDocument) -> "Holdings":
        """Return the same slices and GPUs under another document."""
        return Holdings(document, self._gpus.values(), self._slices.values())

    def put_gpu(self, facts: GpuFacts) -> None:
        """Enter a GPU, or what is new about one."""
        before = self._gpus.get(facts.gpu_id)
        if before == facts:
            return
        if before is not None:
            self._take_out(before)
        pool = self._pool_for(facts)
        if pool is None:
            self._pools.pop(facts.gpu_id, None)
        else:
            self._pools[facts.gpu_id] = pool
        self._gpus[facts.gpu_id] = facts
        self._enter(facts)

    def remove_gpu(self, gpu_id: GpuId) -> None:
        """Forget a GPU; slices on it count for their owners until they are removed."""
        facts = self._gpus.get(gpu_id)
        if facts is not None:
            self._take_out(facts)
            del self._gpus[gpu_id]
            self._pools.pop(gpu_id, None)

    def put(self, holding: Holding) -> None:
        """Enter a slice, or what is new about one (its amount, its place, its account)."""
        if self._slices.get(holding.slice_id) == holding:
            return
        self.remove(holding.slice_id)
        self._slices[holding.slice_id] = holding
        self._on_gpu[holding.gpu_id].add(holding.slice_id)
        self._set_load(holding.gpu_id, self.load(holding.gpu_id).plus(holding))
        if holding.holder is Holder.NOTEBOOK:
            self.totals.add(holding)

    def remove(self, slice_id: SliceId) -> Holding | None:
        """Take a slice out; return what was held, or ``None`` when there is none."""
        holding = self._slices.pop(slice_id, None)
        if holding is None:
            return None
        _drop(self._on_gpu, holding.gpu_id, slice_id)
        self._set_load(holding.gpu_id, self.load(holding.gpu_id).minus(holding))
        if holding.holder is Holder.NOTEBOOK:
            self.totals.remove(holding)
        return holding

    def mark_unsuspendable(self, slice_id: SliceId, *, unsuspendable: bool) -> None:
        """Note that a slice can not, or can again, be suspended."""
        holding = self._slices.get(slice_id)
        if holding is not None and holding.unsuspendable is not unsuspendable:
            self.put(replace(holding, unsuspendable=unsuspendable))

    def slice(self, slice_id: SliceId) -> Holding | None:
        """Return one slice, or ``None``."""
        return self._slices.get(slice_id)

    def slices(self) -> Iterator[Holding]:
        """Yield all slices."""
        return iter(self._slices.values())

    def slices_on(self, gpu_id: GpuId) -> tuple[Holding, ...]:
        """Return the slices on a GPU, jobs' too, by id."""
        return tuple(self._slices[s] for s in sorted(self._on_gpu.get(gpu_id, ())))

    def gpu(self, gpu_id: GpuId) -> GpuFacts | None:
        """Return one GPU, or ``None``."""
        return self._gpus.get(gpu_id)

    def gpus(self) -> Iterator[GpuFacts]:
        """Yield all GPUs."""
        return iter(self._gpus.values())

    def pool_of(self, gpu_id: GpuId) -> PoolName | None:
        """Return the pool that a GPU belongs to; ``None`` when no pool has it."""
        return self._pools.get(gpu_id)

    def load(self, gpu_id: GpuId) -> GpuLoad:
        """Return what a GPU holds in promises."""
        return self._loads.get(gpu_id, _NO_LOAD)

    def room(self, gpu_id: GpuId) -> GpuRoom | None:
        """Return what may still be promised on a GPU; ``None``: unknown, or in no pool."""
        facts, pool = self._gpus.get(gpu_id), self._pools.get(gpu_id)
        if facts is None or pool is None:
            return None
        return room_on(facts, self.load(gpu_id), self.document.pools[pool])

    def room_in(self, pool: PoolName) -> GpuAmount:
        """Return what may still be promised on a pool's open GPUs together."""
        return self._room.get(pool, NOTHING)

    def kinds_in(self, pool: PoolName) -> Mapping[GpuKind, RoomIndex]:
        """Return the kinds of GPU in a pool, and where there is room on them."""
        return self._kinds.get(pool, _NO_KINDS)

    def _pool_for(self, facts: GpuFacts) -> PoolName | None:
        for name, pool in self.document.pools.items():
            if selects(pool.gpus, facts):
                return PoolName(name)
        return None

    def _set_load(self, gpu_id: GpuId, load: GpuLoad) -> None:
        facts = self._gpus.get(gpu_id)
        if facts is not None:
            self._take_out(facts)
        if load == _NO_LOAD:
            self._loads.pop(gpu_id, None)
        else:
            self._loads[gpu_id] = load
        if facts is not None:
            self._enter(facts)

    def _enter(self, facts: GpuFacts) -> None:
        pool, room = self._pools.get(facts.gpu_id), self.room(facts.gpu_id)
        if pool is None or room is None:
            return
        self._kinds.setdefault(pool, {}).setdefault(facts.kind, RoomIndex()).put(facts, room)
        if facts.closed is None:
            self._room[pool] = self.room_in(pool) + _promisable(room)

    def _take_out(self, facts: GpuFacts) -> None:
        pool, room = self._pools.get(facts.gpu_id), self.room(facts.gpu_id)
        if pool is None or room is None:
            return
        kinds = self._kinds[pool]
        kinds[facts.kind].take_out(facts)
        if kinds[facts.kind].is_empty():
            del kinds[facts.kind]
        if facts.closed is None:
            self._room[pool] = self.room_in(pool) - _promisable(room)


def _drop(index: dict[K, set[SliceId]], key: K, slice_id: SliceId) -> None:
    index[key].discard(slice_id)
    if not index[key]:
        del index[key]


def selects(selection: GpuSelection, facts: GpuFacts) -> bool:
    """Whether a GPU is among the selected ones."""
    wanted = (
        (selection.types, facts.kind.type),
        (selection.ids, facts.gpu_id),
        (selection.nodes, facts.node),
    )
    return all(not patterns or matches(name, patterns) for patterns, name in wanted)


def _promisable(room: GpuRoom) -> GpuAmount:
    return GpuAmount(max(0, room.shared_mib), max(0, room.shared_milli))
