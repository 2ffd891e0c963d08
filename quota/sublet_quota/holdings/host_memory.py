"""The host memory of nodes: what suspended slices may take there, and what of it is spoken for.

What is borrowed has to be able to make way alive, so that its whole cap must find host memory
beside what the node's guarantees may need; so has a job on lent room, but one that would be ended.
That is reckoned where a node has cards of a guaranteed type, and its agent tells how much host
memory there is; elsewhere nothing follows from it. Who is entitled is never refused for it.

The sums are kept, and the nodes are in the order of what is free: after a change the cards are
looked at on which something is other than before, and when somebody asks, not sooner.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sublet_quota.holdings.card_policy import CardPolicy
from sublet_quota.holdings.card_rooms import CardRooms
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.guarantees import Guarantees
from sublet_quota.holdings.layout.layout import Layout
from sublet_quota.holdings.placed_slices import PlacedSlices
from sublet_quota.holdings.standing.standings import Standings
from sublet_quota.names.ids import GpuId, NodeId


@dataclass(frozen=True, slots=True)
class HostRoom:
    """The host memory of one node that suspended slices may take."""

    told_mib: int
    """What its agent tells: with what images take there now."""
    of_guarantees_mib: int
    """What may be needed for what is laid out there, or is entitled there beyond that."""
    borrowed_mib: int
    """The caps of what is borrowed there."""
    lent_mib: int = 0
    """The caps of jobs on lent room that may have to be suspended there."""

    @property
    def free_mib(self) -> int:
        """What is left for one more borrowed slice, or one more job on lent room."""
        taken_mib = self.of_guarantees_mib + self.borrowed_mib + self.lent_mib
        return max(0, self.told_mib - taken_mib)


@dataclass(frozen=True, slots=True)
class _OnCard:
    """What one card may need of its node's host memory."""

    node: NodeId
    gpu_type: str
    laid_out_mib: int
    entitled_mib: int
    borrowed_mib: int
    lent_mib: int


class HostMemory:
    """The host memory of all nodes."""

    def __init__(
        self,
        rooms: CardRooms,
        placed: PlacedSlices,
        standings: Standings,
        guarantees: Guarantees,
    ) -> None:
        self._rooms = rooms
        self._changed_cards = rooms.watch()
        self._placed = placed
        self._standings = standings
        self._guarantees = guarantees
        self._told: dict[NodeId, int] = {}
        self._layouts: dict[str, Layout] = {}
        """The layouts of all types that are guaranteed, as they were looked at last."""
        self._on_nodes: dict[NodeId, dict[GpuId, _OnCard]] = {}
        self._of_card: dict[GpuId, _OnCard] = {}
        """Every card that was looked at: none while no node tells anything."""
        self._of_node: dict[NodeId, HostRoom] = {}
        self._by_room: list[tuple[int, NodeId]] = []
        """The nodes of which something follows, those with the least left first."""
        self._changed: set[NodeId] = set()

    @property
    def told(self) -> Mapping[NodeId, int]:
        """What each node has, in MiB, as far as that is told."""
        return self._told

    def put(self, node: NodeId, told_mib: int | None) -> None:
        """Note how much a node has, in MiB; ``None``: it does not tell."""
        if self._told.get(node) == told_mib:
            return
        self._changed.add(node)
        if told_mib is None:
            del self._told[node]
        else:
            self._told[node] = told_mib

    def take_over(self, told: Mapping[NodeId, int]) -> None:
        """Know of all nodes what is told of them, and of no others."""
        for node in self._told.keys() | told.keys():
            self.put(node, told.get(node))

    def rooms(self) -> Mapping[NodeId, HostRoom]:
        """Return what there is on each node: not on one that tells nothing, or has no guarantee."""
        self._look_again()
        return self._of_node

    def room(self, node: NodeId) -> HostRoom | None:
        """Return what there is on a node; ``None``: nothing follows from it."""
        return self.rooms().get(node)

    def nodes_short_of(self, memory_mib: int) -> AbstractSet[NodeId]:
        """Return the nodes on which less is left than that."""
        self._look_again()
        return {node for _, node in self._by_room[: bisect_left(self._by_room, (memory_mib,))]}

    def freed_by(self, holding: Holding) -> int:
        """Return what would be free again without a slice, in MiB: nothing of what is entitled."""
        card = self._rooms.card(holding.gpu_id)
        counts = holding.is_notebook or (card is not None and _is_suspended(holding, card))
        return holding.amount.memory_mib if counts and not self._is_entitled(holding) else 0

    def _look_again(self) -> None:
        """Reckon anew what is other than before."""
        if not self._told:
            self._forget_all()
            return
        before, self._layouts = self._layouts, self._layouts_in_force()
        # What became entitled, or moved, as guarantees were laid out is among these by now.
        cards = self._changed_cards
        cards.update(self._laid_out_otherwise(before) if self._of_card else self._rooms.cards())
        for gpu_id in cards:
            self._look_at(gpu_id)
        cards.clear()
        changed, self._changed = self._changed, set()
        for node in changed:
            self._add_up(node)

    def _forget_all(self) -> None:
        self._changed_cards.clear()
        if self._changed or self._of_card:
            self._layouts, self._on_nodes, self._of_card = {}, {}, {}
            self._of_node, self._by_room, self._changed = {}, [], set()

    def _layouts_in_force(self) -> dict[str, Layout]:
        types = self._standings.types()
        guaranteed = (one for one in types if self._standings.of_type(one).tree.root.guaranteed)
        return {gpu_type: self._guarantees.layout(gpu_type) for gpu_type in guaranteed}

    def _laid_out_otherwise(self, before: Mapping[str, Layout]) -> Iterable[GpuId]:
        """Return the cards that may count otherwise as others are laid out than before."""
        now = self._layouts
        began = before.keys() ^ now.keys()
        anew = {each for each in before.keys() & now if before[each] is not now[each]}
        if not (began or anew):
            return ()
        return [
            gpu_id
            for gpu_id, card in self._rooms.cards().items()
            if card.gpu_type in began
            or (card.gpu_type in anew and self._is_other(card, now[card.gpu_type]))
        ]

    def _is_other(self, card: CardPolicy, layout: Layout) -> bool:
        known = self._of_card.get(card.facts.gpu_id)
        return known is None or known.laid_out_mib != _laid_out_mib(card, layout)

    def _look_at(self, gpu_id: GpuId) -> None:
        """Reckon one card anew."""
        before = self._of_card.pop(gpu_id, None)
        if before is not None:
            del self._on_nodes[before.node][gpu_id]
            self._changed.add(before.node)
        card = self._rooms.card(gpu_id)
        if card is not None:
            after = self._of_card[gpu_id] = self._reckoned(card)
            self._on_nodes.setdefault(after.node, {})[gpu_id] = after
            self._changed.add(after.node)

    def _reckoned(self, card: CardPolicy) -> _OnCard:
        entitled_mib = borrowed_mib = lent_mib = 0
        for holding in self._placed.on(card.facts.gpu_id):
            if self._is_entitled(holding):
                entitled_mib += holding.amount.memory_mib
            elif holding.is_notebook:
                borrowed_mib += holding.amount.memory_mib
            elif _is_suspended(holding, card):
                lent_mib += holding.amount.memory_mib
        layout = self._layouts.get(card.gpu_type)
        laid_out_mib = 0 if layout is None else _laid_out_mib(card, layout)
        node, gpu_type = card.facts.node, card.gpu_type
        return _OnCard(node, gpu_type, laid_out_mib, entitled_mib, borrowed_mib, lent_mib)

    def _add_up(self, node: NodeId) -> None:
        """Add up a node's cards."""
        before = self._of_node.pop(node, None)
        if before is not None:
            del self._by_room[bisect_left(self._by_room, (before.free_mib, node))]
        cards = self._on_nodes.get(node, {}).values()
        if not cards:
            self._on_nodes.pop(node, None)
        told_mib = self._told.get(node)
        if told_mib is None or not any(card.gpu_type in self._layouts for card in cards):
            return
        room = self._of_node[node] = HostRoom(
            told_mib,
            sum(max(card.entitled_mib, card.laid_out_mib) for card in cards),
            sum(card.borrowed_mib for card in cards),
            sum(card.lent_mib for card in cards),
        )
        insort(self._by_room, (room.free_mib, node))

    def _is_entitled(self, holding: Holding) -> bool:
        if not holding.is_notebook:
            return holding.entitled_job
        return self._standings.is_entitled(holding.slice_id)


def _laid_out_mib(card: CardPolicy, layout: Layout) -> int:
    return layout.laid_out_mib(card.facts.gpu_id, card.facts.kind.usable_mib)


def _is_suspended(job: Holding, card: CardPolicy) -> bool:
    """Whether a job's slice is suspended for others, and neither stays on its card nor is ended."""
    return not (job.unsuspendable or card.facts.pause_only)
