"""The cards by pool and kind, in the order of their room, and what is promised on each."""

from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.amounts.node_amounts import NodeAmount, NodeRoom
from sublet_quota.document.sections import Pool
from sublet_quota.holdings.card_policy import CardPolicy
from sublet_quota.holdings.gpu_load import GpuFacts, GpuLoad, GpuRoom, room_on
from sublet_quota.holdings.node_rooms import NodeRooms
from sublet_quota.holdings.room_index import RoomIndex
from sublet_quota.names.ids import GpuId, NodeId, PoolName

_NO_KINDS: Final[Mapping[GpuKind, RoomIndex]] = MappingProxyType({})
_NO_LOAD: Final = GpuLoad()


class CardRooms:
    """What may still be promised on each card of each pool."""

    def __init__(self, pools: Mapping[str, Pool]) -> None:
        self._pools = pools
        self._cards: dict[GpuId, CardPolicy] = {}
        self._on_nodes: dict[NodeId, dict[GpuId, CardPolicy]] = {}
        self._loads: dict[GpuId, GpuLoad] = {}
        self._kinds: dict[PoolName, dict[GpuKind, RoomIndex]] = {}
        self._open: dict[PoolName, int] = {}
        self.nodes_told = NodeRooms()
        """What nodes have beside their cards, and which of them changed."""
        self._watching: list[set[GpuId]] = []

    def put(self, card: CardPolicy) -> None:
        """Enter a card that is not there yet."""
        facts = card.facts
        self._cards[facts.gpu_id] = card
        self._on_nodes.setdefault(facts.node, {})[facts.gpu_id] = card
        self.note((facts.gpu_id,))
        self.nodes_told.touch(facts.node)
        self._enter(card)

    def take_out(self, gpu_id: GpuId) -> None:
        """Take a card out, if it is there; what is promised on it stays."""
        card = self._cards.get(gpu_id)
        if card is not None:
            self._leave(card)
            self.note((gpu_id,))
            self.nodes_told.touch(card.facts.node)
            del self._cards[gpu_id]
            here = self._on_nodes[card.facts.node]
            del here[gpu_id]
            if not here:
                del self._on_nodes[card.facts.node]

    def watch(self) -> set[GpuId]:
        """Return a set into which every card goes from now on that is other than before.

        That are those that come or go, where slices change, and where something else is laid out or
        entitled. Who asked for the set empties it.
        """
        changed: set[GpuId] = set()
        self._watching.append(changed)
        return changed

    def note(self, gpu_ids: Collection[GpuId]) -> None:
        """Note that cards are other than before."""
        for changed in self._watching:
            changed.update(gpu_ids)

    def card(self, gpu_id: GpuId) -> CardPolicy | None:
        """Return a card, or ``None``."""
        return self._cards.get(gpu_id)

    def cards(self) -> Mapping[GpuId, CardPolicy]:
        """Return all cards."""
        return self._cards

    def nodes(self) -> Collection[NodeId]:
        """Return the nodes that have cards."""
        return self._on_nodes.keys()

    def on_node(self, node: NodeId) -> Iterator[GpuFacts]:
        """Yield the cards of a node."""
        return (card.facts for card in self._on_nodes.get(node, {}).values())

    def pool(self, card: CardPolicy) -> Pool | None:
        """Return the pool of a card, as the document has it; ``None``: no pool has it."""
        return None if card.pool is None else self._pools[card.pool]

    def load(self, gpu_id: GpuId) -> GpuLoad:
        """Return what is promised on a card."""
        return self._loads.get(gpu_id, _NO_LOAD)

    def set_load(self, gpu_id: GpuId, load: GpuLoad) -> None:
        """Note what is promised on a card, whether it is known or not."""
        card = self._cards.get(gpu_id)
        if card is not None:
            self._leave(card)
            self.note((gpu_id,))
            self.nodes_told.touch(card.facts.node)
        if load == _NO_LOAD:
            self._loads.pop(gpu_id, None)
        else:
            self._loads[gpu_id] = load
        if card is not None:
            self._enter(card)

    def node_room(self, node: NodeId) -> NodeRoom:
        """Return what is left of a node beside its cards, as far as it is known."""
        return self.nodes_told.left(
            node, lambda: (self.load(gpu_id).takes for gpu_id in self._on_nodes.get(node, ()))
        )

    def nodes_short_of(self, amount: NodeAmount) -> AbstractSet[NodeId]:
        """Return the nodes on which too little is left for an amount."""
        return self.nodes_told.short_of(amount, self.node_room)

    def room(self, gpu_id: GpuId) -> GpuRoom | None:
        """Return what may still be promised on a card; ``None``: unknown, or in no pool."""
        card = self._cards.get(gpu_id)
        return None if card is None else self._room_of(card)

    def open_in(self, pool: PoolName) -> int:
        """Return how many open cards a pool has."""
        return self._open.get(pool, 0)

    def kinds_in(self, pool: PoolName) -> Mapping[GpuKind, RoomIndex]:
        """Return the kinds of card in a pool, and where there is room on them."""
        return self._kinds.get(pool, _NO_KINDS)

    def _room_of(self, card: CardPolicy) -> GpuRoom | None:
        pool = self.pool(card)
        return None if pool is None else room_on(card.facts, self.load(card.facts.gpu_id), pool)

    def _enter(self, card: CardPolicy) -> None:
        room = self._room_of(card)
        if card.pool is None or room is None:
            return
        kinds = self._kinds.setdefault(card.pool, {})
        kinds.setdefault(card.facts.kind, RoomIndex()).put(card.facts, room)
        if card.is_open:
            self._open[card.pool] = self.open_in(card.pool) + 1

    def _leave(self, card: CardPolicy) -> None:
        if card.pool is None:
            return
        kinds = self._kinds[card.pool]
        kinds[card.facts.kind].take_out(card.facts)
        if kinds[card.facts.kind].is_empty():
            del kinds[card.facts.kind]
        if card.is_open:
            self._open[card.pool] = self.open_in(card.pool) - 1
