"""Who holds what, and by which right: every slice on its payer's account, on each type by itself.

Notebooks' slices are entitled or borrowed; what jobs hold is counted apart.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Final

from sublet_quota.budgets.standing import NOTHING_SPENT, Spent
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.gpu_load import Holding, cards_on
from sublet_quota.holdings.standing.accounts import Accounts, Entry
from sublet_quota.holdings.standing.counted import Counted, TypedKind
from sublet_quota.holdings.standing.group_trees import TurnsByLot, leaf_of, tree_of
from sublet_quota.holdings.standing.type_standing import Entered, Turns, TypeStanding
from sublet_quota.holdings.standing.wants import PathSums
from sublet_quota.names.ids import GroupName, SliceId, UserName
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.entitlement import Piece, PieceId
from sublet_quota.shares.group_tree import ROOT, SPENT, NodeName
from sublet_quota.shares.limits import Amounts
from sublet_quota.shares.lots import lot_of

NOT_TOLD: Final[Mapping[SliceId, int]] = {}


class Standings:
    """All slices by their payers and owners."""

    def __init__(
        self, document: QuotaDocument, turns: Turns | None = None, spent: Spent = NOTHING_SPENT
    ) -> None:
        self.document = document
        self.spent = spent
        self.tree = tree_of(document, None)
        """The groups, without what they are guaranteed of any type."""
        groups = document.all_groups.values()
        self._guaranteed = frozenset(name for each in groups for name in each.guaranteed)
        self._said = self._guaranteed.union(*(each.limit.types for each in groups))
        """The types of which groups have a guarantee or a limit."""
        self._turns = TurnsByLot(self.tree) if turns is None else turns
        self._types: dict[str, TypeStanding] = {}
        self._counted: dict[SliceId, Counted] = {}
        self._graced: set[SliceId] = set()
        self._slices_of: Accounts[NodeName] = Accounts()
        self._slices_by: Accounts[UserName] = Accounts()
        self._jobs_of: Accounts[NodeName] = Accounts()
        self._spent_jobs_of: Accounts[NodeName] = Accounts()
        self._entitled_jobs_of: Accounts[NodeName] = Accounts()
        self._jobs_by_right_of: Accounts[NodeName] = Accounts()
        self._jobs_by: Accounts[UserName] = Accounts()
        self._held_back_of: Accounts[NodeName] = Accounts()
        self._held_back_by: Accounts[UserName] = Accounts()
        self._called_back: dict[str, PathSums] = {}
        """By type: what slices that lost their place hold."""
        self._ranks: dict[SliceId, Rank] = {}
        self._ask_again: set[SliceId] = set()

    def group_lot(self, name: NodeName) -> int:
        """Return the lot of a group: what decides ties of groups."""
        return self._turns[name][1]

    def lot(self, name: str) -> int:
        """Return the lot of anything that has a name: it hangs on what was drawn for groups."""
        known = self._turns.get(NodeName(name))
        return lot_of(name) if known is None else known[1]

    def of_type(self, gpu_type: str) -> TypeStanding:
        """Return how the groups stand on a type."""
        if gpu_type not in self._types:
            said = self.document.gpu_types.get(gpu_type)
            expect = None if said is None else said.expect
            # Of what the document says nothing of all have the same tree: it takes long to make.
            tree = tree_of(self.document, gpu_type) if gpu_type in self._said else self.tree
            self._types[gpu_type] = TypeStanding(tree, self._turns, expect)
        return self._types[gpu_type]

    def of_types(self) -> Iterable[tuple[str, TypeStanding]]:
        """Return how the groups stand on each type of which there are cards or slices."""
        return self._types.items()

    def types(self) -> tuple[str, ...]:
        """Return the types of which there are cards or slices, or guarantees, sorted."""
        return tuple(sorted(self._types.keys() | self._guaranteed))

    def forget_unused(self) -> frozenset[str]:
        """Forget the types of which nothing is there, nor in the document; return which.

        An agent tells models as it likes: each that was ever told would be kept for good.
        """
        told = self.document.gpu_types.keys() | self._guaranteed
        unused = frozenset(
            name for name, each in self._types.items() if name not in told and each.is_empty
        )
        for name in unused:
            del self._types[name]
            self._called_back.pop(name, None)
        return unused

    def fill(
        self,
        slices: Iterable[tuple[Holding, TypedKind | None]],
        steps: Mapping[SliceId, int],
        in_force: Mapping[SliceId, int] = NOT_TOLD,
    ) -> None:
        """Enter many slices at once, with the steps to which each was entitled before.

        One of which ``steps`` tells nothing is a new one: its grace, if it has one, says that.
        ``in_force``: to how many with the cards that there were.
        """
        before = {PieceId(slice_id): count for slice_id, count in in_force.items()}
        of_types: dict[str, list[Entered]] = {}
        for holding, card in slices:
            counted = self._note(holding, card, steps.get(holding.slice_id))
            if holding.is_notebook and counted.entry.gpu_type is not None:
                of_types.setdefault(counted.entry.gpu_type, []).append(counted.entered)
        for gpu_type, entered in of_types.items():
            self.of_type(gpu_type).fill(entered, before)

    def put(
        self, holding: Holding, card: TypedKind | None, instead_of: SliceId | None = None
    ) -> None:
        """Enter a slice, or what is new about one; ``None``: its card was never known.

        ``instead_of``: a slice that is gone, in whose place a new one is.
        """
        out = [self._counted.get(holding.slice_id), self._counted.get(instead_of or SliceId(""))]
        left = [None if one is None else self._forget(one) for one in out]
        counted = self._note(holding, card, None)
        here = counted.entry.gpu_type if holding.is_notebook else None
        was_here: list[Entered | None] = []
        for one, gpu_type in zip(out, left, strict=True):
            if one is not None and gpu_type is not None and gpu_type != here:
                self.of_type(gpu_type).remove(one.entered)
            was_here.append(one.entered if one is not None and gpu_type == here else None)
        if here is not None:
            self.of_type(here).put(counted.entered, *was_here)

    def remove(self, slice_id: SliceId) -> None:
        """Take a slice out, if it is there."""
        counted = self._counted.get(slice_id)
        if counted is not None:
            gone = self._forget(counted)
            if gone is not None:
                self.of_type(gone).remove(counted.entered)

    @contextmanager
    def without(self, slice_id: SliceId) -> Iterator[None]:
        """Let a slice not be counted for a time, and nobody follow it; then all is as before."""
        counted = self._counted[slice_id]
        typed = counted.entry.gpu_type if counted.holding.is_notebook else None
        with nullcontext() if typed is None else self.of_type(typed).without(counted.entered):
            self._take_off(counted)
            try:
                yield
            finally:
                self._put_on(counted)

    def holding(self, slice_id: SliceId) -> Holding:
        """Return a slice as it is counted; ``KeyError`` where there is none."""
        return self._counted[slice_id].holding

    def type_of(self, slice_id: SliceId) -> str | None:
        """Return the type on which a slice counts; ``None``: its card was never known."""
        return self._counted[slice_id].entry.gpu_type

    def leaf(self, group: GroupName | None) -> NodeName:
        """Return where a slice counts that a group pays for."""
        return leaf_of(self.tree, group)

    def is_spent(self, group: GroupName | None, owner: UserName) -> bool:
        """Whether a budget is over of what a group pays for somebody."""
        return self.spent.is_over(self.document, group, owner)

    def leaf_for(self, group: GroupName | None, owner: UserName) -> NodeName:
        """Return where a slice counts that a group pays for somebody, budgets among it."""
        return SPENT if self.is_spent(group, owner) else self.leaf(group)

    def held(self, node: NodeName) -> Amounts:
        """Return the slices of a group, with all that is in it."""
        return self._slices_of.of(node)

    def jobs_held(self, node: NodeName) -> Amounts:
        """Return what jobs of a group have, with all that is in it."""
        return self._jobs_of.of(node)

    def entitled_jobs_held(self, node: NodeName) -> Amounts:
        """Return what of that entitled jobs have."""
        return self._entitled_jobs_of.of(node)

    def jobs_by_right(self, node: NodeName) -> Amounts:
        """Return what of that jobs have that are wholly within their groups' guarantees."""
        return self._jobs_by_right_of.of(node)

    def jobs_filling(self, node: NodeName, gpu_type: str) -> Fraction:
        """Return the cards of a group's guarantee that jobs can fill: not those that are spent."""
        held, spent = self._jobs_of.of(node), self._spent_jobs_of.of(node)
        return held.cards.get(gpu_type, NO_CARD) - spent.cards.get(gpu_type, NO_CARD)

    def held_back(self, node: NodeName) -> Amounts:
        """Return what of that jobs have that stand still below a limit."""
        return self._held_back_of.of(node)

    def held_back_by(self, owner: UserName) -> Amounts:
        """Return the same of a person's jobs."""
        return self._held_back_by.of(owner)

    def held_by(self, owner: UserName) -> Amounts:
        """Return the slices of a person."""
        return self._slices_by.of(owner)

    def jobs_held_by(self, owner: UserName) -> Amounts:
        """Return what jobs of a person have."""
        return self._jobs_by.of(owner)

    def piece(self, slice_id: SliceId) -> Piece | None:
        """Return a notebook's slice as a piece of its type; ``None``: there is none."""
        counted = self._counted.get(slice_id)
        if counted is None or counted.entry.gpu_type is None:
            return None
        return self.of_type(counted.entry.gpu_type).piece(PieceId(slice_id))

    def is_entitled(self, slice_id: SliceId) -> bool:
        """Whether a notebook's slice is within a guarantee, its group's or one of a group above."""
        piece = self.piece(slice_id)
        return piece is not None and piece.entitled > 0

    def called_back_sums(self, gpu_type: str) -> Mapping[NodeName, Fraction]:
        """Return what slices that were called back hold of a type at each node but the root."""
        found = self._called_back.get(gpu_type)
        return {} if found is None else found.sums

    def rank(self, slice_id: SliceId) -> Rank:
        """Return by which right a slice is there; of a job, and of none, ``BORROWED``."""
        counted = self._counted.get(slice_id)
        piece = self.piece(slice_id)
        if counted is None or piece is None:
            return Rank.BORROWED
        if piece.entitled == len(self.tree.paths[piece.node]):
            return Rank.ENTITLED
        if counted.holding.called_back:
            return Rank.CALLED_BACK
        return Rank.ENTITLED_IN_PART if piece.entitled else Rank.BORROWED

    def asked_again(self) -> set[SliceId]:
        """Return whose rank may be another than when this was asked last; new slices, too."""
        asked = {SliceId(piece) for each in self._types.values() for piece in each.rank_changes()}
        asked |= self._ask_again
        self._ask_again = set()
        return asked

    def told_anew(
        self, asked: set[SliceId], rank_of: Callable[[SliceId], Rank]
    ) -> frozenset[SliceId]:
        """Return of these whose rank is another than when it was told last."""
        changed = set()
        for slice_id in asked & self._counted.keys():
            rank = rank_of(slice_id)
            if self._ranks.get(slice_id) is not rank:
                self._ranks[slice_id] = rank
                changed.add(slice_id)
        return frozenset(changed)

    def ranks_told(self) -> Mapping[SliceId, Rank]:
        """Return which ranks ``ranks_changed`` has told."""
        return self._ranks

    def take_over_ranks(self, told: Mapping[SliceId, Rank]) -> None:
        """Let ``ranks_changed`` tell only what is new since these ranks were told."""
        own = self._ranks
        self._ask_again |= {one for one in self._counted if own.get(one) is not told.get(one)}
        self._ask_again |= self._counted.keys() - own.keys()
        self._ranks = {one: rank for one, rank in told.items() if one in self._counted}

    def lasting_steps(self) -> Iterator[tuple[SliceId, int]]:
        """Yield of each slice to how many steps it is entitled if there are enough cards."""
        for slice_id, counted in self._counted.items():
            gpu_type = counted.entry.gpu_type
            if gpu_type is not None and counted.holding.is_notebook:
                yield slice_id, self.of_type(gpu_type).lasting_steps(PieceId(slice_id))

    def steps_in_force(self) -> Iterator[tuple[SliceId, int]]:
        """Yield of each slice to how many steps it is entitled with the cards that there are."""
        for slice_id, counted in self._counted.items():
            gpu_type = counted.entry.gpu_type
            if gpu_type is not None and counted.holding.is_notebook:
                yield slice_id, self.of_type(gpu_type).steps(PieceId(slice_id))

    def graces_until(self, now: datetime) -> tuple[SliceId, ...]:
        """Return the slices whose grace is over, sorted."""
        held = ((one, self._counted[one].holding.before) for one in self._graced)
        return tuple(sorted(one for one, before in held if before and before.until <= now))

    def end_graces(self, slices: Iterable[Holding]) -> None:
        """Let slices count as any others; they are told as they are then."""
        for holding in slices:
            counted = self._counted[holding.slice_id]
            gpu_type = counted.entry.gpu_type
            if gpu_type is not None and holding.is_notebook:
                self.of_type(gpu_type).end_grace(counted.entered)
            entered = replace(counted.entered, as_before=0)
            self._counted[holding.slice_id] = replace(counted, holding=holding, entered=entered)
            self._graced.discard(holding.slice_id)
            self._ask_again.add(holding.slice_id)

    def _note(self, holding: Holding, card: TypedKind | None, steps: int | None) -> Counted:
        counted = self._counted_as(holding, card, steps)
        self._put_on(counted)
        self._ask_again.add(holding.slice_id)
        if holding.before is not None:
            self._graced.add(holding.slice_id)
        return counted

    def _forget(self, counted: Counted) -> str | None:
        """Take a slice off the accounts, and return the type on which it is still entered."""
        holding = counted.holding
        self._take_off(counted)
        self._graced.discard(holding.slice_id)
        self._ranks.pop(holding.slice_id, None)
        return counted.entry.gpu_type if holding.is_notebook else None

    def _put_on(self, counted: Counted) -> None:
        """Put a slice on the accounts of its payer and of its owner."""
        holding = counted.holding
        self._counted[holding.slice_id] = counted
        path = (ROOT, *self.tree.paths[self.leaf(holding.group)])
        for of in self._accounts_of_payer(counted):
            of.add(path, counted.entry)
        for by in self._accounts_of_owner(holding):
            by.add((holding.owner,), counted.entry)
        self._count_called_back(counted, 1)

    def _take_off(self, counted: Counted) -> None:
        holding = counted.holding
        del self._counted[holding.slice_id]
        path = (ROOT, *self.tree.paths[self.leaf(holding.group)])
        for of in self._accounts_of_payer(counted):
            of.remove(path, counted.entry)
        for by in self._accounts_of_owner(holding):
            by.remove((holding.owner,), counted.entry)
        self._count_called_back(counted, -1)

    def _count_called_back(self, counted: Counted, count: int) -> None:
        gpu_type, piece = counted.entry.gpu_type, counted.entered.piece
        if counted.holding.called_back and counted.holding.is_notebook and gpu_type is not None:
            sums = self._called_back.setdefault(gpu_type, PathSums(self.tree))
            sums.change(piece.node, count * piece.cards)

    def _counted_as(self, holding: Holding, card: TypedKind | None, steps: int | None) -> Counted:
        node = self.leaf_for(holding.group, holding.owner)
        path = self.tree.paths[node]
        cards = NO_CARD if card is None else cards_on(holding.amount, card.kind)
        # What is spent has no grace.
        graced = holding.before if node != SPENT else None
        as_before = 0 if graced is None else min(graced.steps, len(path))
        # What a slice lost in its grace, as where another group pays now, it takes from nobody.
        told = as_before if steps is None else min(steps, len(path))
        piece = Piece(
            PieceId(holding.slice_id),
            node,
            cards,
            suspendable=not holding.unsuspendable,
            entitled=0 if node == SPENT else told,
            memory_mib=holding.amount.memory_mib,
        )
        gpu_type = None if card is None else card.gpu_type
        return Counted(
            holding,
            Entry(gpu_type, cards, holding.amount.memory_mib),
            Entered(piece, *holding.age, as_before),
        )

    def _accounts_of_payer(self, counted: Counted) -> Iterator[Accounts[NodeName]]:
        holding = counted.holding
        yield self._slices_of if holding.is_notebook else self._jobs_of
        if counted.is_spent_job:
            yield self._spent_jobs_of
        if holding.entitled_job:
            yield self._entitled_jobs_of
        if holding.job_by_right:
            yield self._jobs_by_right_of
        if holding.held_back:
            yield self._held_back_of

    def _accounts_of_owner(self, holding: Holding) -> Iterator[Accounts[UserName]]:
        yield self._slices_by if holding.is_notebook else self._jobs_by
        if holding.held_back:
            yield self._held_back_by
