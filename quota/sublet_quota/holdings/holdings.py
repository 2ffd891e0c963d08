"""The holdings: who holds what on which GPU, and by which right, added up as it changes.

The one structure of this package that changes: the hub service owns it, tells it of every slice and
GPU, and hands it to admission and placement, which only read it. Every sum in it equals what adding
up from scratch would give, and a change costs the same however much is held.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.card_policy import CardPolicy, policy_of
from sublet_quota.holdings.card_rooms import CardRooms
from sublet_quota.holdings.gpu_load import GpuFacts, GpuLoad, GpuRoom, Holding
from sublet_quota.holdings.grace import carried_steps, with_grace
from sublet_quota.holdings.room_index import RoomIndex
from sublet_quota.holdings.standings import NOT_TOLD, Standings, TypedKind
from sublet_quota.holdings.type_standing import Turns
from sublet_quota.names.ids import GpuId, GroupName, PoolName, SliceId, UserName
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.entitlement import Piece
from sublet_quota.shares.group_tree import GroupTree, NodeName
from sublet_quota.shares.limits import Amounts
from sublet_quota.shares.reclaim import Position

NO_ASKS: Final[Mapping[NodeName, Fraction]] = MappingProxyType({})


class Holdings:
    """All slices and GPUs, with their sums by group, person, type, pool and GPU."""

    def __init__(
        self,
        document: QuotaDocument,
        gpus: Iterable[GpuFacts] = (),
        slices: Iterable[Holding] = (),
        entitled: Mapping[SliceId, int] = NOT_TOLD,
        turns: Turns | None = None,
    ) -> None:
        """``document`` is one in force (``at``).

        ``entitled`` is what ``lasting_steps`` said before of slices that it tells of: what is
        entitled stays so, also where all is added up anew. ``turns``: in which order odd cards go
        where there are too few (``in_force``); by lot while nobody's past use is known.
        """
        self.document = document
        """The document in force; ``under`` puts another in its place."""
        self._turns = turns
        self._slices: dict[SliceId, Holding] = {}
        self._on_gpu: defaultdict[GpuId, set[SliceId]] = defaultdict(set)
        self._abroad: defaultdict[PoolName, set[SliceId]] = defaultdict(set)
        self._typed: dict[GpuId, TypedKind] = {}
        self._rooms = CardRooms(document.pools)
        self._standings = Standings(document, turns)
        for facts in gpus:
            self.put_gpu(facts)
        self._fill(slices, entitled)

    def put_gpu(self, facts: GpuFacts) -> None:
        """Enter a GPU, or what is new about one."""
        card = policy_of(self.document, facts)
        before = self._rooms.card(facts.gpu_id)
        if before == card:
            return
        if before is not None:
            self._count_card(before, -1)
            self._rooms.take_out(facts.gpu_id)
        self._rooms.put(card)
        self._count_card(card, 1)
        for slice_id in self._on_gpu.get(facts.gpu_id, ()):
            self._note_pool(self._slices[slice_id])
        typed = TypedKind(card.gpu_type, facts.kind)
        if self._typed.get(facts.gpu_id) != typed:
            self._typed[facts.gpu_id] = typed
            for slice_id in sorted(self._on_gpu.get(facts.gpu_id, ())):
                self._standings.put(self._slices[slice_id], typed)

    def remove_gpu(self, gpu_id: GpuId) -> None:
        """Forget a GPU; slices on it count for their payers until they are removed."""
        card = self._rooms.card(gpu_id)
        if card is not None:
            self._count_card(card, -1)
            self._rooms.take_out(gpu_id)
            self._forget_type(gpu_id)

    def put(self, holding: Holding) -> None:
        """Enter a slice, or what is new about one (its amount, its place, its payer)."""
        before = self._slices.get(holding.slice_id)
        if before == holding:
            return
        if before is not None:
            self._lift(before)
        self._lay(holding)
        self._standings.put(holding, self._typed.get(holding.gpu_id))

    def remove(self, slice_id: SliceId) -> Holding | None:
        """Take a slice out; return what was held, or ``None`` when there is none."""
        holding = self._slices.get(slice_id)
        if holding is None:
            return None
        self._lift(holding)
        self._standings.remove(slice_id)
        self._forget_type(holding.gpu_id)
        return holding

    def mark_unsuspendable(self, slice_id: SliceId, *, unsuspendable: bool) -> None:
        """Note that a slice can not, or can again, be suspended."""
        holding = self._slices.get(slice_id)
        if holding is not None and holding.unsuspendable is not unsuspendable:
            self.put(replace(holding, unsuspendable=unsuspendable))

    def mark_called_back(self, slice_id: SliceId, *, called_back: bool) -> None:
        """Note that a slice lost its place to an entitled one, or has it again."""
        holding = self._slices.get(slice_id)
        if holding is not None and holding.called_back is not called_back:
            self.put(replace(holding, called_back=called_back))

    def slice(self, slice_id: SliceId) -> Holding | None:
        """Return one slice, or ``None``."""
        return self._slices.get(slice_id)

    def slices(self) -> Iterator[Holding]:
        """Yield all slices."""
        return iter(self._slices.values())

    def slices_on(self, gpu_id: GpuId) -> tuple[Holding, ...]:
        """Return the slices on a GPU, jobs' too, by id."""
        return tuple(self._slices[s] for s in sorted(self._on_gpu.get(gpu_id, ())))

    def gpu(self, gpu_id: GpuId) -> GpuFacts | None:
        """Return one GPU, or ``None``; one of unclear type or pool is closed for that reason."""
        card = self._rooms.card(gpu_id)
        return None if card is None else card.facts

    def gpus(self) -> Iterator[GpuFacts]:
        """Yield all GPUs."""
        return (card.facts for card in self._rooms.cards().values())

    def pool_of(self, gpu_id: GpuId) -> PoolName | None:
        """Return the pool that a GPU belongs to; ``None`` when no pool has it."""
        card = self._rooms.card(gpu_id)
        return None if card is None else card.pool

    def type_of(self, gpu_id: GpuId) -> str | None:
        """Return the type that a GPU counts as; of one that is gone, while slices lie there."""
        typed = self._typed.get(gpu_id)
        return None if typed is None else typed.gpu_type

    def types(self) -> tuple[str, ...]:
        """Return the types of which there are cards or slices, or guarantees, sorted."""
        return self._standings.types()

    def load(self, gpu_id: GpuId) -> GpuLoad:
        """Return what a GPU holds in promises."""
        return self._rooms.load(gpu_id)

    def room(self, gpu_id: GpuId) -> GpuRoom | None:
        """Return what may still be promised on a GPU; ``None``: unknown, or in no pool."""
        return self._rooms.room(gpu_id)

    def room_in(self, pool: PoolName) -> GpuAmount:
        """Return what may still be promised on a pool's open GPUs together."""
        return self._rooms.room_in(pool)

    def cards_in(self, pool: PoolName) -> Fraction:
        """Return the open cards of a pool: ``lends`` says a part of them."""
        return Fraction(self._rooms.open_in(pool))

    def kinds_in(self, pool: PoolName) -> Mapping[GpuKind, RoomIndex]:
        """Return the kinds of GPU in a pool, and where there is room on them."""
        return self._rooms.kinds_in(pool)

    def lent(self, lender: PoolName, borrower: PoolName) -> Fraction:
        """Return the cards of one pool that borrowed slices of another one have."""
        cards = NO_CARD
        for slice_id in self._abroad.get(borrower, ()):
            piece = self._standings.piece(slice_id)
            here = self.pool_of(self._slices[slice_id].gpu_id) == lender
            if piece is not None and not piece.entitled and here:
                cards += piece.cards
        return cards

    def cards(self, gpu_type: str) -> Fraction:
        """Return the open cards of a type."""
        return self._standings.of_type(gpu_type).cards

    def tree(self, gpu_type: str) -> GroupTree:
        """Return the groups with the guarantees of a type that are in force."""
        return self._standings.of_type(gpu_type).tree

    def leaf(self, group: GroupName | None, gpu_type: str | None = None) -> NodeName:
        """Return where a slice counts that a group pays for; the same for all types.

        Of a group that the document does not have, as of none: among the root's direct members.
        """
        del gpu_type
        return self._standings.leaf(group)

    def held(self, node: NodeName) -> Amounts:
        """Return the slices of a group, with all that is in it; jobs are apart."""
        return self._standings.held(node)

    def jobs_held(self, node: NodeName) -> Amounts:
        """Return what jobs of a group have, with all that is in it."""
        return self._standings.jobs_held(node)

    def held_by(self, owner: UserName) -> Amounts:
        """Return the slices of a person."""
        return self._standings.held_by(owner)

    def jobs_held_by(self, owner: UserName) -> Amounts:
        """Return what jobs of a person have."""
        return self._standings.jobs_held_by(owner)

    def entitled_steps(self, gpu_type: str, group: GroupName | None, cards: Fraction) -> int:
        """Return to how many steps of its way one more slice of a group would be entitled now."""
        standing = self._standings.of_type(gpu_type)
        return standing.steps_for(self._standings.leaf(group), cards)

    def piece(self, slice_id: SliceId) -> Piece | None:
        """Return a notebook's slice as a piece; it cannot make way where nothing is suspended."""
        piece = self._standings.piece(slice_id)
        if piece is None:
            return None
        facts = self.gpu(self._slices[slice_id].gpu_id)
        if facts is not None and facts.pause_only:
            return replace(piece, suspendable=False)
        return piece

    def rank(self, slice_id: SliceId) -> Rank:
        """Return by which right a slice is there; of a job, and of none, ``BORROWED``."""
        return self._standings.rank(slice_id)

    def ranks_changed(self) -> frozenset[SliceId]:
        """Return whose rank is another than when this was asked last; new slices, too."""
        return self._standings.ranks_changed()

    def lasting_steps(self) -> Mapping[SliceId, int]:
        """Return what each slice is entitled to if there are enough cards: to be kept for later."""
        return dict(self._standings.lasting_steps())

    def position(self, gpu_type: str, asks: Mapping[NodeName, Fraction] = NO_ASKS) -> Position:
        """Return how the groups stand on a type.

        ``asks``: what leaves ask for beyond what they hold, the request that is decided among it.
        Its sums are those of this moment, and go on changing.
        """
        return self._standings.of_type(gpu_type).position(asks)

    def under(self, document: QuotaDocument, now: datetime) -> "Holdings":
        """Return the same slices and GPUs under another document.

        What became less has a grace (``Holding.before``); a card that is closed has none.
        """
        after = Standings(document, self._turns)
        steps = carried_steps(self._standings, after)
        typed = self._typed_under(document)
        after.fill(((one, typed.get(one.gpu_id)) for one in self.slices()), steps)
        slices = dict(self._slices)
        slices.update((one.slice_id, one) for one in with_grace(self._standings, after, steps, now))
        anew = Holdings(document, turns=self._turns)
        anew._typed = typed  # of cards that are gone, too
        for card in self._rooms.cards().values():
            anew.put_gpu(card.told)
        anew._fill(slices.values(), steps)
        anew._standings.take_over_ranks(self._standings.ranks_told())
        return anew

    def end_graces(self, now: datetime) -> tuple[SliceId, ...]:
        """Let slices whose grace is over count as any others, and return which these are."""
        ended = self._standings.graces_until(now)
        for slice_id in ended:
            self.put(replace(self._slices[slice_id], before=None))
        return ended

    def _fill(self, slices: Iterable[Holding], steps: Mapping[SliceId, int]) -> None:
        for holding in slices:
            self._lay(holding)
        held = self._slices.values()
        self._standings.fill(((one, self._typed.get(one.gpu_id)) for one in held), steps)

    def _typed_under(self, document: QuotaDocument) -> dict[GpuId, TypedKind]:
        typed = dict(self._typed)
        for gpu_id, card in self._rooms.cards().items():
            typed[gpu_id] = TypedKind(policy_of(document, card.told).gpu_type, card.told.kind)
        return typed

    def _lay(self, holding: Holding) -> None:
        gpu_id = holding.gpu_id
        self._slices[holding.slice_id] = holding
        self._on_gpu[gpu_id].add(holding.slice_id)
        self._rooms.set_load(gpu_id, self.load(gpu_id).plus(holding))
        self._note_pool(holding)

    def _note_pool(self, holding: Holding) -> None:
        """Note whether a slice lies in another pool than its own."""
        pool = self.pool_of(holding.gpu_id)
        if pool is not None and pool != holding.pool:
            self._abroad[holding.pool].add(holding.slice_id)
        else:
            self._abroad[holding.pool].discard(holding.slice_id)

    def _lift(self, holding: Holding) -> None:
        gpu_id = holding.gpu_id
        del self._slices[holding.slice_id]
        self._abroad[holding.pool].discard(holding.slice_id)
        self._on_gpu[gpu_id].discard(holding.slice_id)
        if not self._on_gpu[gpu_id]:
            del self._on_gpu[gpu_id]
        self._rooms.set_load(gpu_id, self.load(gpu_id).minus(holding))

    def _count_card(self, card: CardPolicy, count: int) -> None:
        if card.is_open:
            keeping = count if card.holds_guarantees else 0
            self._standings.of_type(card.gpu_type).change_cards(count, keeping)

    def _forget_type(self, gpu_id: GpuId) -> None:
        if self._rooms.card(gpu_id) is None and gpu_id not in self._on_gpu:
            self._typed.pop(gpu_id, None)
