"""The guarantees of each type: where they lie, who makes way for them, what is wrong with them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from fractions import Fraction

from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.holdings.card_policy import CardPolicy
from sublet_quota.holdings.card_rooms import CardRooms
from sublet_quota.holdings.gpu_load import cards_on
from sublet_quota.holdings.layout.entitled_room import Held, entitled_room
from sublet_quota.holdings.layout.layout import Layout
from sublet_quota.holdings.layout.together import OnCard as OnSharedCard
from sublet_quota.holdings.layout.together import without_place
from sublet_quota.holdings.layout.type_layout import Slices, TypeLayout
from sublet_quota.holdings.making_way import MakingWay, OnCard, making_way
from sublet_quota.holdings.standing.standings import Standings
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.guarantee_warnings import GuaranteeFault, GuaranteeWarning, left_out_card
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import ROOT, NodeName, group_of
from sublet_quota.shares.reclaim import Request


class Guarantees:
    """What the layouts of all types say of cards and slices."""

    def __init__(self, slices: Slices, rooms: CardRooms, standings: Standings) -> None:
        self._slices = slices
        self._rooms = rooms
        self._standings = standings
        self._layouts: dict[str, TypeLayout] = {}
        self._changed_cards = rooms.watch()
        self._known_rooms: dict[GpuId, dict[NodeName, GpuAmount]] = {}
        """The room of entitled slices by card and leaf, of cards that are as they were then."""
        self._known_of: dict[str, Layout] = {}
        """The layout of each type by which that room was found."""
        self._shared: set[GpuId] = set()
        """Cards on which entitled slices of several groups took turns when that was asked last."""

    def count(self, card: CardPolicy) -> None:
        """Let a card count that was entered."""
        self._change(card, 1)
        if card.holds_guarantees:
            self._of_type(card.gpu_type).put_card(card.facts)

    def uncount(self, card: CardPolicy) -> None:
        """Let a card count no longer."""
        self._change(card, -1)
        self._of_type(card.gpu_type).take_out(card.facts.gpu_id)

    def forget(self, gpu_types: Iterable[str]) -> None:
        """Forget types of which there is nothing."""
        for gpu_type in gpu_types:
            self._layouts.pop(gpu_type, None)
            self._known_of.pop(gpu_type, None)

    def fixed_anew(self, gpu_id: GpuId) -> None:
        """Note that other slices of a card cannot make way than before."""
        card = self._rooms.card(gpu_id)
        if card is not None:
            self._of_type(card.gpu_type).fixed_anew(gpu_id)

    def laid_out(self) -> Mapping[str, Layout]:
        """Return what was laid out last, by type, as it is now: nothing moves in it any more."""
        every = ((gpu_type, each.laid_out) for gpu_type, each in self._layouts.items())
        return {gpu_type: layout.copy() for gpu_type, layout in every if layout is not None}

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
        layout = self._of_type(gpu_type).layout(standing.tree, standing.pieces, changed)
        if changed or layout.packing.touched:
            slices = (self._slices.slice(slice_id) for slice_id in changed)
            self._rooms.note({one.gpu_id for one in slices if one is not None})
            self._rooms.note(layout.packing.touched)
            layout.packing.touched.clear()
        return layout

    def room_for_entitled(self, gpu_id: GpuId, leaf: NodeName) -> GpuAmount:
        """Return what one more entitled slice of a leaf may have on a card."""
        card = self._rooms.card(gpu_id)
        pool = None if card is None else self._rooms.pool(card)
        if card is None or pool is None:
            return NOTHING
        layout = self.layout(card.gpu_type)
        if self._known_of.get(card.gpu_type) is not layout:
            self._known_rooms.clear()
            self._known_of[card.gpu_type] = layout
        for changed in self._changed_cards:
            self._known_rooms.pop(changed, None)
        self._changed_cards.clear()
        known = self._known_rooms.setdefault(gpu_id, {})
        if leaf not in known:
            here = tuple(self._held_on(gpu_id))
            known[leaf] = entitled_room(card.facts, pool, layout, leaf, here)
        return known[leaf]

    def rank(self, slice_id: SliceId) -> Rank:
        """Return by which right a slice is there: of who takes turns on others' card, in part."""
        rank, holding = self._standings.rank(slice_id), self._slices.slice(slice_id)
        if rank is not Rank.ENTITLED or holding is None:
            return rank
        if slice_id not in self._without_place(holding.gpu_id):
            return rank
        return Rank.CALLED_BACK if holding.called_back else Rank.ENTITLED_IN_PART

    def has_place(self, gpu_id: GpuId, leaf: NodeName, amount: GpuAmount) -> bool:
        """Whether one more entitled slice of a leaf takes turns behind no others' on a card."""
        new = OnSharedCard(datetime.max.replace(tzinfo=UTC), 0, SliceId(""), leaf, amount)
        return new.slice_id not in self._without_place(gpu_id, new)

    def ranks_changed(self) -> frozenset[SliceId]:
        """Return whose rank is another than when this was asked last."""
        asked = self._standings.asked_again()
        lie = (self._slices.slice(slice_id) for slice_id in asked)
        cards = self._shared | {one.gpu_id for one in lie if one is not None}
        self._shared = {gpu_id for gpu_id in cards if self._without_place(gpu_id)}
        beside = {one.slice_id for gpu_id in cards for one in self._slices.slices_on(gpu_id)}
        return self._standings.told_anew(asked | beside, self.rank)

    def _without_place(self, gpu_id: GpuId, *new: OnSharedCard) -> frozenset[SliceId]:
        """Return the entitled slices of a card that take turns behind other groups'."""
        card = self._rooms.card(gpu_id)
        if card is None or not card.holds_guarantees:
            return frozenset()
        here = [
            OnSharedCard(*held.age, held.slice_id, piece.node, held.amount)
            for held, piece in self._entitled_on(gpu_id)
        ]
        leaves = {one.leaf for one in (*here, *new)}
        if len(leaves) < 2:  # noqa: PLR2004 - between two groups
            return frozenset()
        layout = self.layout(card.gpu_type)
        parts = {leaf: layout.part_for(gpu_id, leaf) for leaf in leaves}
        return without_place((*here, *new), parts, card.facts.kind.usable_mib)

    def making_way(
        self, gpu_id: GpuId, leaf: NodeName, amount: GpuAmount, beside: GpuAmount
    ) -> MakingWay:
        """Return which borrowed slices no longer fit when an entitled one comes to a card."""
        card, room = self._rooms.card(gpu_id), self._rooms.room(gpu_id)
        if card is None or room is None:
            return MakingWay((), ())
        room = room.with_less(beside)
        if room.takes_beside_all(amount):
            return MakingWay((), ())
        cards = cards_on(amount, card.facts.kind)
        position = self._standings.of_type(card.gpu_type).position({leaf: cards})
        here = (OnCard(holding, piece) for holding, piece in self._held_on(gpu_id))
        request = Request(leaf, cards)
        return making_way(room, amount, here, position, request)

    def warnings(self) -> Iterator[GuaranteeWarning]:
        """Yield what is wrong with guarantees, by type and group."""
        cards: defaultdict[str, list[GpuId]] = defaultdict(list)
        left_out: defaultdict[str, list[str]] = defaultdict(list)
        for gpu_id, card in self._rooms.cards().items():
            if card.holds_guarantees:
                cards[card.gpu_type].append(gpu_id)
            elif card.pool is not None:
                facts = card.facts
                told = left_out_card(facts.node, facts.index, facts.closed)
                left_out[card.gpu_type].append(told)
        for gpu_type in self._standings.types():
            yield from self._cut(gpu_type, tuple(sorted(left_out[gpu_type])))
            yield from self._not_laid_out(gpu_type)
            yield from self._outside(gpu_type, cards[gpu_type])
        for gpu_type, said in sorted(self._standings.document.gpu_types.items()):
            there = self._standings.of_type(gpu_type).cards
            if said.expect is not None and there != said.expect:
                fault = GuaranteeFault.FEWER_THAN_EXPECTED
                if there > said.expect:
                    fault = GuaranteeFault.MORE_THAN_EXPECTED
                yield GuaranteeWarning(fault, gpu_type, Fraction(said.expect), there)

    def _cut(self, gpu_type: str, left_out: tuple[str, ...]) -> Iterator[GuaranteeWarning]:
        standing = self._standings.of_type(gpu_type)
        in_force = standing.tree
        if standing.cut is not None:
            cut = standing.cut
            yield GuaranteeWarning(
                GuaranteeFault.CARDS_SHORT,
                gpu_type,
                cut.guaranteed,
                cut.cards,
                left_out=left_out,
            )
        if in_force is standing.told:
            # As it mostly is: there may be thousands of groups, and many types.
            return
        for name, node in standing.told.nodes.items():
            now = in_force.nodes[name].guaranteed
            if name != ROOT and now < node.guaranteed:
                yield GuaranteeWarning(
                    GuaranteeFault.LESSENED, gpu_type, node.guaranteed, now, name
                )  # fmt: skip

    def _not_laid_out(self, gpu_type: str) -> Iterator[GuaranteeWarning]:
        there = self._standings.of_type(gpu_type).cards_for_guarantees
        layout = self.layout(gpu_type)
        for node, cards in layout.problems:
            yield GuaranteeWarning(GuaranteeFault.NOT_LAID_OUT, gpu_type, cards, there, node)
        for rest in layout.in_pieces():
            yield GuaranteeWarning(
                GuaranteeFault.IN_PIECES, gpu_type, rest.cards, rest.largest, rest.node
            )

    def _outside(self, gpu_type: str, cards: Iterable[GpuId]) -> Iterator[GuaranteeWarning]:
        """Yield of each group what is entitled on other groups' cards, and takes turns there."""
        layout, paths = self.layout(gpu_type), self._standings.tree.paths
        lie: defaultdict[NodeName, Fraction] = defaultdict(Fraction)
        wait: defaultdict[NodeName, Fraction] = defaultdict(Fraction)
        for gpu_id in cards:
            here = [piece for _, piece in self._entitled_on(gpu_id)]
            if len({piece.node for piece in here}) < 2:  # noqa: PLR2004 - between two groups
                continue
            behind = self._without_place(gpu_id)
            for piece in here:
                if SliceId(piece.piece_id) in behind or not layout.part_for(gpu_id, piece.node):
                    lie[piece.node] += piece.cards
                    wait[piece.node] += piece.cards if SliceId(piece.piece_id) in behind else 0
        for leaf, lying in sorted(lie.items()):
            yield GuaranteeWarning(
                GuaranteeFault.OUTSIDE, gpu_type, lying, wait[leaf], group_of(paths[leaf][-1])
            )

    def _held_on(self, gpu_id: GpuId) -> Iterator[Held]:
        for holding in self._slices.slices_on(gpu_id):
            piece = self._slices.piece(holding.slice_id)
            if piece is not None:
                yield holding, piece

    def _entitled_on(self, gpu_id: GpuId) -> Iterator[Held]:
        """Yield what is entitled against everybody on a card."""
        paths = self._standings.tree.paths
        for holding, piece in self._held_on(gpu_id):
            if piece.entitled == len(paths[piece.node]):
                yield holding, piece

    def _change(self, card: CardPolicy, count: int) -> None:
        if card.is_open:
            keeping = count if card.holds_guarantees else 0
            self._standings.of_type(card.gpu_type).change_cards(count, keeping)

    def _of_type(self, gpu_type: str) -> TypeLayout:
        if gpu_type not in self._layouts:
            self._layouts[gpu_type] = TypeLayout(self._slices, self._standings.group_lot)
        return self._layouts[gpu_type]
