"""The guarantees of each type: where they lie, who makes way for them, what is wrong with them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction

from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.holdings.card_policy import CardPolicy
from sublet_quota.holdings.card_rooms import CardRooms
from sublet_quota.holdings.gpu_load import cards_on
from sublet_quota.holdings.layout.entitled_room import Held, entitled_room
from sublet_quota.holdings.layout.layout import Layout
from sublet_quota.holdings.layout.type_layout import Slices, TypeLayout
from sublet_quota.holdings.making_way import MakingWay, OnCard, making_way
from sublet_quota.holdings.standing.standings import Standings
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.guarantee_warnings import GuaranteeFault, GuaranteeWarning
from sublet_quota.shares.group_tree import ROOT, NodeName
from sublet_quota.shares.reclaim import Request


class Guarantees:
    """What the layouts of all types say of cards and slices."""

    def __init__(self, slices: Slices, rooms: CardRooms, standings: Standings) -> None:
        self._slices = slices
        self._rooms = rooms
        self._standings = standings
        self._layouts: dict[str, TypeLayout] = {}

    def count(self, card: CardPolicy) -> None:
        """Let a card count that was entered."""
        self._change(card, 1)
        if card.holds_guarantees:
            self._of_type(card.gpu_type).put_card(card.facts)

    def uncount(self, card: CardPolicy) -> None:
        """Let a card count no longer."""
        self._change(card, -1)
        self._of_type(card.gpu_type).take_out(card.facts.gpu_id)

    def fixed_anew(self, gpu_id: GpuId) -> None:
        """Note that other slices of a card cannot make way than before."""
        card = self._rooms.card(gpu_id)
        if card is not None:
            self._of_type(card.gpu_type).fixed_anew(gpu_id)

    def laid_out(self) -> Mapping[str, Layout]:
        """Return what was laid out last, by type."""
        every = ((gpu_type, each.laid_out) for gpu_type, each in self._layouts.items())
        return {gpu_type: layout for gpu_type, layout in every if layout is not None}

    def begin_with(self, laid_out: Mapping[str, Layout]) -> None:
        """Begin with what another document had laid out, so that little moves."""
        for gpu_type, layout in laid_out.items():
            self._of_type(gpu_type).begin_with(layout)

    @contextmanager
    def without_trace(self, gpu_type: str | None) -> Iterator[None]:
        """Let what is laid out of a type for a time be forgotten afterwards."""
        if gpu_type is None:
            yield
            return
        self.layout(gpu_type)
        with self._of_type(gpu_type).without_trace():
            yield

    def layout(self, gpu_type: str) -> Layout:
        """Return where the guarantees of a type lie."""
        standing = self._standings.of_type(gpu_type)
        changed = frozenset(SliceId(piece_id) for piece_id in standing.layout_changes())
        return self._of_type(gpu_type).layout(standing.tree, standing.pieces, changed)

    def room_for_entitled(self, gpu_id: GpuId, leaf: NodeName) -> GpuAmount:
        """Return what one more entitled slice of a leaf may have on a card."""
        card = self._rooms.card(gpu_id)
        pool = None if card is None else self._rooms.pool(card)
        if card is None or pool is None:
            return NOTHING
        layout = self.layout(card.gpu_type)
        return entitled_room(card.facts, pool, layout, leaf, tuple(self._held_on(gpu_id)))

    def making_way(self, gpu_id: GpuId, leaf: NodeName, amount: GpuAmount) -> MakingWay:
        """Return which borrowed slices no longer fit when an entitled one comes to a card."""
        card, room = self._rooms.card(gpu_id), self._rooms.room(gpu_id)
        if card is None or room is None:
            return MakingWay((), ())
        cards = cards_on(amount, card.facts.kind)
        position = self._standings.of_type(card.gpu_type).position({leaf: cards})
        here = (OnCard(holding, piece) for holding, piece in self._held_on(gpu_id))
        return making_way(room, amount, here, position, Request(leaf, cards))

    def warnings(self) -> Iterator[GuaranteeWarning]:
        """Yield what is wrong with guarantees, by type and group."""
        for gpu_type in self._standings.types():
            yield from self._cut(gpu_type)
            yield from self._not_laid_out(gpu_type)
        for gpu_type, said in sorted(self._standings.document.gpu_types.items()):
            there = self._standings.of_type(gpu_type).cards
            if said.expect is not None and there < said.expect:
                yield GuaranteeWarning(
                    GuaranteeFault.FEWER_THAN_EXPECTED, gpu_type, Fraction(said.expect), there
                )

    def _cut(self, gpu_type: str) -> Iterator[GuaranteeWarning]:
        standing = self._standings.of_type(gpu_type)
        in_force = standing.tree
        if standing.cut is not None:
            cut = standing.cut
            yield GuaranteeWarning(
                GuaranteeFault.CARDS_SHORT, gpu_type, cut.guaranteed, cut.cards
            )  # fmt: skip
        for name, node in standing.told.nodes.items():
            now = in_force.nodes[name].guaranteed
            if name != ROOT and now < node.guaranteed:
                yield GuaranteeWarning(
                    GuaranteeFault.LESSENED, gpu_type, node.guaranteed, now, name
                )  # fmt: skip

    def _not_laid_out(self, gpu_type: str) -> Iterator[GuaranteeWarning]:
        there = self._standings.of_type(gpu_type).cards_for_guarantees
        for node, cards in self.layout(gpu_type).problems:
            yield GuaranteeWarning(GuaranteeFault.NOT_LAID_OUT, gpu_type, cards, there, node)
        for rest in self.layout(gpu_type).in_pieces():
            yield GuaranteeWarning(
                GuaranteeFault.IN_PIECES, gpu_type, rest.cards, rest.largest, rest.node
            )

    def _held_on(self, gpu_id: GpuId) -> Iterator[Held]:
        for holding in self._slices.slices_on(gpu_id):
            piece = self._slices.piece(holding.slice_id)
            if piece is not None:
                yield holding, piece

    def _change(self, card: CardPolicy, count: int) -> None:
        if card.is_open:
            keeping = count if card.holds_guarantees else 0
            self._standings.of_type(card.gpu_type).change_cards(count, keeping)

    def _of_type(self, gpu_type: str) -> TypeLayout:
        if gpu_type not in self._layouts:
            self._layouts[gpu_type] = TypeLayout(self._slices)
        return self._layouts[gpu_type]
