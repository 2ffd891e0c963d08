"""Guarantees in force: what of them can be kept with the cards that there are.

Where there are fewer cards than are guaranteed, in force are whole cards in proportion; the odd
ones go to who used least. The same holds within each group whose own guarantee was cut.

What counts as before for a time, though its guarantee became less, comes first: what others are
guaranteed anew is in force as it leaves room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from sublet_quota.shares.cards import NO_CARD, WHOLE_CARD
from sublet_quota.shares.group_tree import GroupNode, GroupTree, NodeName

NOTHING_GRACED: Final[Mapping[NodeName, Fraction]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class GuaranteesCut:
    """More is guaranteed of a type than there are cards of it: a warning."""

    guaranteed: Fraction
    """All guarantees together."""
    cards: Fraction
    """The cards that there are."""


def guarantees_in_force(
    tree: GroupTree,
    cards: Fraction | None,
    turns: Mapping[NodeName, tuple[int, int]],
    graced: Mapping[NodeName, Fraction] = NOTHING_GRACED,
) -> tuple[GroupTree, GuaranteesCut | None]:
    """Return the tree with the guarantees that can be kept, and the warning if they are not all.

    ``cards`` are the open cards of the type; ``None``: as many as it takes. ``turns`` is the order
    in which odd cards go: each node's place in the fair order (``fair_order.ranks``), then a lot
    drawn for the node. ``graced`` is what of each node counts as entitled as before.
    """
    cut = None
    if cards is not None and tree.root.guaranteed > cards:
        cut = GuaranteesCut(tree.root.guaranteed, cards)
    if cut is None and not graced:
        return tree, None
    claims = {
        name: max(node.guaranteed, graced.get(name, NO_CARD)) for name, node in tree.nodes.items()
    }
    allowed = {tree.root.name: _claimed(tree.root, claims) if cards is None else cards}
    for name, node in tree.nodes.items():
        allowed.update(_among(node.children, allowed[name], claims, turns, graced))
    allowed[tree.root.name] = sum((allowed[one.name] for one in tree.root.children), NO_CARD)
    return tree.with_guarantees(allowed), cut


def _claimed(node: GroupNode, claims: Mapping[NodeName, Fraction]) -> Fraction:
    return sum((claims[child.name] for child in node.children), NO_CARD)


def _among(
    children: Sequence[GroupNode],
    cards: Fraction,
    claims: Mapping[NodeName, Fraction],
    turns: Mapping[NodeName, tuple[int, int]],
    graced: Mapping[NodeName, Fraction],
) -> dict[NodeName, Fraction]:
    """Return what each child has of a parent's cards: first what is graced."""
    claimed = {child.name: claims[child.name] for child in children}
    if sum(claimed.values()) <= cards:
        return claimed
    first = {name: graced.get(name, NO_CARD) for name in claimed}
    left = cards - sum(first.values())
    if left < 0:
        return _cut(claimed, cards, turns)
    more = {name: claim - first[name] for name, claim in claimed.items()}
    kept = _cut(more, left, turns)
    return {name: first[name] + kept[name] for name in claimed}


def _cut(
    claims: Mapping[NodeName, Fraction],
    cards: Fraction,
    turns: Mapping[NodeName, tuple[int, int]],
) -> dict[NodeName, Fraction]:
    claimed = sum(claims.values())
    kept = {name: Fraction(claim * cards // claimed) for name, claim in claims.items()}
    left = cards - sum(kept.values())
    in_turn = sorted((name for name, claim in claims.items() if claim), key=turns.__getitem__)
    while left > 0:
        for name in in_turn:
            odd = min(WHOLE_CARD, claims[name] - kept[name], left)
            kept[name] += odd
            left -= odd
    return kept
