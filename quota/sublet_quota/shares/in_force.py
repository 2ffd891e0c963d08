"""Guarantees in force: what of them can be kept with the cards that there are.

Where there are fewer cards than are guaranteed, in force are whole cards in proportion; the odd
ones go to who used least. The same holds within each group whose own guarantee was cut.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sublet_quota.shares.cards import NO_CARD, WHOLE_CARD
from sublet_quota.shares.group_tree import GroupNode, GroupTree, NodeName


@dataclass(frozen=True, slots=True)
class GuaranteesCut:
    """More is guaranteed of a type than there are cards of it: a warning."""

    guaranteed: Fraction
    """All guarantees together."""
    cards: Fraction
    """The cards that there are."""


def guarantees_in_force(
    tree: GroupTree, cards: Fraction, turns: Mapping[NodeName, tuple[int, int]]
) -> tuple[GroupTree, GuaranteesCut | None]:
    """Return the tree with the guarantees that can be kept, and the warning if they are not all.

    ``cards`` are the open cards of the type; ``turns`` is the order in which odd cards go:
    each node's place in the fair order (``fair_order.ranks``), then a lot drawn for the node.
    """
    if tree.root.guaranteed <= cards:
        return tree, None
    guaranteed: dict[NodeName, Fraction] = {tree.root.name: cards}
    for name, node in tree.nodes.items():
        if name in guaranteed:
            promised = sum((child.guaranteed for child in node.children), NO_CARD)
            if promised > guaranteed[name]:
                guaranteed.update(_cut(node.children, promised, guaranteed[name], turns))
    return tree.with_guarantees(guaranteed), GuaranteesCut(tree.root.guaranteed, cards)


def _cut(
    children: Sequence[GroupNode],
    promised: Fraction,
    cards: Fraction,
    turns: Mapping[NodeName, tuple[int, int]],
) -> dict[NodeName, Fraction]:
    kept = {child.name: Fraction(child.guaranteed * cards // promised) for child in children}
    left = cards - sum(kept.values())
    in_turn = sorted(children, key=lambda child: turns[child.name])
    while left > 0:
        for child in in_turn:
            odd = min(WHOLE_CARD, child.guaranteed - kept[child.name], left)
            kept[child.name] += odd
            left -= odd
    return kept
