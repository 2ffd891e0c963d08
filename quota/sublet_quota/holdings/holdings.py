"""The holdings: who holds what on which GPU, and by which right, added up as it changes.

The one structure of this package that changes: the hub service owns it, tells it of every slice and
GPU, and hands it to admission and placement, which only read it. Every sum in it equals what adding
up from scratch would give, and a change costs the same however much is held.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import chain
from types import MappingProxyType
from typing import Final

from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.budgets.standing import NOTHING_SPENT, Spent
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.as_held import AsHeld, successors
from sublet_quota.holdings.card_policy import policy_of
from sublet_quota.holdings.card_rooms import CardRooms
from sublet_quota.holdings.card_sums import CardSums
from sublet_quota.holdings.gpu_load import AsBefore, GpuFacts, Holding
from sublet_quota.holdings.grace import carried_steps, with_grace
from sublet_quota.holdings.guarantees import Guarantees
from sublet_quota.holdings.host_memory import HostMemory
from sublet_quota.holdings.kept_cards import KeptCards
from sublet_quota.holdings.layout.layout import Layout
from sublet_quota.holdings.making_way import MakingWay
from sublet_quota.holdings.placed_slices import PlacedSlices
from sublet_quota.holdings.slice_lists import SliceLists
from sublet_quota.holdings.standing.held_sums import HeldSums
from sublet_quota.holdings.standing.standings import NOT_TOLD, Standings, TypedKind
from sublet_quota.holdings.standing.type_standing import Turns
from sublet_quota.names.ids import GpuId, GroupName, NodeId, PoolName, SliceId
from sublet_quota.reasons.guarantee_warnings import GuaranteeWarning
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.entitlement import Piece
from sublet_quota.shares.group_tree import ROOT, SPENT, NodeName, group_at

NO_HOST_MEMORY_TOLD: Final[Mapping[NodeId, int]] = MappingProxyType({})


class Holdings(HeldSums, CardSums, SliceLists, KeptCards):
    """All slices and GPUs, with their sums by group, person, type, pool and GPU."""

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

    def types(self) -> tuple[str, ...]:
        """Return the types of which there are cards or slices, or guarantees, sorted."""
        return self._standings.types()

    def slices_at(self, leaf: NodeName) -> Iterator[Holding]:
        """Yield the notebooks' slices that count at a leaf, in no order.

        At a group's leaf also those that a budget that is over pays for.
        """
        if leaf == SPENT:
            paid = self._paid_below({name for name, _ in self.spent.over})
            return (
                each for each in paid if each.is_notebook and self.is_spent(each.group, each.owner)
            )
        group = group_at(leaf)
        if group != ROOT:
            return self.paid_by(GroupName(group))
        known = self.document.all_groups
        payers = (each for each in self.payers() if each is None or each not in known)
        return chain.from_iterable(self.paid_by(each) for each in payers)

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

    def rank(self, slice_id: SliceId) -> Rank:
        """Return by which right a slice is there; of a job, and of none, ``BORROWED``.

        What is entitled on another group's card, and takes turns there, is so in part.
        """
        return self._guarantees.rank(slice_id)

    def ranks_changed(self) -> frozenset[SliceId]:
        """Return whose rank is another than when this was asked last; new slices, too."""
        return self._guarantees.ranks_changed()

    def has_place(self, gpu_id: GpuId, leaf: NodeName, amount: GpuAmount) -> bool:
        """Whether one more entitled slice of a leaf takes turns behind no others' on a card."""
        return self._guarantees.has_place(gpu_id, leaf, amount)

    def layout(self, gpu_type: str) -> Layout:
        """Return where the guarantees of a type that are in force lie."""
        return self._guarantees.layout(gpu_type)

    def slices_on_node(self, node: NodeId) -> Iterator[Holding]:
        """Yield the slices on the GPUs of a node, jobs' too."""
        return chain.from_iterable(self.slices_on(gpu.gpu_id) for gpu in self.gpus_on(node))

    def laid_out(self) -> Mapping[str, Layout]:
        """Return what is laid out of each type now: nothing moves in it any more."""
        return self._guarantees.laid_out()

    def begin_with(self, laid_out: Mapping[str, Layout]) -> None:
        """Lay guarantees out as near as possible to what others had laid out."""
        self._guarantees.begin_with(laid_out)

    def room_for_entitled(self, gpu_id: GpuId, leaf: NodeName) -> GpuAmount:
        """Return what one more entitled slice of a leaf may have on a card laid out for it.

        On a whole card: beside the entitled slices of the group alone, which overcommit each other;
        in a part of a card: what is left of the part. Whatever others borrow there makes way; what
        cannot be suspended of theirs is in the way. Nothing where nothing is laid out for it.
        """
        return self._guarantees.room_for_entitled(gpu_id, leaf)

    def making_way(
        self, gpu_id: GpuId, leaf: NodeName, amount: GpuAmount, beside: GpuAmount = NOTHING
    ) -> MakingWay:
        """Return which slices no longer fit when an entitled one of a leaf comes to a card.

        ``beside``: what else comes there by right, whoever is guaranteed it.
        """
        return self._guarantees.making_way(gpu_id, leaf, amount, beside)

    def warnings(self) -> tuple[GuaranteeWarning, ...]:
        """Return what is wrong with guarantees: not all in force, not laid out, cards missing."""
        return tuple(self._guarantees.warnings())

    def as_held(self) -> AsHeld:
        """Return what is held at this moment."""
        return AsHeld(
            self.document,
            self.turns,
            self._standings.tree,
            dict(self._placed.all),
            tuple(self.gpus_as_told()),
            dict(self._typed),
            self.lasting_steps(),
            self.steps_in_force(),
            self.laid_out(),
            self.spent,
            dict(self.host_memory.told),
        )

    @classmethod
    def of(cls, held: AsHeld) -> "Holdings":
        """Return holdings of their own in which all is as it was held."""
        copy = cls(held.document, turns=held.turns, spent=held.spent, host_memory=held.host_memory)
        copy._take_over(held, held.slices.values(), held.lasting, held.in_force)
        # Where guarantees lie has a history.
        copy.begin_with(held.laid_out)
        return copy

    def under(
        self, document: QuotaDocument, now: datetime, grace: timedelta | None = None
    ) -> "Holdings":
        """Return the same slices and GPUs under another document (``made_under``)."""
        anew = Holdings.made_under(self.as_held(), document, now, grace)
        anew.catch_up(self)
        return anew

    @classmethod
    def made_under(
        cls,
        held: AsHeld,
        document: QuotaDocument,
        now: datetime,
        grace: timedelta | None = None,
    ) -> "Holdings":
        """Return holdings of the same slices and GPUs under another document.

        What became less has a grace (``Holding.before``), as long as the document says unless
        ``grace`` does: what ends at a stated time has none, nor has a card that is closed.
        """
        grace = document.shrink.grace if grace is None else grace
        spent = held.spent.under(document)
        after = Standings(document, held.turns, spent)
        steps = carried_steps(held, after, held.lasting)
        in_force = carried_steps(held, after, held.in_force)
        told = held.host_memory
        anew = cls(document, turns=held.turns, spent=spent, host_memory=told)
        anew._take_over(held, held.slices.values(), steps, in_force)
        graced: dict[SliceId, Holding] = {}
        if grace:
            found = with_grace(held, anew._standings, steps, in_force, now + grace)
            graced = {one.slice_id: one for one in found}
        if graced:
            # A right that the cards kept, whoever else might have had it with more of them, lasts.
            kept = {one.slice_id: one.before.steps for one in graced.values() if one.before}
            steps |= {one: max(steps[one], count) for one, count in kept.items()}
            anew = cls(document, turns=held.turns, spent=spent, host_memory=told)
            anew._take_over(held, {**held.slices, **graced}.values(), steps, in_force)
        anew._graces_until = now + grace if grace else None
        anew.begin_with(held.laid_out)
        # The layouts, too: whoever takes these holdings over looks at the changes alone.
        anew.ranks_changed()
        return anew

    def catch_up(self, before: "Holdings") -> None:
        """Take over what has changed in the holdings that these were made from.

        A grace that was found for a slice stays. A server that restarted has its place, and grace.
        What was handed out meanwhile, under the document of before, has one as what was there.
        """
        self.spend(before.spent.under(self.document))
        cards = {facts.gpu_id: facts for facts in before.gpus_as_told()}
        for gpu_id in [facts.gpu_id for facts in self.gpus() if facts.gpu_id not in cards]:
            self.remove_gpu(gpu_id)
        for facts in cards.values():
            self.put_gpu(facts)
        self.asked_sizes = before.asked_sizes
        self.idle = set(before.idle)
        self.host_memory.take_over(before.host_memory.told)
        mine, theirs = dict(self._placed.all), {one.slice_id: one for one in before.slices()}
        gone = {one: mine[one] for one in mine.keys() - theirs.keys()}
        new = {one: theirs[one] for one in theirs.keys() - mine.keys()}
        instead_of = dict(successors(gone, new))
        for slice_id in sorted(gone.keys() - instead_of.values()):
            self.remove(slice_id)
        is_other = bool(new)
        for slice_id in sorted(mine.keys() & theirs.keys()):
            is_other |= _is_other(mine[slice_id], theirs[slice_id])
            as_before = mine[slice_id].before or theirs[slice_id].before
            self.put(replace(theirs[slice_id], before=as_before))
        for slice_id in sorted(new):
            former = gone.get(instead_of.get(slice_id, SliceId("")))
            again = new[slice_id]
            if former is not None and self._is_no_more(again, former):
                again = replace(again, before=again.before or former.before)
            self.put(again, instead_of.get(slice_id))
        if is_other and self._graces_until is not None:
            self._grace_what_came(before.as_held(), self._graces_until)
        self._standings.take_over_ranks(before.ranks_told())
        self.changes += 1
        self.kept_cards = before.kept_cards

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

    def _take_over(
        self,
        held: AsHeld,
        slices: Iterable[Holding],
        steps: Mapping[SliceId, int],
        in_force: Mapping[SliceId, int],
    ) -> None:
        """Begin with these slices, and the cards that there are.

        Cards come last: each then finds its place among the others once, with all it holds.
        """
        self._typed = dict(held.typed)
        for facts in held.cards:
            gpu_type = policy_of(self.document, facts).gpu_type
            self._typed[facts.gpu_id] = TypedKind(gpu_type, facts.kind)
        self._fill(slices, steps, in_force)
        for facts in held.cards:
            self.put_gpu(facts)

    def _grace_what_came(self, before: AsHeld, until: datetime) -> None:
        """Let count as before what was handed out while these holdings were reckoned."""
        steps = carried_steps(before, self._standings, before.lasting)
        in_force = carried_steps(before, self._standings, before.in_force)
        for holding in tuple(with_grace(before, self._standings, steps, in_force, until)):
            self.put(holding)

    def _paid_below(self, groups: AbstractSet[GroupName]) -> Iterator[Holding]:
        """Yield what these groups pay, and those in them."""
        for payer in self._placed.payers():
            if not groups.isdisjoint(self.document.path_of_payer(payer)):
                yield from self._placed.of_payer(payer)

    def _is_no_more(self, again: Holding, former: Holding) -> bool:
        """Whether a server that restarted has no more than before, at the same expense."""
        return (
            again.group == former.group
            and self.type_of(again.gpu_id) == self.type_of(former.gpu_id)
            and again.amount.fits_in(former.amount)
        )

    def _forget_type(self, gpu_id: GpuId) -> None:
        if self._rooms.card(gpu_id) is None and not self._placed.on(gpu_id):
            self._typed.pop(gpu_id, None)
            self._forget_unused()

    def _forget_unused(self) -> None:
        self._guarantees.forget(self._standings.forget_unused())


def _is_other(one: Holding, other: Holding) -> bool:
    """Whether a slice counts otherwise than before, whatever it is entitled to."""
    return (one.amount, one.group, one.gpu_id) != (other.amount, other.group, other.gpu_id)
