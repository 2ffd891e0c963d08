"""The layout of one type's guarantees, made anew when cards or guarantees are others.

In between it only follows slices that became entitled elsewhere.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from heapq import nsmallest
from typing import Final, Protocol

from sublet_quota.holdings.gpu_load import GpuFacts, GpuLoad, Holding
from sublet_quota.holdings.layout.following import EntitledSlice, IsVacant, follow
from sublet_quota.holdings.layout.laying_out import lay_out
from sublet_quota.holdings.layout.layout import Layout
from sublet_quota.holdings.layout.packing import Cards, Homes, LotOf
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.shares.entitlement import Piece
from sublet_quota.shares.group_tree import GroupTree, NodeName

_FINENESS: Final = 10**6
"""How finely slices are measured to find where most of a group's lie: in millionths of a card."""
_MOST_AGAIN: Final = 4
"""For so many slices without a part one is looked for again after a change."""


class Slices(Protocol):
    """What a layout asks of the holdings."""

    def slice(self, slice_id: SliceId) -> Holding | None:
        """Return one slice."""

    def slices_on(self, gpu_id: GpuId) -> tuple[Holding, ...]:
        """Return the slices on a card."""

    def piece(self, slice_id: SliceId) -> Piece | None:
        """Return a notebook's slice with what it is entitled to."""

    def load(self, gpu_id: GpuId) -> GpuLoad:
        """Return what is promised on a card."""


class TypeLayout:
    """The layout of one type, and the cards that it may use."""

    def __init__(self, slices: Slices, lot: LotOf) -> None:
        self._slices = slices
        self._lot = lot
        self._cards: dict[GpuId, GpuFacts] = {}
        self._layout: Layout | None = None
        self._tree: GroupTree | None = None
        self._paths: Mapping[NodeName, tuple[NodeName, ...]] = {}
        self._is_stale = True
        self._without: frozenset[SliceId] = frozenset()
        """Entitled slices that have no part where they lie."""
        self._fixed_anew: set[GpuId] = set()

    def put_card(self, facts: GpuFacts) -> None:
        """Let guarantees lie on a card."""
        self._cards[facts.gpu_id] = facts
        self._is_stale = True

    def take_out(self, gpu_id: GpuId) -> None:
        """Let no guarantee lie on a card (any more)."""
        self._is_stale |= self._cards.pop(gpu_id, None) is not None

    def fixed_anew(self, gpu_id: GpuId) -> None:
        """Note that other slices of a card cannot make way than before."""
        if gpu_id in self._cards:
            self._fixed_anew.add(gpu_id)

    def begin_with(self, before: Layout) -> None:
        """Begin with what is laid out, so that little moves."""
        self._layout = before
        self._is_stale = True

    @contextmanager
    def without_trace(self) -> Iterator[None]:
        """Let what is laid out for a time, under other guarantees, be forgotten afterwards."""
        before = self._layout, self._tree, self._paths, self._without
        try:
            yield
        finally:
            self._layout, self._tree, self._paths, self._without = before

    @property
    def laid_out(self) -> Layout | None:
        """What was laid out last."""
        return self._layout

    def layout(
        self, tree: GroupTree, pieces: Callable[[], Iterable[Piece]], changed: frozenset[SliceId]
    ) -> Layout:
        """Return the layout of the guarantees in force.

        ``pieces`` are the type's; of those that ``changed`` something may be other than before, or
        they are gone.
        """
        laid = self._layout
        if laid is None or self._is_stale or tree is not self._tree or self._is_in_the_way(laid):
            every = [piece for piece in pieces() if piece.entitled]
            self._paths = tree.paths
            laid = self._layout = lay_out(tree, laid, self._view(every))
            laid.packing.touched.clear()
            self._tree, self._is_stale = tree, False
            homes = laid.packing.cards.homes
            self._without = follow(laid.packing, self._entitled(every), _without_homes(homes))
        elif changed:
            again = nsmallest(_MOST_AGAIN, self._without - changed)
            found = (self._slices.piece(slice_id) for slice_id in (*sorted(changed), *again))
            became = (piece for piece in found if piece is not None)
            left = follow(laid.packing, self._entitled(became), self._is_vacant)
            self._without = (self._without - changed - frozenset(again)) | left
        self._fixed_anew.clear()
        return laid

    def _is_in_the_way(self, laid: Layout) -> bool:
        """Whether what cannot make way any more lies in a part of others."""
        packing = laid.packing
        return any(
            packing.is_blocked(gpu_id, node, size)
            for gpu_id in self._fixed_anew
            for node, size in packing.parts.get(gpu_id, {}).items()
        )

    def _view(self, pieces: Iterable[Piece]) -> Cards:
        by_node = sorted(self._cards.values(), key=lambda one: (one.node, one.index, one.gpu_id))
        order = {facts.gpu_id: place for place, facts in enumerate(by_node)}
        homes: dict[NodeName, dict[GpuId, int]] = {}
        for piece in pieces:
            holding = self._slices.slice(SliceId(piece.piece_id))
            if holding is None or holding.gpu_id not in order:
                continue
            for name in self._nodes(piece):
                here = homes.setdefault(name, {})
                amount = piece.cards.numerator * _FINENESS // piece.cards.denominator
                here[holding.gpu_id] = here.get(holding.gpu_id, 0) + amount
        return Cards(order, self._is_blocked, homes, self._lot)

    def _nodes(self, piece: Piece) -> tuple[NodeName, ...]:
        """Return the groups within whose guarantees a slice is."""
        return self._paths[piece.node][: piece.entitled]

    def _entitled(self, pieces: Iterable[Piece]) -> Iterator[EntitledSlice]:
        for piece in pieces:
            holding = self._slices.slice(SliceId(piece.piece_id))
            if piece.entitled and holding is not None:
                yield EntitledSlice(
                    holding.slice_id, self._nodes(piece), holding.gpu_id, piece.cards
                )

    def _is_vacant(self, node: NodeName, gpu_id: GpuId) -> bool:
        here = (self._slices.piece(one.slice_id) for one in self._slices.slices_on(gpu_id))
        return not any(piece is not None and node in self._nodes(piece) for piece in here)

    def _is_blocked(self, gpu_id: GpuId, node: NodeName, size: int, units: int) -> bool:
        """Whether what others hold for good leaves too little for a part of so many units."""
        if not self._slices.load(gpu_id).unsuspendable_mib or gpu_id not in self._cards:
            return False
        usable = self._cards[gpu_id].kind.usable_mib
        fixed = sum(
            one.amount.memory_mib
            for one in self._slices.slices_on(gpu_id)
            if one.unsuspendable
            and (piece := self._slices.piece(one.slice_id)) is not None
            and node not in self._paths[piece.node]
        )
        return fixed * units > (units - size) * usable


def _without_homes(homes: Homes) -> IsVacant:
    return lambda node, gpu_id: gpu_id not in homes.get(node, ())
