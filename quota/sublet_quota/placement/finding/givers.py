"""Who could give room to a request at all, and how much at most: what spares looking at cards.

The answer errs on the side of looking: whoever ``shares.reclaim.take`` would take from is in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.entitlement import Piece
from sublet_quota.shares.group_tree import ROOT, GroupTree, NodeName
from sublet_quota.shares.reclaim import Position, Request

Borrowers = dict[NodeName, Sequence[tuple[NodeName, Fraction, Fraction]]]
"""By node, once that was asked for: those in it that borrow, what each holds, and what it borrows.

Whoever asks for however much, that is the same.
"""


@dataclass(slots=True)
class Givers:
    """Those beside the request's path who hold more than they are due, as the request sees it."""

    tree: GroupTree
    path: tuple[NodeName, ...]
    most: Mapping[NodeName, Fraction]
    """What each may give at most, in cards."""
    _of_leaf: dict[NodeName, NodeName] = field(default_factory=dict)

    def could_give(self, pieces: tuple[Piece, ...], need: Fraction) -> bool:
        """Whether these pieces could be enough."""
        sums: dict[NodeName, Fraction] = {}
        for piece in pieces:
            giver = self._giver(piece.node)
            if piece.suspendable and piece.cards <= self.most.get(giver, NO_CARD):
                sums[giver] = sums.get(giver, NO_CARD) + piece.cards
        given = (min(cards, self.most[name]) for name, cards in sums.items())
        return sum(given, NO_CARD) >= need

    def _giver(self, leaf: NodeName) -> NodeName:
        """Return the node above a leaf that is compared with one on the request's path."""
        if leaf not in self._of_leaf:
            steps = zip(self.path, self.tree.paths[leaf], strict=False)
            self._of_leaf[leaf] = next((theirs for mine, theirs in steps if mine != theirs), leaf)
        return self._of_leaf[leaf]


def givers(position: Position, request: Request, borrowers: Borrowers) -> Givers:
    """Return who could give anything to a request; ``borrowers`` becomes more."""
    tree, path = position.tree, position.tree.paths[request.node]
    most: dict[NodeName, Fraction] = {}
    inside = NO_CARD
    allowed = True
    for level in reversed(range(len(path))):
        mine, cards = path[level], request.cards - inside
        due = position.entitled[mine] + cards <= tree.nodes[mine].guaranteed
        shared = request.suspendable and position.held[mine] + cards <= position.shares[mine]
        if level == len(path) - 1:
            allowed = request.suspendable or due
            if due and (borrowed := position.held[mine] - position.entitled[mine]) > 0:
                most[mine] = borrowed
                inside += borrowed
        if allowed and (due or shared):
            beside = _borrowers_in(position, path[level - 1] if level else ROOT, borrowers)
            of_level = _of_siblings(position, path[level], beside, due=due)
            most |= of_level
            inside += sum(of_level.values(), NO_CARD)
        allowed = allowed and (due or shared)
    return Givers(tree, path, most)


def _borrowers_in(
    position: Position, above: NodeName, borrowers: Borrowers
) -> Sequence[tuple[NodeName, Fraction, Fraction]]:
    """Return those in a node that borrow, with what they hold and borrow."""
    if above not in borrowers:
        names = (node.name for node in position.tree.nodes[above].children)
        sums = ((name, position.held[name], position.entitled[name]) for name in names)
        borrowers[above] = [
            (name, held, held - entitled) for name, held, entitled in sums if held > entitled
        ]
    return borrowers[above]


def _of_siblings(
    position: Position,
    mine: NodeName,
    borrowers: Sequence[tuple[NodeName, Fraction, Fraction]],
    *,
    due: bool,
) -> dict[NodeName, Fraction]:
    """Return what each sibling of a step holds above what it keeps in any case."""
    if due:
        return {name: borrowed for name, _, borrowed in borrowers if name != mine}
    most: dict[NodeName, Fraction] = {}
    for name, held, borrowed in borrowers:
        if name != mine and held > (share := position.shares[name]):
            most[name] = min(borrowed, held - share)
    return most
