"""Which slices are entitled, and which are borrowed, at each level of the tree.

A slice is entitled while the entitled slices of its group, with it, are within the guarantee; one
that straddles the guarantee is borrowed. Between two groups this is judged one step below their
common ancestor, so a slice that its own group borrows can be entitled against everybody outside
its parent. What is entitled stays so; when it ends, the oldest borrowed one that fits follows.

Whatever a group's children are entitled to comes first in the group's own guarantee: a sibling's
slice in there was borrowed from them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    sizes = [(piece.node, piece.cards) for piece in pieces]
    before = [piece.entitled for piece in pieces]
    entitled = entitled_steps(tree, sizes, lambda name: tree.nodes[name].guaranteed, before)
    return tuple(
        piece if piece.entitled == steps else replace(piece, entitled=steps)
        for piece, steps in zip(pieces, entitled, strict=True)
    )


def entitled_steps(
    tree: GroupTree,
    pieces: Sequence[tuple[NodeName, Fraction]],
    guaranteed: Callable[[NodeName], Fraction],
    before: Sequence[int] = (),
) -> list[int]:
    """Return to how many steps each piece is entitled, which is told by its leaf and its cards.

    ``guaranteed``: what nodes have for them. ``before``: to how many steps each was entitled
    before; nothing, to none.
    """
    tree.require_leaves({leaf for leaf, _ in pieces})
    inside: dict[NodeName, list[int]] = {}
    for index, (leaf, _) in enumerate(pieces):
        for name in tree.paths[leaf]:
            inside.setdefault(name, []).append(index)
    units = whole_units(cards for _, cards in pieces)
    sizes = [in_units(cards, units) for _, cards in pieces]
    entitled = [0] * len(pieces)
    for name in sorted(inside, key=lambda name: len(tree.paths[name]), reverse=True):
        depth = len(tree.paths[name])
        room = int(guaranteed(name) * units)
        room -= sum(sizes[i] for i in inside[name] if entitled[i])
        others = [i for i in inside[name] if not entitled[i]]
        if before:
            others.sort(key=lambda i: before[i] < depth)
        for index in others if room >= 0 else ():
            if sizes[index] <= room:
                room -= sizes[index]
                entitled[index] = depth
    return entitled


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
