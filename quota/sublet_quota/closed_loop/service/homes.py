"""Which slices have another card of their node as home, asked anew only where that may differ.

What ``home_of`` says of a slice hangs on nothing but its node: on the cards there, on what lies on
them and by which right, on the parts of guarantees that are laid out there, and on what is kept for
reservations. Of a slice that has no other home nothing is asked again while all that is the same;
and whether it is the same is looked at only on nodes of which the holdings told a change.
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
        self._changed: set[GpuId] = set()
        self._laid_out: dict[str, tuple[object, ...]] = {}
        """The layout of each type, as it was looked at last."""
        self._nodes: dict[NodeId, tuple[object, ...]] = {}
        """Each node as it was looked at last."""
        self._node_of: dict[GpuId, NodeId] = {}
        self._to_ask: set[SliceId] = set()
        """Owners' slices that are asked of: the others have no other home as their nodes are."""

    def bring_home(
        self,
        holdings: Holdings,
        may_go: Callable[[Holding], bool],
        go: Callable[[SliceId, GpuId], None],
    ) -> None:
        """Let each entitled slice ``go`` that has another home and ``may_go`` there."""
        if holdings is not self._holdings or holdings.kept_cards:
            self._begin_anew(holdings)
        self._look_again(holdings)
        if not self._to_ask:
            return
        for holding in tuple(holdings.slices()):
            slice_id = holding.slice_id
            if slice_id not in self._to_ask or not may_go(holding):
                continue
            home = home_of(holdings, slice_id)
            if home is None:
                self._to_ask.discard(slice_id)
            else:
                go(slice_id, home)
                self._look_again(holdings)
        self._to_ask = {one for one in self._to_ask if holdings.slice(one) is not None}

    def _begin_anew(self, holdings: Holdings) -> None:
        if holdings is not self._holdings:
            self._holdings, self._changed = holdings, holdings.watch_cards()
        self._changed.update(facts.gpu_id for facts in holdings.gpus())
        self._laid_out.clear()
        self._nodes.clear()
        self._node_of.clear()
        self._to_ask.clear()

    def _look_again(self, holdings: Holdings) -> None:
        """Ask again of the slices on each node that is not as it was looked at last."""
        for gpu_type in holdings.types():
            # Layouts follow what changed when they are looked at: whoever is skipped looks, too.
            layout = holdings.layout(gpu_type)
            laid_out = layout, layout.tree, layout.packing.demand.units
            if self._laid_out.get(gpu_type) != laid_out:
                self._laid_out[gpu_type] = laid_out
                self._changed.update(facts.gpu_id for facts in holdings.gpus())
        nodes: set[NodeId] = set()
        for gpu_id in self._changed:
            card, before = holdings.gpu(gpu_id), self._node_of.pop(gpu_id, None)
            if before is not None:
                nodes.add(before)
            if card is not None:
                self._node_of[gpu_id] = card.node
                nodes.add(card.node)
        self._changed.clear()
        for node in nodes:
            self._look_at(holdings, node)

    def _look_at(self, holdings: Holdings, node: NodeId) -> None:
        seen = _seen(holdings, node)
        if self._nodes.get(node) == seen:
            return
        self._nodes[node] = seen
        for holding in holdings.slices_on_node(node):
            if holding.is_notebook:
                self._to_ask.add(holding.slice_id)


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
