"""Laying guarantees out on cards, so that as few parts as possible move from where they lie.

What lies rightly stays. What is missing is put beside it; only where it does not fit are rests
lifted: one, two, then all of them. Rests go by size, the largest first, beside their siblings where
that fits. Cards that others block, who cannot make way, come last.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Final, NamedTuple

from sublet_quota.holdings.layout.demand import Demand, demand_of
from sublet_quota.holdings.layout.layout import Layout, NotLaidOut
from sublet_quota.holdings.layout.packing import Cards, Packing
from sublet_quota.holdings.layout.placing_parts import Before, Missing, place
from sublet_quota.names.ids import GpuId
from sublet_quota.shares.group_tree import GroupTree, NodeName

_MOST_SINGLES: Final = 32
_MOST_PAIRS: Final = 8
"""Of so many rests any two are lifted; of more, all at once."""

Parts = Mapping[GpuId, Mapping[NodeName, int]]


def lay_out(tree: GroupTree, before: Layout | None, cards: Cards) -> Layout:
    """Return the layout of the guarantees in ``tree``, as near as possible to the one before."""
    lying = {} if before is None else before.parts
    demand = demand_of(tree, {part.cards for here in lying.values() for part in here})
    old: Parts = {
        gpu_id: {part.node: int(part.cards * demand.units) for part in here}
        for gpu_id, here in lying.items()
        if gpu_id in cards.order
    }
    while True:
        packing, missing = _laid_out(demand, old, cards)
        if packing.parts == old or not missing.units(demand.units):
            return Layout(packing, tuple(_problems(missing, demand.units)))
        old = packing.parts


def _problems(missing: Missing, units: int) -> Iterator[NotLaidOut]:
    for node in sorted(missing.whole.keys() | missing.rests.keys()):
        size = missing.whole.get(node, 0) * units + missing.rests.get(node, 0)
        if size:
            yield NotLaidOut(node, Fraction(size, units))


def _laid_out(demand: Demand, old: Parts, cards: Cards) -> tuple[Packing, Missing]:
    """Return what is laid out by lifting as few rests as it takes, and what is still missing."""
    kept, wanted = _Keeping.of(demand, old, cards)
    before = Before.of(old, demand.units)
    best: tuple[Packing, Missing] | None = None
    for attempt in _attempts(kept):
        packing, missing = kept.copy(), wanted.copy()
        for node, gpu_id in attempt.lifted:
            size = packing.lift(node, gpu_id)
            missing.rests[node] = missing.rests.get(node, 0) + size
        place(packing, missing, before, tightly=attempt.tightly)
        left = missing.units(demand.units)
        if best is None or left < best[1].units(demand.units):
            best = packing, missing
        if not left:
            break
    return best or (kept, wanted)


class _Attempt(NamedTuple):
    lifted: tuple[tuple[NodeName, GpuId], ...]
    tightly: bool = False
    """Whether rests go where they fit tightest, and not where they are wished."""


def _attempts(kept: Packing) -> Iterator[_Attempt]:
    yield _Attempt(())
    rests = tuple(kept.rests())
    for one in rests[:_MOST_SINGLES]:
        yield _Attempt((one,))
    for two in combinations(rests[:_MOST_PAIRS], 2):
        yield _Attempt(two)
    yield _Attempt(rests)
    yield _Attempt(rests, tightly=True)


class _Lying(NamedTuple):
    size: int
    home: int
    place: int
    lot: int
    node: NodeName
    gpu_id: GpuId


@dataclass(frozen=True, slots=True)
class _Keeping:
    """What may stay where it lies, and what is missing beside it."""

    packing: Packing
    missing: Missing

    @classmethod
    def of(cls, demand: Demand, old: Parts, cards: Cards) -> tuple[Packing, Missing]:
        missing = Missing(dict(demand.whole), dict(demand.rests))
        keeping = cls(Packing(demand, cards), missing)
        lying = sorted(
            (
                _Lying(
                    size,
                    cards.home(node, gpu_id),
                    -cards.order[gpu_id],
                    cards.lot(node),
                    node,
                    gpu_id,
                )
                for gpu_id, here in old.items()
                for node, size in here.items()
                if node in demand.tree.nodes and not keeping.packing.is_blocked(gpu_id, node, size)
            ),
            reverse=True,
        )
        others = [part for part in lying if not keeping._keep_whole(part)]
        keeping._keep_rests(others)
        return keeping.packing, missing

    def _keep_whole(self, part: _Lying) -> bool:
        units = self.packing.demand.units
        if part.size < units or not self.missing.whole.get(part.node):
            return False
        self.packing.put(part.node, part.gpu_id, units)
        self.missing.whole[part.node] -= 1
        return True

    def _keep_rests(self, others: Sequence[_Lying]) -> None:
        self._let_lie_in_pieces(others)
        kept: dict[NodeName, GpuId] = {}
        for part in others:
            lacks = self.missing.rests.get(part.node, 0)
            stays = min(part.size, lacks, self.packing.room(part.gpu_id))
            once = part.node in kept and not self.packing.demand.may_split(part.node)
            if stays and not once:
                self.packing.put(part.node, part.gpu_id, stays)
                self.missing.rests[part.node] -= stays
                kept[part.node] = part.gpu_id
        for node, gpu_id in kept.items():
            self._grow(node, gpu_id)
        self._make_whole()

    def _let_lie_in_pieces(self, others: Sequence[_Lying]) -> None:
        """Let whole cards that may lie in pieces stay so, where they lie so."""
        missing, units = self.missing, self.packing.demand.units
        pieces: dict[NodeName, int] = {}
        for part in others:
            if part.size < units and self.packing.demand.may_split(part.node):
                pieces[part.node] = pieces.get(part.node, 0) + part.size
        for node, size in pieces.items():
            while missing.whole.get(node) and size > missing.rests.get(node, 0):
                missing.whole[node] -= 1
                missing.rests[node] = missing.rests.get(node, 0) + units

    def _make_whole(self) -> None:
        missing, units = self.missing, self.packing.demand.units
        for node, size in missing.rests.items():
            missing.whole[node] = missing.whole.get(node, 0) + size // units
            missing.rests[node] = size % units

    def _grow(self, node: NodeName, gpu_id: GpuId) -> None:
        """Let a rest have what it lacks, or lift it where it may not lie in pieces."""
        lacks = self.missing.rests[node]
        if lacks and lacks <= self.packing.room(gpu_id):
            self.packing.put(node, gpu_id, lacks)
            self.missing.rests[node] = 0
        elif lacks and not self.packing.demand.may_split(node):
            self.missing.rests[node] += self.packing.lift(node, gpu_id)
