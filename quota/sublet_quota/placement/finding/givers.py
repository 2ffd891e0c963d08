"""Who could give room to a request at all, and how much at most: what spares looking at cards.

The answer errs on the side of looking: whoever ``shares.reclaim.take`` would take from is in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.entitlement import Piece
from sublet_quota.shares.group_tree import ROOT, GroupTree, NodeName
from sublet_quota.shares.reclaim import Position, Request


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


def givers(position: Position, request: Request) -> Givers:
    """Return who could give anything to a request."""
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
            of_level = _of_siblings(position, path, level, due=due)
            most |= of_level
            inside += sum(of_level.values(), NO_CARD)
        allowed = allowed and (due or shared)
    return Givers(tree, path, most)


def _of_siblings(
    position: Position, path: tuple[NodeName, ...], level: int, *, due: bool
) -> dict[NodeName, Fraction]:
    """Return what each sibling of a step holds above what it keeps in any case."""
    above = path[level - 1] if level else ROOT
    most: dict[NodeName, Fraction] = {}
    for node in position.tree.nodes[above].children:
        name = node.name
        if name == path[level]:
            continue
        held = position.held[name]
        borrowed = held - position.entitled[name]
        if borrowed <= 0:
            continue
        given = borrowed if due else min(borrowed, held - position.shares[name])
        if given > 0:
            most[name] = given
    return most
