"""Slices and GPUs as they are entered, changed and taken out: each change adds up what it changes.

Every sum equals what adding up from scratch would give, and a change costs the same however much is
held.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from itertools import chain
from types import MappingProxyType
from typing import Any, Final

from sublet_quota.budgets.standing import NOTHING_SPENT, Spent
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.card_policy import policy_of
from sublet_quota.holdings.card_rooms import CardRooms
from sublet_quota.holdings.card_sums import CardSums
from sublet_quota.holdings.gpu_load import AsBefore, GpuFacts, Holding, cards_on
from sublet_quota.holdings.guarantees import Guarantees
from sublet_quota.holdings.host_memory import HostMemory
from sublet_quota.holdings.kept_cards import KeptCards
from sublet_quota.holdings.laid_out_guarantees import LaidOutGuarantees
from sublet_quota.holdings.node_rooms import AskedBeside, NodeFacts
from sublet_quota.holdings.placed_slices import PlacedSlices
from sublet_quota.holdings.slice_lists import SliceLists
from sublet_quota.holdings.standing.counted import TypedKind
from sublet_quota.holdings.standing.held_sums import HeldSums
from sublet_quota.holdings.standing.standings import NOT_TOLD, Standings
from sublet_quota.holdings.standing.type_standing import Turns
from sublet_quota.names.ids import GpuId, GroupName, NodeId, PoolName, SliceId
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.entitlement import Piece
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts

NO_HOST_MEMORY_TOLD: Final[Mapping[NodeId, int]] = MappingProxyType({})


class Entries(HeldSums, CardSums, SliceLists, KeptCards, LaidOutGuarantees):
    """All slices and GPUs, as they are entered, changed and taken out, with all sums."""

    def __init__(  # noqa: PLR0913 - what was known before
        self,
        document: QuotaDocument,
        gpus: Iterable[GpuFacts] = (),
        slices: Iterable[Holding] = (),
        entitled: Mapping[SliceId, int] = NOT_TOLD,
        turns: Turns | None = None,
        *,
        in_force: Mapping[SliceId, int] = NOT_TOLD,
        spent: Spent = NOTHING_SPENT,
        host_memory: Mapping[NodeId, int] = NO_HOST_MEMORY_TOLD,
    ) -> None:
        """``document`` is one in force (``at``).

        ``entitled`` is what ``lasting_steps`` said before of slices that it tells of: what is
        entitled stays so, also where all is added up anew. ``turns``: in which order odd cards go
        where there are too few; by lot while nobody's past use is known. ``in_force`` is what
        ``steps_in_force`` said before: with too few cards, that stays so too. ``spent``: the
        budgets that are over. ``host_memory``: what suspended slices may take on each node, in MiB.
        """
        self.document = document
        """The document in force; ``under`` puts another in its place."""
        self.turns = turns
        """In which order odd cards go where there are too few."""
        self.asked_sizes: Mapping[str, int] = {}
        """How often people have asked for each size lately, by its name: what room is worth hangs
        on it. Nothing: not known.
        """
        self.asked_beside: Mapping[AskedBeside, int] = {}
        """The same, with what requests take beside a card. Nothing: as ``asked_sizes`` says."""
        self.scores: dict[Any, Any] = {}
        """What placement keeps of its own from one decision to the next; nobody else looks."""
        self.idle: set[SliceId] = set()
        """The slices that may change cards, entitled or not, as their owners are idle."""
        self.changes = 0
        """How often something was entered, changed or taken out: what was reckoned before is as
        true as then while it is the same, but for host memory, odd turns and what was asked for.
        """
        self._graces_until: datetime | None = None
        """Until when what became less by this document counts as before; ``None``: nothing does."""
        self._typed: dict[GpuId, TypedKind] = {}
        self._rooms = CardRooms(document.pools)
        self._placed = PlacedSlices(self._rooms)
        super().__init__(Standings(document, turns, spent))
        self._guarantees = Guarantees(self, self._rooms, self._standings)
        self.host_memory = HostMemory(self._rooms, self._placed, self._standings, self._guarantees)
        """What suspended slices may take on each node, as far as its agent tells."""
        for node, told_mib in host_memory.items():
            self.host_memory.put(node, told_mib)
        for facts in gpus:
            self.put_gpu(facts)
        self._fill(slices, entitled, in_force)

    def put_gpu(self, facts: GpuFacts) -> bool:
        """Enter a GPU, or what is new about one; return whether anything is."""
        before = self._rooms.card(facts.gpu_id)
        if before is not None and before.told == facts:
            return False
        self.changes += 1
        card = policy_of(self.document, facts)
        if before is not None:
            self._guarantees.uncount(before)
            self._rooms.take_out(facts.gpu_id)
        self._rooms.put(card)
        self._guarantees.count(card)
        self._placed.card_changed(facts.gpu_id)
        typed = TypedKind(card.gpu_type, facts.kind)
        if self._typed.get(facts.gpu_id) != typed:
            self._typed[facts.gpu_id] = typed
            for holding in self._placed.on(facts.gpu_id):
                self._standings.put(holding, typed)
            if before is not None:
                self._forget_unused()
        return True

    def put_node(self, facts: NodeFacts) -> bool:
        """Enter what a node has beside its GPUs, or what is new; return whether anything is."""
        is_new = self._rooms.nodes_told.put(facts)
        self.changes += is_new
        return is_new

    def remove_gpu(self, gpu_id: GpuId) -> None:
        """Forget a GPU; slices on it count for their payers until they are removed."""
        card = self._rooms.card(gpu_id)
        if card is not None:
            self.changes += 1
            self._guarantees.uncount(card)
            self._rooms.take_out(gpu_id)
            self._forget_type(gpu_id)
            self._forget_unused()

    def put(self, holding: Holding, instead_of: SliceId | None = None) -> None:
        """Enter a slice, or what is new about one (its amount, its place, its payer).

        ``instead_of``: a slice that goes, whose place a new one takes before anybody follows.
        """
        before = self._placed.all.get(holding.slice_id)
        if before == holding:
            return
        self.changes += 1
        gone = None if instead_of is None else self._placed.all.get(instead_of)
        for other in (before, gone):
            if other is not None:
                self._placed.lift(other)
        self._placed.lay(holding)
        if holding.unsuspendable:
            self._guarantees.fixed_anew(holding.gpu_id)
        self._standings.put(holding, self._typed.get(holding.gpu_id), instead_of)
        if gone is not None:
            self._forget_type(gone.gpu_id)

    def remove(self, slice_id: SliceId) -> Holding | None:
        """Take a slice out; return what was held, or ``None`` when there is none."""
        holding = self._placed.all.get(slice_id)
        if holding is None:
            return None
        self.changes += 1
        self._placed.lift(holding)
        self._placed.note_rest(slice_id, None)
        self._standings.remove(slice_id)
        self._forget_type(holding.gpu_id)
        return holding

    @contextmanager
    def without(self, slice_id: SliceId) -> Iterator[Holding | None]:
        """Let a decision be made as if a slice were not there; then all is as before.

        Nobody follows it meanwhile, and nothing may change. Tells the slice, or ``None``.
        """
        holding = self._placed.all.get(slice_id)
        if holding is None:
            yield None
            return
        with (
            self._guarantees.without_trace(self.type_of(holding.gpu_id)),
            self._standings.without(slice_id),
        ):
            self._placed.lift(holding)
            try:
                yield holding
            finally:
                self._placed.lay(holding)

    def spend(self, spent: Spent) -> frozenset[SliceId]:
        """Let these budgets be over, and no others; return whose slices count otherwise now.

        Of what counts again the oldest comes first.
        """
        before, self._standings.spent = self._standings.spent, spent
        self.changes += before is not spent
        groups = {group for group, _ in before.over.keys() ^ spent.over.keys()}
        changed = [
            each
            for each in self._paid_below(groups)
            if before.is_over(self.document, each.group, each.owner)
            is not spent.is_over(self.document, each.group, each.owner)
        ]
        for holding in sorted(changed, key=lambda each: each.age):
            self._standings.put(holding, self._typed.get(holding.gpu_id))
        return frozenset(each.slice_id for each in changed)

    def mark_unsuspendable(self, slice_id: SliceId, *, unsuspendable: bool) -> None:
        """Note that a slice can not, or can again, be suspended."""
        holding = self._placed.all.get(slice_id)
        if holding is not None and holding.unsuspendable is not unsuspendable:
            self.put(replace(holding, unsuspendable=unsuspendable))

    def mark_idle(self, slice_id: SliceId, *, idle: bool) -> None:
        """Note that a slice's owner is idle, and it can change cards, or that this is over."""
        self.changes += idle is not (slice_id in self.idle)
        if idle:
            self.idle.add(slice_id)
        else:
            self.idle.discard(slice_id)

    def mark_at_rest(self, slice_id: SliceId, since: datetime | None) -> None:
        """Note since when a slice's owner leaves it alone; ``None``: the owner is at work."""
        self._placed.note_rest(slice_id, since)

    def hold_back(self, slice_id: SliceId, *, held_back: bool) -> None:
        """Note that a job's slice stands still below a limit, or goes on."""
        holding = self._placed.all.get(slice_id)
        if holding is not None and holding.held_back is not held_back:
            self.put(replace(holding, held_back=held_back))

    def jobs_paid_below(self, group: GroupName) -> Iterator[Holding]:
        """Yield the slices of jobs that a group pays, or one in it, in no order."""
        return (each for each in self._paid_below({group}) if not each.is_notebook)

    def mark_called_back(self, slice_id: SliceId, *, called_back: bool) -> None:
        """Note that a slice lost its place to an entitled one, or has it again."""
        holding = self._placed.all.get(slice_id)
        if holding is not None and holding.called_back is not called_back:
            self.put(replace(holding, called_back=called_back))

    def type_of(self, gpu_id: GpuId) -> str | None:
        """Return the type that a GPU counts as; of one that is gone, while slices lie there."""
        typed = self._typed.get(gpu_id)
        return None if typed is None else typed.gpu_type

    def amounts_of(self, holding: Holding) -> Amounts:
        """Return what a slice counts in limits, a job's too: on a card that is gone as before."""
        typed = self._typed.get(holding.gpu_id)
        cards = {} if typed is None else {typed.gpu_type: cards_on(holding.amount, typed.kind)}
        return Amounts(cards, holding.amount.memory_mib, 1)

    def types(self) -> tuple[str, ...]:
        """Return the types of which there are cards or slices, or guarantees, sorted."""
        return self._standings.types()

    def borrowed_at(
        self, gpu_type: str, node: NodeName, most: Fraction | None = None
    ) -> Iterator[Holding]:
        """Yield the notebooks' slices of a type in a node that are not entitled there, in no order.

        ``most``: of at most so many cards each.
        """
        found = self._standings.of_type(gpu_type).borrowed_at(node, most)
        return (self._placed.all[SliceId(piece_id)] for piece_id in found)

    def lent(self, lender: PoolName, borrower: PoolName) -> Fraction:
        """Return the cards of one pool that borrowed slices of another one have."""
        cards = NO_CARD
        for holding, pool in self._placed.abroad(borrower):
            piece = self._standings.piece(holding.slice_id)
            if pool == lender and piece is not None and not piece.entitled:
                cards += piece.cards
        return cards

    def piece(self, slice_id: SliceId) -> Piece | None:
        """Return a notebook's slice as a piece; it cannot make way where nothing is suspended."""
        piece = self._standings.piece(slice_id)
        if piece is None:
            return None
        facts = self.gpu(self._placed.all[slice_id].gpu_id)
        if facts is not None and facts.pause_only:
            return replace(piece, suspendable=False)
        return piece

    def slices_on_node(self, node: NodeId) -> Iterator[Holding]:
        """Yield the slices on the GPUs of a node, jobs' too."""
        return chain.from_iterable(self.slices_on(gpu.gpu_id) for gpu in self.gpus_on(node))

    def graces(
        self, slice_ids: Iterable[SliceId], now: datetime
    ) -> Iterator[tuple[SliceId, AsBefore]]:
        """Yield the graces that begin now, as of slices of who left the group that pays."""
        until = now + self.document.shrink.grace
        steps = self.lasting_steps()
        for slice_id in slice_ids:
            holding = self._placed.all.get(slice_id)
            if holding is not None and holding.before is None:
                yield slice_id, AsBefore(until, steps.get(slice_id, 0))

    def end_graces(self, now: datetime) -> tuple[SliceId, ...]:
        """Let slices whose grace is over count as any others, and return which these are.

        All at once: which of them stay entitled hangs on no order in which their graces end.
        """
        ended = self._standings.graces_until(now)
        self.changes += bool(ended)
        slices = [replace(self._placed.all[slice_id], before=None) for slice_id in ended]
        for holding in slices:
            self._placed.lift(self._placed.all[holding.slice_id])
            self._placed.lay(holding)
        self._standings.end_graces(slices)
        return ended

    def _fill(
        self,
        slices: Iterable[Holding],
        steps: Mapping[SliceId, int],
        in_force: Mapping[SliceId, int] = NOT_TOLD,
    ) -> None:
        for holding in slices:
            self._placed.lay(holding)
        held = self._placed.all.values()
        self._standings.fill(((one, self._typed.get(one.gpu_id)) for one in held), steps, in_force)

    def _paid_below(self, groups: AbstractSet[GroupName]) -> Iterator[Holding]:
        """Yield what these groups pay, and those in them."""
        for payer in self._placed.payers():
            if not groups.isdisjoint(self.document.path_of_payer(payer)):
                yield from self._placed.of_payer(payer)

    def _forget_type(self, gpu_id: GpuId) -> None:
        if self._rooms.card(gpu_id) is None and not self._placed.on(gpu_id):
            self._typed.pop(gpu_id, None)
            self._forget_unused()

    def _forget_unused(self) -> None:
        self._guarantees.forget(self._standings.forget_unused())
