"""Which slices are entitled, and which are borrowed, at each level of the tree.

A slice is entitled while the entitled slices of its group, with it, are within the guarantee; one
that straddles the guarantee is borrowed. Between two groups this is judged one step below their
common ancestor, so a slice that its own group borrows can be entitled against everybody outside
its parent. What is entitled stays so; when it ends, the oldest borrowed one that fits follows.

Whatever a group's children are entitled to comes first in the group's own guarantee: a sibling's
slice in there was borrowed from them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NewType

from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.group_tree import ROOT, GroupTree, NodeName

PieceId = NewType("PieceId", str)
"""The name of a slice, or of a job on a card."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What somebody holds of one card."""

    piece_id: PieceId
    node: NodeName
    """The leaf of the tree that pays."""
    cards: Fraction
    suspendable: bool = True
    """Whether the piece can make way alive."""
    entitled: int = 0
    """How many steps of the way from the root to the leaf count the piece as entitled: all of them,
    entitled against everybody; 0, borrowed from everybody else.
    """


def entitle(tree: GroupTree, pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Return the pieces with what they are entitled to, in the same order.

    ``tree`` has the guarantees in force. ``pieces`` are told oldest first, with what they were
    entitled to before.
    """
    tree.require_leaves(piece.node for piece in pieces)
    of_node: dict[NodeName, list[int]] = {name: [] for name in tree.nodes}
    for index, piece in enumerate(pieces):
        of_node[piece.node].append(index)
    entitled: dict[int, int] = {}
    for name, node in reversed(tuple(tree.nodes.items())):
        if name == ROOT:
            continue
        path = tree.paths[name]
        depth = len(path)
        inside = sorted(of_node[name])
        used = sum((pieces[i].cards for i in inside if entitled.get(i, 0) > depth), NO_CARD)
        others = [i for i in inside if entitled.get(i, 0) <= depth]
        for index in sorted(others, key=lambda i: pieces[i].entitled < depth):
            if used + pieces[index].cards <= node.guaranteed:
                used += pieces[index].cards
                entitled[index] = depth
        of_node[path[-2] if depth > 1 else ROOT].extend(inside)
    return tuple(replace(piece, entitled=entitled.get(i, 0)) for i, piece in enumerate(pieces))


def entitled_sums(tree: GroupTree, pieces: Iterable[Piece]) -> Mapping[NodeName, Fraction]:
    """Return of each node what is entitled there."""
    sums = dict.fromkeys(tree.nodes, NO_CARD)
    for piece in pieces:
        for name in tree.paths[piece.node][: piece.entitled]:
            sums[name] += piece.cards
    return sums
