"""Parts on cards: put, lifted, and where one more fits best. All amounts in units of a card."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sublet_quota.holdings.layout.demand import Demand
from sublet_quota.names.ids import GpuId
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.lots import lot_of

IsBlocked = Callable[[GpuId, NodeName, int, int], bool]
"""Whether what cannot make way of others leaves too little for a part of so many units, of those
that a card is cut into.
"""
Homes = Mapping[NodeName, Mapping[GpuId, int]]
"""How much of entitled slices of a group, and of those in it, lies on each card; larger is more."""

LotOf = Callable[[NodeName], int]
"""The lot of a group, which decides ties."""


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards on which guarantees may be laid out."""

    order: Mapping[GpuId, int]
    """Each card's place among them: cards of one node follow each other."""
    is_blocked: IsBlocked
    homes: Homes
    lot: LotOf = lot_of

    def home(self, node: NodeName, gpu_id: GpuId) -> int:
        """Return how much of a group's entitled slices lies on a card."""
        return self.homes.get(node, {}).get(gpu_id, 0)


@dataclass(slots=True)
class Packing:
    """Which parts lie on which cards."""

    demand: Demand
    cards: Cards
    parts: dict[GpuId, dict[NodeName, int]] = field(default_factory=dict)
    where: dict[NodeName, dict[GpuId, int]] = field(default_factory=dict)
    """The same, by node."""
    filled: dict[GpuId, int] = field(default_factory=dict)
    begun: dict[GpuId, None] = field(default_factory=dict)
    """The cards that have parts, and room beside them."""
    unused: dict[GpuId, None] = field(default_factory=dict)
    """The cards without parts."""
    touched: set[GpuId] = field(default_factory=set)
    """The cards on which parts were put or lifted since this was emptied."""

    def __post_init__(self) -> None:
        """Begin with all cards unused."""
        if not self.parts:
            self.unused.update(dict.fromkeys(self.cards.order))

    def copy(self) -> "Packing":
        """Return a packing that changes by itself."""
        return Packing(
            self.demand,
            self.cards,
            {gpu_id: dict(here) for gpu_id, here in self.parts.items()},
            {node: dict(there) for node, there in self.where.items()},
            dict(self.filled),
            dict(self.begun),
            dict(self.unused),
        )

    def room(self, gpu_id: GpuId) -> int:
        """Return what is free of a card."""
        return self.demand.units - self.filled.get(gpu_id, 0)

    def put(self, node: NodeName, gpu_id: GpuId, size: int) -> None:
        """Lay a part on a card, or make the one that is there larger."""
        here = self.parts.setdefault(gpu_id, {})
        here[node] = here.get(node, 0) + size
        self.where.setdefault(node, {})[gpu_id] = here[node]
        self._fill(gpu_id, size)

    def lift(self, node: NodeName, gpu_id: GpuId) -> int:
        """Take a part from a card, and return how large it was."""
        size = self.parts[gpu_id].pop(node)
        if not self.parts[gpu_id]:
            del self.parts[gpu_id]
        del self.where[node][gpu_id]
        if not self.where[node]:
            del self.where[node]
        self._fill(gpu_id, -size)
        return size

    def _fill(self, gpu_id: GpuId, size: int) -> None:
        filled = self.filled.get(gpu_id, 0) + size
        self.filled[gpu_id] = filled
        self.touched.add(gpu_id)
        self.begun.pop(gpu_id, None)
        self.unused.pop(gpu_id, None)
        if not filled:
            self.unused[gpu_id] = None
        elif filled < self.demand.units:
            self.begun[gpu_id] = None

    def rests(self) -> Iterator[tuple[NodeName, GpuId]]:
        """Yield the parts that are no whole cards, the smallest first."""
        found = [
            (size, self.cards.order[gpu_id], self.cards.lot(node), node, gpu_id)
            for gpu_id, here in self.parts.items()
            for node, size in here.items()
            if size < self.demand.units
        ]
        return ((node, gpu_id) for *_, node, gpu_id in sorted(found))

    def fits(self, node: NodeName, gpu_id: GpuId, size: int, *, blocked: bool) -> bool:
        """Whether a part has room on a card; ``blocked``: which others block, or do not."""
        return (
            self.room(gpu_id) >= size
            and self.is_blocked(gpu_id, node, size) is blocked
        )  # fmt: skip

    def is_blocked(self, gpu_id: GpuId, node: NodeName, size: int) -> bool:
        """Whether what cannot make way of others leaves too little for a part."""
        return self.cards.is_blocked(gpu_id, node, size, self.demand.units)

    def wished_for_rest(
        self, node: NodeName, size: int, *, blocked: bool, before: GpuId | None
    ) -> GpuId | None:
        """Return the card for a rest: where it lay, at home, beside siblings, else the fullest."""
        home = [gpu_id for gpu_id in self.cards.homes.get(node, {}) if gpu_id in self.cards.order]
        first = (before,) if before is not None and before in self.cards.order else ()
        fitting = [
            gpu_id
            for gpu_id in {**dict.fromkeys(first), **dict.fromkeys(home), **self.begun}
            if self.fits(node, gpu_id, size, blocked=blocked)
        ]
        if not fitting:
            return self._an_unused(node, size, blocked=blocked)
        return min(fitting, key=lambda gpu_id: self._wish(node, gpu_id, before))

    def tightest_for_rest(self, node: NodeName, size: int, *, blocked: bool) -> GpuId | None:
        """Return the fullest card on which a rest fits."""
        fitting = [one for one in self.begun if self.fits(node, one, size, blocked=blocked)]
        if not fitting:
            return self._an_unused(node, size, blocked=blocked)
        return min(fitting, key=lambda gpu_id: (self.room(gpu_id), self.cards.order[gpu_id]))

    def most_room(self, node: NodeName) -> GpuId | None:
        """Return the card with most room that others do not block, begun ones first, or none."""
        open_to_it: Iterable[GpuId] = (
            gpu_id for gpu_id in self.begun if not self.is_blocked(gpu_id, node, 1)
        )
        return min(
            open_to_it, key=lambda one: (-self.room(one), self.cards.order[one]), default=None
        )

    def _an_unused(self, node: NodeName, size: int, *, blocked: bool) -> GpuId | None:
        fitting = (one for one in self.unused if self.fits(node, one, size, blocked=blocked))
        return next(fitting, None)

    def _wish(
        self, node: NodeName, gpu_id: GpuId, before: GpuId | None
    ) -> tuple[bool, int, int, int, int]:
        """Return what makes a card the better one for a rest, the least being the best."""
        in_common = self.demand.tree.in_common
        near = max((in_common(node, other) for other in self.parts.get(gpu_id, ())), default=0)
        return (
            gpu_id != before,
            -self.cards.home(node, gpu_id),
            -near,
            self.room(gpu_id),
            self.cards.order[gpu_id],
        )
