"""Which slices have another card of their node as home, asked anew only where that may differ.

What ``home_of`` says of a slice hangs on nothing but its node: on the cards there, on what lies on
them and by which right, on the parts of guarantees that are laid out there, and on what is kept for
reservations. Of a slice that has no other home nothing is asked again while all that is the same.
"""

from collections.abc import Callable

from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.placement.other_card import home_of


class Homes:
    """The homes of entitled slices, as they are looked for again and again."""

    def __init__(self) -> None:
        self._holdings: Holdings | None = None
        self._nodes: dict[NodeId, tuple[object, object]] = {}
        """Each node as it was looked at last, with a mark: the same as long as it is the same."""
        self._without: dict[SliceId, object] = {}
        """The slices without another home, with the mark of their node then."""
        self._marks: dict[NodeId, object] = {}
        self._is_laid_out: set[str] = set()
        self._on_card: dict[GpuId, object] = {}

    def bring_home(
        self, holdings: Holdings, slices: tuple[Holding, ...], go: Callable[[SliceId, GpuId], None]
    ) -> None:
        """Let each of these entitled slices ``go`` that has another home."""
        if holdings is not self._holdings or holdings.kept_cards:
            self._nodes.clear()
            self._without.clear()
        self._holdings = holdings
        self._begin_anew()
        for holding in slices:
            slice_id, mark = holding.slice_id, self._on_card.get(holding.gpu_id)
            if mark is None:
                mark = self._on_card[holding.gpu_id] = self._mark_of(holding)
            if mark is not None and self._without.get(slice_id) is mark:
                continue
            home = home_of(holdings, slice_id)
            if home is not None:
                self._without.pop(slice_id, None)
                go(slice_id, home)
                self._begin_anew()
            elif mark is not None:
                self._without[slice_id] = mark

    def _begin_anew(self) -> None:
        """Look at all nodes again: something there may be otherwise."""
        self._marks.clear()
        self._is_laid_out.clear()
        self._on_card.clear()

    def _mark_of(self, holding: Holding) -> object:
        """Return a mark of a slice's node as it is; ``None``: of a card that is not there."""
        holdings = self._holdings
        card = None if holdings is None else holdings.gpu(holding.gpu_id)
        if holdings is None or card is None:
            return None
        gpu_type = holdings.type_of(holding.gpu_id) or ""
        if gpu_type not in self._is_laid_out:
            # Layouts follow what changed when they are looked at: whoever is skipped looks, too.
            holdings.layout(gpu_type)
            self._is_laid_out.add(gpu_type)
        node = card.node
        if node not in self._marks:
            seen = _seen(holdings, node)
            before = self._nodes.get(node)
            if before is None or before[0] != seen:
                self._nodes[node] = before = (seen, object())
            self._marks[node] = before[1]
        return self._marks[node]


def _seen(holdings: Holdings, node: NodeId) -> tuple[object, ...]:
    """Return all of a node that decides where a slice's home is."""
    found: list[object] = []
    for card in holdings.gpus_on(node):
        layout = holdings.layout(holdings.type_of(card.gpu_id) or "")
        parts = tuple(layout.packing.parts.get(card.gpu_id, {}).items())
        here = holdings.slices_on(card.gpu_id)
        pieces = tuple(holdings.piece(each.slice_id) for each in here)
        found += (card, layout.tree, layout.packing.demand.units, parts, here, pieces)
    return tuple(found)
