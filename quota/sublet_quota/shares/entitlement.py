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

from sublet_quota.shares.cards import in_units, total, whole_units
from sublet_quota.shares.group_tree import GroupTree, NodeName

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
    memory_mib: int = 0
    """What limits count of it besides cards."""


def entitle(tree: GroupTree, pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Return the pieces with what they are entitled to, in the same order.

    ``tree`` has the guarantees in force. ``pieces`` are told oldest first, with what they were
    entitled to before: those of all groups, or of any of the groups below the root, each with all
    that is in it, as these do not concern each other.
    """
    tree.require_leaves({piece.node for piece in pieces})
    inside: dict[NodeName, list[int]] = {}
    for index, piece in enumerate(pieces):
        for name in tree.paths[piece.node]:
            inside.setdefault(name, []).append(index)
    units = whole_units(piece.cards for piece in pieces)
    sizes = [in_units(piece.cards, units) for piece in pieces]
    entitled = [0] * len(pieces)
    for name in sorted(inside, key=lambda name: len(tree.paths[name]), reverse=True):
        depth = len(tree.paths[name])
        room = int(tree.nodes[name].guaranteed * units)
        first = [i for i in inside[name] if entitled[i]]
        others = [i for i in inside[name] if not entitled[i]]
        room -= sum(sizes[i] for i in first)
        for index in sorted(others, key=lambda i: pieces[i].entitled < depth):
            if sizes[index] <= room:
                room -= sizes[index]
                entitled[index] = depth
    return tuple(
        piece if piece.entitled == steps else replace(piece, entitled=steps)
        for piece, steps in zip(pieces, entitled, strict=True)
    )


def is_entitled_against(tree: GroupTree, piece: Piece, leaf: NodeName) -> bool:
    """Whether a piece is entitled as a leaf sees it: one step below what is above both.

    Its own leaf sees it so where it is entitled against everybody.
    """
    last = len(tree.paths[piece.node]) - 1
    return piece.entitled > min(tree.in_common(piece.node, leaf), last)


def held_sums(tree: GroupTree, pieces: Iterable[Piece]) -> Mapping[NodeName, Fraction]:
    """Return of each node what is held there."""
    return _sums(tree, ((piece.cards, tree.paths[piece.node]) for piece in pieces))


def entitled_sums(tree: GroupTree, pieces: Iterable[Piece]) -> Mapping[NodeName, Fraction]:
    """Return of each node what is entitled there."""
    return _sums(
        tree, ((piece.cards, tree.paths[piece.node][: piece.entitled]) for piece in pieces)
    )


def _sums(
    tree: GroupTree, amounts: Iterable[tuple[Fraction, tuple[NodeName, ...]]]
) -> Mapping[NodeName, Fraction]:
    of_node: dict[NodeName, list[Fraction]] = {}
    for cards, names in amounts:
        for name in names:
            of_node.setdefault(name, []).append(cards)
    return {name: total(of_node.get(name, ())) for name in tree.nodes}
