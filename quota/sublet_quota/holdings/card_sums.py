"""The cards as they are told, and the room on them and their nodes: what is read of all cards."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from fractions import Fraction

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.amounts.node_amounts import NodeAmount, NodeRoom
from sublet_quota.holdings.card_policy import CardPolicy
from sublet_quota.holdings.card_rooms import CardRooms
from sublet_quota.holdings.gpu_load import GpuFacts, GpuLoad, GpuRoom
from sublet_quota.holdings.node_rooms import NodeRooms
from sublet_quota.holdings.room_index import RoomIndex
from sublet_quota.names.ids import GpuId, NodeId, PoolName


class CardSums:
    """Cards by pool and kind, with what is promised there; they go on changing."""

    _rooms: CardRooms

    def gpu(self, gpu_id: GpuId) -> GpuFacts | None:
        """Return one GPU, or ``None``; one of unclear type or pool is closed for that reason."""
        card = self._rooms.card(gpu_id)
        return None if card is None else card.facts

    def gpus(self) -> Iterator[GpuFacts]:
        """Yield all GPUs."""
        return (card.facts for card in self._rooms.cards().values())

    def policies(self) -> Iterable[CardPolicy]:
        """Return all GPUs, each with its type and its pool."""
        return self._rooms.cards().values()

    @property
    def number_of_cards(self) -> int:
        """How many GPUs there are."""
        return len(self._rooms.cards())

    def nodes(self) -> Collection[NodeId]:
        """Return the nodes that have GPUs."""
        return self._rooms.nodes()

    def gpus_on(self, node: NodeId) -> Iterator[GpuFacts]:
        """Yield the GPUs of a node: a few, however many there are."""
        return self._rooms.on_node(node)

    @property
    def nodes_told(self) -> NodeRooms:
        """What nodes have beside their GPUs, as far as that is told."""
        return self._rooms.nodes_told

    def node_room(self, node: NodeId) -> NodeRoom:
        """Return what is left of a node beside its GPUs, as far as it is known."""
        return self._rooms.node_room(node)

    def nodes_short_of(self, amount: NodeAmount) -> AbstractSet[NodeId]:
        """Return the nodes on which too little is left for an amount, beside their GPUs."""
        return self._rooms.nodes_short_of(amount)

    def gpus_as_told(self) -> Iterator[GpuFacts]:
        """Yield all GPUs as they were entered, whatever the document says of them."""
        return (card.told for card in self._rooms.cards().values())

    def watch_cards(self) -> set[GpuId]:
        """Return a set into which every card goes from now on where something is other than before.

        What is laid out or entitled there is noted as ``layout`` is looked at; not where all of a
        type is laid out anew: then that is another. Who asked for the set empties it.
        """
        return self._rooms.watch()

    def pool_of(self, gpu_id: GpuId) -> PoolName | None:
        """Return the pool that a GPU belongs to; ``None`` when no pool has it."""
        card = self._rooms.card(gpu_id)
        return None if card is None else card.pool

    def kept_out(self, gpu_id: GpuId) -> str | None:
        """Return why the document lets nothing onto a GPU, a clause; ``None``: one pool has it."""
        card = self._rooms.card(gpu_id)
        return None if card is None else card.kept_out

    def load(self, gpu_id: GpuId) -> GpuLoad:
        """Return what a GPU holds in promises."""
        return self._rooms.load(gpu_id)

    def room(self, gpu_id: GpuId) -> GpuRoom | None:
        """Return what may still be promised on a GPU; ``None``: unknown, or in no pool."""
        return self._rooms.room(gpu_id)

    def cards_in(self, pool: PoolName) -> Fraction:
        """Return the open cards of a pool: ``lends`` says a part of them."""
        return Fraction(self._rooms.open_in(pool))

    def kinds_in(self, pool: PoolName) -> Mapping[GpuKind, RoomIndex]:
        """Return the kinds of GPU in a pool, and where there is room on them."""
        return self._rooms.kinds_in(pool)
