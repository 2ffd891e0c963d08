"""What is entitled, kept as slices come and go: equal to ``entitle`` on what was entitled before.

A change concerns only the node that pays and those above it: at each of these, from the leaf up,
what was entitled stays as far as it fits, and then the oldest borrowed ones that fit follow.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Final

from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.entitled_by_age import Age, KeptByAge, WaitingByAge
from sublet_quota.shares.entitlement import Piece, PieceId
from sublet_quota.shares.group_tree import GroupTree, NodeName


@dataclass(slots=True)
class _Entry:
    piece: Piece
    age: Age


@dataclass(frozen=True, slots=True)
class EntitledSum:
    """What is entitled at a node, as limits count it."""

    cards: Fraction
    memory_mib: int
    slices: int

    def __add__(self, other: "EntitledSum") -> "EntitledSum":
        """Return both together."""
        cards, memory_mib = self.cards + other.cards, self.memory_mib + other.memory_mib
        return EntitledSum(cards, memory_mib, self.slices + other.slices)

    def __sub__(self, other: "EntitledSum") -> "EntitledSum":
        """Return this one without the other."""
        cards, memory_mib = self.cards - other.cards, self.memory_mib - other.memory_mib
        return EntitledSum(cards, memory_mib, self.slices - other.slices)


NOTHING_ENTITLED: Final = EntitledSum(NO_CARD, 0, 0)


class EntitlementIndex:
    """The pieces of one GPU type, with what each is entitled to."""

    def __init__(self, tree: GroupTree) -> None:
        self.tree = tree
        """The groups, with the guarantees that count here."""
        self._entries: dict[PieceId, _Entry] = {}
        self._kept: dict[NodeName, KeptByAge] = {}
        self._waiting: dict[NodeName, WaitingByAge] = {}
        self._entitled: dict[NodeName, Fraction] = {}
        self._sums: dict[NodeName, EntitledSum] = {}
        self._sums_inside: dict[NodeName, EntitledSum] = {}
        """The sums of a node's children."""
        self._changed: set[PieceId] = set()

    def put(  # noqa: PLR0913 - what a piece is, and what goes with it
        self,
        piece: Piece,
        since: datetime,
        lot: int,
        tree: GroupTree | None = None,
        *,
        as_before: bool = False,
        instead_of: PieceId | None = None,
    ) -> None:
        """Enter a piece, or what is new about one; ``tree``: other guarantees that go with it.

        ``piece.entitled`` is what a new one was entitled to before. One that is there stays
        entitled as far as its new size lets it, and is a new one where another node pays.
        ``as_before``: it comes before those that are older. ``instead_of``: a piece that is taken
        out, in whose place a new one is entitled before any other follows.
        """
        concerned = self._guarantee(tree)
        if instead_of is not None and (gone := self._entries.get(instead_of)) is not None:
            self._take_out(gone)
            concerned.update(self.tree.paths[gone.piece.node])
            steps = max(piece.entitled, self.steps_for(piece.node, piece.cards))
            piece = replace(piece, entitled=steps)
        before = self._entries.get(piece.piece_id)
        age = Age(not as_before, since, lot, piece.piece_id)
        if before is not None:
            same = replace(before.piece, suspendable=piece.suspendable)
            if before.age == age and same == replace(piece, entitled=same.entitled):
                self._entries[piece.piece_id] = _Entry(same, age)
                self._settle(concerned)
                return
            piece = replace(piece, entitled=self._stays(before.piece, piece))
            self._take_out(before)
        self._enter(_Entry(piece, age))
        self._changed.add(piece.piece_id)
        concerned.update(self.tree.paths[piece.node])
        if before is not None:
            concerned.update(self.tree.paths[before.piece.node])
        self._settle(concerned)

    def fill(self, pieces: Iterable[tuple[Piece, Age]]) -> None:
        """Enter many new pieces at once, with what they were entitled to before."""
        leaves = set()
        for piece, age in pieces:
            self._enter(_Entry(piece, age))
            self._changed.add(piece.piece_id)
            leaves.add(piece.node)
        self._settle({name for leaf in leaves for name in self.tree.paths[leaf]})

    def remove(self, piece_id: PieceId, tree: GroupTree | None = None) -> None:
        """Take a piece out, if it is there; the oldest borrowed ones that fit follow.

        ``tree``: other guarantees that go with it.
        """
        concerned = self._guarantee(tree)
        entry = self._entries.get(piece_id)
        if entry is not None:
            self._take_out(entry)
            concerned.update(self.tree.paths[entry.piece.node])
        self._settle(concerned)

    @contextmanager
    def without(self, piece_id: PieceId, tree: GroupTree) -> Iterator[None]:
        """Let a piece not be there for a time, and nobody follow it; then all is as before.

        ``tree`` has the guarantees of that time. Nothing may be put or removed in it.
        """
        entry, before = self._entries[piece_id], self.tree
        self._take_out(entry)
        self.tree = tree
        try:
            yield
        finally:
            self.tree = before
            self._enter(entry)

    def piece(self, piece_id: PieceId) -> Piece | None:
        """Return a piece with what it is entitled to, or ``None``."""
        entry = self._entries.get(piece_id)
        return None if entry is None else entry.piece

    def pieces(self) -> Iterator[Piece]:
        """Yield all pieces, the oldest first."""
        by_age = sorted(self._entries.values(), key=lambda entry: entry.age)
        return (entry.piece for entry in by_age)

    def entries(self) -> Iterator[tuple[Piece, Age]]:
        """Yield all pieces, each with its age."""
        return ((entry.piece, entry.age) for entry in self._entries.values())

    @property
    def entitled(self) -> Mapping[NodeName, Fraction]:
        """What is entitled at each node; a node that is not there has nothing."""
        return self._entitled

    def entitled_beside(self, path: Sequence[NodeName], at: int, steps: int) -> EntitledSum:
        """Return what stays entitled at ``path[at]`` beside one more piece of so many steps.

        On its way that is what is entitled in the other groups, and at the last of its steps all.
        What is entitled to fewer steps there makes way in the guarantee.
        """
        last = min(steps, len(path)) - 1
        found = self._sums.get(path[max(at, last)], NOTHING_ENTITLED)
        for depth in range(at, last):
            inside = self._sums_inside.get(path[depth], NOTHING_ENTITLED)
            found += inside - self._sums.get(path[depth + 1], NOTHING_ENTITLED)
        return found

    def entitled_inside(self, node: NodeName) -> EntitledSum:
        """Return what is entitled in the groups of a node; at a leaf what is entitled there."""
        sums = self._sums_inside if self.tree.nodes[node].children else self._sums
        return sums.get(node, NOTHING_ENTITLED)

    def steps_for(self, node: NodeName, cards: Fraction) -> int:
        """Return to how many steps of its way one more piece would be entitled."""
        return self._steps_with_room(node, cards, len(self.tree.paths[node]))

    def borrowed_at(self, node: NodeName, most: Fraction | None) -> Iterator[PieceId]:
        """Yield the pieces in a node that are not entitled there, of at most so many cards each."""
        waiting = self._waiting.get(node, WaitingByAge())
        return (age.piece_id for age in waiting.within(most))

    def changes(self) -> frozenset[PieceId]:
        """Return whose entitlement may have changed since this was asked last."""
        changed = frozenset(self._changed & self._entries.keys())
        self._changed.clear()
        return changed

    def touch(self, piece_ids: Iterable[PieceId]) -> None:
        """Let ``changes`` tell these, too."""
        self._changed.update(piece_ids)

    def under(self, tree: GroupTree) -> None:
        """Put other guarantees in force; ``tree`` has the same groups."""
        self._settle(self._guarantee(tree))

    def _guarantee(self, tree: GroupTree | None) -> set[NodeName]:
        """Take over other guarantees, and return the nodes that they concern."""
        if tree is None or tree is self.tree:
            return set()
        before, self.tree = self.tree.nodes, tree
        other = [
            name for name, node in tree.nodes.items() if node.guaranteed != before[name].guaranteed
        ]
        return {above for name in other for above in tree.paths[name]}

    def _stays(self, before: Piece, piece: Piece) -> int:
        """Return to what a piece stays entitled that changes its size, beside all others."""
        if before.node != piece.node:
            return 0
        return self._steps_with_room(piece.node, piece.cards - before.cards, before.entitled)

    def _steps_with_room(self, node: NodeName, cards: Fraction, most: int) -> int:
        """Return how many steps of a way, at most so many, lead to a node with room for cards."""
        path = self.tree.paths[node]
        depths = range(most, 0, -1)
        return next((depth for depth in depths if cards <= self._spare(path[depth - 1])), 0)

    def _spare(self, name: NodeName) -> Fraction:
        return self.tree.nodes[name].guaranteed - self._entitled.get(name, NO_CARD)

    def _enter(self, entry: _Entry) -> None:
        piece = entry.piece
        self._entries[piece.piece_id] = entry
        for depth, name in enumerate(self.tree.paths[piece.node], start=1):
            self._place(entry, name, depth)

    def _place(self, entry: _Entry, name: NodeName, depth: int) -> None:
        piece = entry.piece
        if depth > piece.entitled:
            self._waiting.setdefault(name, WaitingByAge()).add(entry.age, piece.cards)
            return
        self._add(name, piece, 1)
        if depth == piece.entitled:
            self._kept.setdefault(name, KeptByAge()).add(entry.age, piece.cards)

    def _take_out(self, entry: _Entry) -> None:
        piece = entry.piece
        del self._entries[piece.piece_id]
        for depth, name in enumerate(self.tree.paths[piece.node], start=1):
            if depth > piece.entitled:
                self._waiting[name].discard(entry.age, piece.cards)
                continue
            self._add(name, piece, -1)
            if depth == piece.entitled:
                self._kept[name].discard(entry.age, piece.cards)

    def _add(self, name: NodeName, piece: Piece, count: int) -> None:
        more = EntitledSum(count * piece.cards, count * piece.memory_mib, count)
        _add_to(self._sums, name, more)
        above = self.tree.paths[name][-2:-1]
        if above:
            _add_to(self._sums_inside, above[0], more)
        entitled = self._entitled.get(name, NO_CARD) + more.cards
        if entitled:
            self._entitled[name] = entitled
        else:
            self._entitled.pop(name, None)

    def _settle(self, names: Iterable[NodeName]) -> None:
        """Look at nodes anew, each with all that are above it."""
        for name in sorted(names, key=lambda name: -len(self.tree.paths[name])):
            self._let_go(name)
            self._let_in(name)

    def _let_go(self, name: NodeName) -> None:
        """Lessen what is entitled here and not below, the oldest that fit stay."""
        kept = self._kept.get(name)
        if kept is None or self._spare(name) >= 0:
            return
        room = self._spare(name) + kept.sum
        for age in kept:
            entry = self._entries[age.piece_id]
            if entry.piece.cards <= room:
                room -= entry.piece.cards
            else:
                self._set(entry, len(self.tree.paths[name]) - 1)

    def _let_in(self, name: NodeName) -> None:
        """Entitle the oldest borrowed ones that fit."""
        waiting = self._waiting.get(name)
        room = self._spare(name)
        while waiting is not None and room > 0:
            age = waiting.oldest_within(room)
            if age is None:
                return
            entry = self._entries[age.piece_id]
            room -= entry.piece.cards
            self._set(entry, len(self.tree.paths[name]))

    def _set(self, entry: _Entry, steps: int) -> None:
        piece = entry.piece
        self._take_out(entry)
        self._enter(_Entry(replace(piece, entitled=steps), entry.age))
        self._changed.add(piece.piece_id)


def _add_to(sums: dict[NodeName, EntitledSum], name: NodeName, more: EntitledSum) -> None:
    found = sums.get(name, NOTHING_ENTITLED) + more
    if found.slices:
        sums[name] = found
    else:
        sums.pop(name, None)
