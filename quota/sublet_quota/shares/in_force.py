"""Guarantees in force: what of them can be kept with the cards that there are.

Where there are fewer cards than are guaranteed, in force are whole cards in proportion; the odd
ones go to who used least; but nobody whose slices are within a guarantee loses it to who used less
by now: groups do not take turns on a card. The same holds within each group whose own guarantee was
cut.

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
NOTHING_ENTITLED: Final[Mapping[NodeName, Fraction]] = MappingProxyType({})


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
    entitled: Mapping[NodeName, Fraction] = NOTHING_ENTITLED,
) -> tuple[GroupTree, GuaranteesCut | None]:
    """Return the tree with the guarantees that can be kept, and the warning if they are not all.

    ``cards`` are the open cards of the type; ``None``: as many as it takes. ``turns`` is the order
    in which odd cards go: each node's place in the fair order (``fair_order.ranks``), then a lot
    drawn for the node. ``graced`` is what of each node counts as entitled as before, ``entitled``
    what is entitled at it now, under the guarantees in force so far.
    """
    cut = None
    if cards is not None and tree.root.guaranteed > cards:
        cut = GuaranteesCut(tree.root.guaranteed, cards)
    if cut is None and not graced:
        return tree, None
    claims = {
        name: max(node.guaranteed, graced.get(name, NO_CARD)) for name, node in tree.nodes.items()
    }
    cutting = _Cutting(claims, turns, graced, entitled)
    allowed = {tree.root.name: _claimed(tree.root, claims) if cards is None else cards}
    for name, node in tree.nodes.items():
        allowed.update(cutting.among(node.children, allowed[name]))
    allowed[tree.root.name] = sum((allowed[one.name] for one in tree.root.children), NO_CARD)
    return tree.with_guarantees(allowed), cut


def _claimed(node: GroupNode, claims: Mapping[NodeName, Fraction]) -> Fraction:
    return sum((claims[child.name] for child in node.children), NO_CARD)


@dataclass(frozen=True, slots=True)
class _Cutting:
    """What goes into a cut, of each node."""

    claims: Mapping[NodeName, Fraction]
    turns: Mapping[NodeName, tuple[int, int]]
    graced: Mapping[NodeName, Fraction]
    entitled: Mapping[NodeName, Fraction]

    def among(self, children: Sequence[GroupNode], cards: Fraction) -> dict[NodeName, Fraction]:
        """Return what each child has of a parent's cards: first what is graced."""
        claimed = {child.name: self.claims[child.name] for child in children}
        if sum(claimed.values()) <= cards:
            return claimed
        entitled = {name: self.entitled.get(name, NO_CARD) for name in claimed}
        first = {name: self.graced.get(name, NO_CARD) for name in claimed}
        left = cards - sum(first.values())
        if left < 0:
            return self._cut(claimed, cards, entitled)
        more = {name: claim - first[name] for name, claim in claimed.items()}
        kept = self._cut(more, left, {name: entitled[name] - first[name] for name in claimed})
        return {name: first[name] + kept[name] for name in claimed}

    def _cut(
        self,
        claims: Mapping[NodeName, Fraction],
        cards: Fraction,
        entitled: Mapping[NodeName, Fraction],
    ) -> dict[NodeName, Fraction]:
        """Return what each has of so many cards; who would lose what is entitled comes first."""
        some = (name for name, claim in claims.items() if claim)
        in_turn = sorted(some, key=self.turns.__getitem__)
        by_turns = _with_odd(claims, cards, in_turn)
        if all(entitled[name] <= kept for name, kept in by_turns.items()):
            return by_turns
        whole = _in_proportion(claims, cards)
        in_turn.sort(key=lambda name: entitled[name] <= whole[name])
        return _with_odd(claims, cards, in_turn)


def _in_proportion(
    claims: Mapping[NodeName, Fraction], cards: Fraction
) -> dict[NodeName, Fraction]:
    """Return the whole cards of each."""
    claimed = sum(claims.values())
    return {name: Fraction(claim * cards // claimed) for name, claim in claims.items()}


def _with_odd(
    claims: Mapping[NodeName, Fraction], cards: Fraction, in_turn: Sequence[NodeName]
) -> dict[NodeName, Fraction]:
    """Return the whole cards of each with odd ones, which go in turn."""
    kept = _in_proportion(claims, cards)
    left = cards - sum(kept.values())
    while left > 0:
        for name in in_turn:
            odd = min(WHOLE_CARD, claims[name] - kept[name], left)
            kept[name] += odd
            left -= odd
    return kept
