"""How the groups stand on one GPU type: guarantees in force, and what is entitled under them.

Two answers are kept. What counts by the document, with what is graced, is the one that lasts: a
card that fails and comes back leaves no trace in it. Where there are fewer cards than guaranteed
another follows from it: what counts under the guarantees that these cards can keep.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from sublet_quota.holdings.standing.wants import SumsOf, Wants
from sublet_quota.shares.cards import NO_CARD, total
from sublet_quota.shares.division import Shares
from sublet_quota.shares.entitled_by_age import Age
from sublet_quota.shares.entitlement import Piece, PieceId
from sublet_quota.shares.entitlement_index import EntitledSum, EntitlementIndex
from sublet_quota.shares.group_tree import GroupTree, NodeName
from sublet_quota.shares.in_force import GuaranteesCut, guarantees_in_force
from sublet_quota.shares.reclaim import Position

Turns = Mapping[NodeName, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Entered:
    """A slice as it counts on its type."""

    piece: Piece
    since: datetime
    lot: int
    as_before: int = 0
    """To how many steps it counts as before while its grace lasts."""

    @property
    def age(self) -> Age:
        """Its age: what counts as before comes before all others."""
        return Age(not self.as_before, self.since, self.lot, self.piece.piece_id)


class TypeStanding:
    """The slices on the cards of one type, and what is guaranteed of them."""

    def __init__(self, tree: GroupTree, turns: Turns, expect: int | None = None) -> None:
        """``expect``: how many cards there are by the document; more count for no guarantee."""
        self._expect = None if expect is None else Fraction(expect)
        self.told = tree
        """The groups as the document has them."""
        self.cut: GuaranteesCut | None = None
        """The warning, where there are fewer cards than guaranteed."""
        self._turns = turns
        self._wants = Wants(tree)
        self._graced: dict[NodeName, Fraction] = {}
        self._cards = NO_CARD
        self._keeping = NO_CARD
        self._lasting = EntitlementIndex(tree)
        self._now = self._lasting
        self._in_force_before: dict[PieceId, int] = {}
        self._grace_is_other = False
        self._cards_are_other = True
        self._rank_changes: set[PieceId] = set()
        self._layout_changes: set[PieceId] = set()

    @property
    def cards(self) -> Fraction:
        """The open cards."""
        return self._cards

    @property
    def cards_for_guarantees(self) -> Fraction:
        """The open cards on which others can make way."""
        return self._keeping

    @property
    def tree(self) -> GroupTree:
        """The groups with the guarantees in force."""
        return self._index().tree

    @property
    def is_empty(self) -> bool:
        """Whether there are neither open cards nor slices."""
        return not self._cards and next(self._lasting.pieces(), None) is None

    def change_cards(self, cards: int, keeping: int) -> None:
        """Count so many more open cards, and on which guarantees can be kept; or fewer."""
        self._cards += cards
        if keeping:
            self._keeping += keeping
            self._cards_are_other = True

    def fill(self, entered: Iterable[Entered], in_force: Mapping[PieceId, int]) -> None:
        """Enter many slices at once, with what they were entitled to before.

        ``in_force``: to how many steps with the cards that there were; these come first while there
        are too few, until slices change.
        """
        every = list(entered)
        pieces = (one.piece for one in every if one.piece.piece_id in in_force)
        self._in_force_before = {
            piece.piece_id: min(in_force[piece.piece_id], len(self.told.paths[piece.node]))
            for piece in pieces
        }
        of_leaf: dict[NodeName, list[Fraction]] = {}
        for one in every:
            of_leaf.setdefault(one.piece.node, []).append(one.piece.cards)
            self._grace(one, 1)
        for leaf, cards in of_leaf.items():
            self._wants.change(leaf, total(cards))
        self._refresh_grace()
        self._lasting.fill((one.piece, one.age) for one in every)
        self._cards_are_other = True

    def put(self, one: Entered, before: Entered | None, instead_of: Entered | None = None) -> None:
        """Enter a slice, or what is new about one that counted as ``before``.

        ``instead_of``: a slice that is gone, in whose place this one is.
        """
        for other in (before, instead_of):
            if other is not None:
                self._count(other, -1)
        if before is None or before.piece.node != one.piece.node:
            # What it was entitled to elsewhere, or before its hours were over, it is not here.
            self._in_force_before.pop(one.piece.piece_id, None)
        self._count(one, 1)
        if instead_of is not None or (before is not None and _is_less(one.piece, before.piece)):
            self._let_odd_cards_go_in_turn()
        gone = None if instead_of is None else instead_of.piece.piece_id
        if gone is not None:
            self._layout_changes.add(gone)
        self._put_into(self._lasting, one, gone, self._other_grace())
        if self._now is not self._lasting:
            self._put_into(self._now, one, gone, None)

    def _put_into(
        self, index: EntitlementIndex, one: Entered, gone: PieceId | None, tree: GroupTree | None
    ) -> None:
        as_before = bool(one.as_before)
        index.put(one.piece, one.since, one.lot, tree, as_before=as_before, instead_of=gone)

    def remove(self, one: Entered) -> None:
        """Take a slice out."""
        self._in_force_before.pop(one.piece.piece_id, None)
        self._layout_changes.add(one.piece.piece_id)
        self._count(one, -1)
        self._let_odd_cards_go_in_turn()
        self._lasting.remove(one.piece.piece_id, self._other_grace())
        if self._now is not self._lasting:
            self._now.remove(one.piece.piece_id)

    @contextmanager
    def without(self, one: Entered) -> Iterator[None]:
        """Let a slice not be there for a time, and nobody follow it; then all is as before."""
        now, lasting = self._index(), self._lasting
        flags = self._grace_is_other, self._cards_are_other
        self._count(one, -1)
        self._grace_is_other, self._cards_are_other = flags
        tree = self._in_force(None) if one.as_before else lasting.tree
        tree_now = self._in_force(self._expected_of(self._keeping)) if one.as_before else now.tree
        try:
            with ExitStack() as aside:
                if lasting is not now:
                    aside.enter_context(lasting.without(one.piece.piece_id, tree))
                aside.enter_context(now.without(one.piece.piece_id, tree_now))
                yield
        finally:
            self._count(one, 1)
            self._grace_is_other, self._cards_are_other = flags

    def end_grace(self, one: Entered) -> None:
        """Let a slice count as any other from now on."""
        self._grace(one, -1)
        for index in {self._lasting, self._now}:
            index.put(one.piece, one.since, one.lot)

    def steps(self, piece_id: PieceId) -> int:
        """Return to how many steps a slice is entitled now."""
        piece = self._index().piece(piece_id)
        return 0 if piece is None else piece.entitled

    def lasting_steps(self, piece_id: PieceId) -> int:
        """Return to how many steps a slice would be entitled if there were enough cards."""
        self._refresh_grace()
        piece = self._lasting.piece(piece_id)
        return 0 if piece is None else piece.entitled

    def piece(self, piece_id: PieceId) -> Piece | None:
        """Return a slice as a piece, or ``None``."""
        return self._index().piece(piece_id)

    def borrowed_at(self, node: NodeName, most: Fraction | None) -> Iterator[PieceId]:
        """Yield the slices in a node that are not entitled there, of at most so many cards each."""
        return self._index().borrowed_at(node, most)

    def pieces(self) -> tuple[Piece, ...]:
        """Return all slices, the oldest first."""
        return tuple(self._index().pieces())

    def steps_for(self, node: NodeName, cards: Fraction) -> int:
        """Return to how many steps one more slice would be entitled."""
        return self._index().steps_for(node, cards)

    def entitled_beside(self, path: Sequence[NodeName], at: int, steps: int) -> EntitledSum:
        """Return what stays entitled at ``path[at]`` beside one more slice of so many steps."""
        return self._index().entitled_beside(path, at, steps)

    def entitled_inside(self, node: NodeName) -> EntitledSum:
        """Return what is entitled in the groups of a node; at a leaf what is entitled there."""
        return self._index().entitled_inside(node)

    def steps_as_before(self, node: NodeName, cards: Fraction, steps: int) -> int:
        """Return to how many steps one more slice would be entitled that counts as before.

        ``steps``: to how many it was. What counts as before comes before all else, as far as the
        cards can keep it: on a card where nobody can make way none of it is kept.
        """
        self._refresh_grace()
        path = self.told.paths[node][:steps]
        graced = dict(self._graced)
        for name in path:
            graced[name] = graced.get(name, NO_CARD) + cards
        tree, _ = guarantees_in_force(
            self.told,
            self._expected_of(self._keeping),
            self._turns,
            graced,
            self._entitled_in_force(),
        )
        depths = range(len(path), 0, -1)
        kept = (d for d in depths if graced[path[d - 1]] <= tree.nodes[path[d - 1]].guaranteed)
        return next(kept, 0)

    def position(self, asks: Mapping[NodeName, Fraction]) -> Position:
        """Return how the groups stand where leaves ask for so much beyond what they hold."""
        index = self._index()
        supply = max(self._expected_of(self._cards), index.tree.root.guaranteed)
        shares = Shares(index.tree, supply, self._wants.asking(asks))
        return Position(index.tree, shares, SumsOf(self._wants.held), SumsOf(index.entitled))

    def rank_changes(self) -> frozenset[PieceId]:
        """Return whose entitlement may have changed since this was asked last."""
        self._drain()
        changed = frozenset(self._rank_changes)
        self._rank_changes.clear()
        return changed

    def layout_changes(self) -> frozenset[PieceId]:
        """Return the same for who asks for the layout, and what is gone."""
        self._drain()
        changed = frozenset(self._layout_changes)
        self._layout_changes.clear()
        return changed

    def _drain(self) -> None:
        index = self._index()
        changed = index.changes()
        if index is not self._lasting:
            changed |= self._lasting.changes()
        self._rank_changes |= changed
        self._layout_changes |= changed

    def _count(self, one: Entered, count: int) -> None:
        self._wants.change(one.piece.node, count * one.piece.cards)
        self._grace(one, count)

    def _grace(self, one: Entered, count: int) -> None:
        for name in self.told.paths[one.piece.node][: one.as_before]:
            graced = self._graced.get(name, NO_CARD) + count * one.piece.cards
            if graced:
                self._graced[name] = graced
            else:
                self._graced.pop(name, None)
            self._grace_is_other = True

    def _refresh_grace(self) -> None:
        lasting = self._other_grace()
        if lasting is not None:
            self._lasting.under(lasting)

    def _in_force(self, cards: Fraction | None) -> GroupTree:
        entitled = self._entitled_in_force()
        return guarantees_in_force(self.told, cards, self._turns, self._graced, entitled)[0]

    def _expected_of(self, cards: Fraction) -> Fraction:
        """Return how many cards count: an agent could make some up, for which others make way."""
        return cards if self._expect is None else min(cards, self._expect)

    def _other_grace(self) -> GroupTree | None:
        """Return the guarantees with what is graced, where that is other than before."""
        if not self._grace_is_other:
            return None
        self._grace_is_other = False
        self._cards_are_other = True
        return self._in_force(None)

    def _index(self) -> EntitlementIndex:
        """Return what is entitled under the guarantees that the cards can keep."""
        self._refresh_grace()
        if not self._cards_are_other:
            return self._now
        self._cards_are_other = False
        tree, self.cut = guarantees_in_force(
            self.told,
            self._expected_of(self._keeping),
            self._turns,
            self._graced,
            self._entitled_in_force(),
        )
        if tree == self._lasting.tree:
            # All is in force: what was so with fewer cards says nothing any more.
            self._in_force_before = {}
            self._leave_shortage()
        elif self._now is self._lasting or tree != self._now.tree:
            before = self._steps_before()
            self._now = EntitlementIndex(tree)
            self._now.fill(
                (replace(piece, entitled=before.get(piece.piece_id, piece.entitled)), age)
                for piece, age in self._lasting.entries()
            )
        return self._now

    def _let_odd_cards_go_in_turn(self) -> None:
        """Note that those may go in turn which were kept for a slice that is less, or gone."""
        self._cards_are_other |= self._now is not self._lasting

    def _steps_before(self) -> Mapping[PieceId, int]:
        """Return to how many steps slices are entitled while there are too few cards."""
        if self._now is self._lasting:
            return self._in_force_before
        return {piece.piece_id: piece.entitled for piece in self._now.pieces()}

    def _entitled_in_force(self) -> Mapping[NodeName, Fraction]:
        """Return what is entitled at each node while there are too few cards: it stays so."""
        if self._now is not self._lasting:
            return self._now.entitled
        if not self._in_force_before:
            # So far there were cards enough: who holds some keeps them before who holds none.
            return self._lasting.entitled
        sums: dict[NodeName, Fraction] = {}
        for piece_id, steps in self._in_force_before.items():
            piece = self._lasting.piece(piece_id)
            if piece is not None:
                for name in self.told.paths[piece.node][:steps]:
                    sums[name] = sums.get(name, NO_CARD) + piece.cards
        return sums

    def _leave_shortage(self) -> None:
        if self._now is not self._lasting:
            everyone = (piece.piece_id for piece in self._now.pieces())
            self._now = self._lasting
            self._lasting.touch(everyone)


def _is_less(piece: Piece, before: Piece) -> bool:
    return piece.node != before.node or piece.cards < before.cards
