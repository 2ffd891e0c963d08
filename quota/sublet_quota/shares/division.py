"""Each group's share of a GPU type: its guarantee, and by weight of what the others leave.

Nobody gets more than is asked for or than a limit allows; the rest goes on to who still asks. A
group's share is divided anew among the groups in it. Weight 0 gets what nobody else wants. Exact,
and without order: neither names nor the order of keys matter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from sublet_quota.errors import GroupTreeError
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.group_tree import ROOT, GroupNode, GroupTree, NodeName


def divide(
    tree: GroupTree, supply: Fraction, asks: Mapping[NodeName, Fraction]
) -> Mapping[NodeName, Fraction]:
    """Return the share of every node, in cards.

    ``tree`` has the guarantees in force (``guarantees_in_force``). ``supply`` are the cards to be
    divided. ``asks`` says of leaves all that they want, with what they hold; limits of the type are
    kept here, those over several types must be in the asks already.

    Raises ``GroupTreeError`` where more is guaranteed than there is, or no leaf asks.
    """
    if tree.root.guaranteed > supply:
        message = f"{tree.root.guaranteed} cards are guaranteed, and there are {supply}"
        raise GroupTreeError(message)
    tree.require_leaves(asks)
    wants = _wants(tree, asks)
    shares = {ROOT: min(supply, wants[ROOT])}
    for name, node in tree.nodes.items():
        if node.children:
            shares.update(_among(node.children, shares[name], wants))
    return shares


def _wants(tree: GroupTree, asks: Mapping[NodeName, Fraction]) -> Mapping[NodeName, Fraction]:
    """Return what each node asks for and may have."""
    wants: dict[NodeName, Fraction] = {}
    for name, node in reversed(tuple(tree.nodes.items())):
        if node.children:
            asked = sum((wants[child.name] for child in node.children), NO_CARD)
        else:
            asked = asks.get(name, NO_CARD)
        wants[name] = asked if node.limit is None else min(asked, node.limit)
    return wants


@dataclass(frozen=True, slots=True)
class _Gap:
    """What a node still asks for beyond its guarantee."""

    name: NodeName
    weight: int
    cards: Fraction


def _among(
    siblings: Iterable[GroupNode], room: Fraction, wants: Mapping[NodeName, Fraction]
) -> Mapping[NodeName, Fraction]:
    shares: dict[NodeName, Fraction] = {}
    weighted: list[_Gap] = []
    weightless: list[_Gap] = []
    for node in siblings:
        shares[node.name] = min(node.guaranteed, wants[node.name])
        gap = _Gap(node.name, node.weight or 1, wants[node.name] - shares[node.name])
        if gap.cards > 0:
            (weighted if node.weight else weightless).append(gap)
    rest = room - sum(shares.values(), NO_CARD)
    for gaps in (weighted, weightless):
        for name, cards in _fill(gaps, rest).items():
            shares[name] += cards
            rest -= cards
    return shares


def _fill(gaps: Iterable[_Gap], rest: Fraction) -> Mapping[NodeName, Fraction]:
    """Divide ``rest`` by weight; who needs less than that leaves the others more."""
    smallest_first = sorted(gaps, key=lambda gap: gap.cards / gap.weight)
    weight_left = sum(gap.weight for gap in smallest_first)
    filled: dict[NodeName, Fraction] = {}
    for gap in smallest_first:
        filled[gap.name] = min(gap.cards, rest * gap.weight / weight_left)
        rest -= filled[gap.name]
        weight_left -= gap.weight
    return filled
