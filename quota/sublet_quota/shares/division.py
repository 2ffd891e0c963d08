"""Each group's share of a GPU type: its guarantee, and by weight of what the others leave.

Nobody gets more than is asked for or than a limit allows; the rest goes on to who still asks. A
group's share is divided anew among the groups in it. Weight 0 gets what nobody else wants. Exact,
and without order: neither names nor the order of keys matter.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import lcm
from types import MappingProxyType
from typing import Final, NamedTuple

from sublet_quota.errors import GroupTreeError
from sublet_quota.shares.cards import NO_CARD, in_units, total, whole_units
from sublet_quota.shares.group_tree import ROOT, GroupNode, GroupTree, NodeName

NO_LIMITS: Final[Mapping[NodeName, Fraction]] = MappingProxyType({})


class Shares(Mapping[NodeName, Fraction]):
    """The share of every node, in cards.

    Each group is divided when somebody in it is first asked for: one decision looks only at the
    groups that it concerns, however many there are.
    """

    def __init__(
        self, tree: GroupTree, supply: Fraction, wants: Mapping[NodeName, Fraction]
    ) -> None:
        """``wants`` is what each node asks for and may have (``wanted``).

        Raises ``GroupTreeError`` where more is guaranteed than there is.
        """
        if tree.root.guaranteed > supply:
            message = f"{tree.root.guaranteed} cards are guaranteed, and there are {supply}"
            raise GroupTreeError(message)
        self._tree = tree
        self._wants = wants
        self._known = {ROOT: min(supply, wants[ROOT])}

    def __getitem__(self, name: NodeName) -> Fraction:
        """Return a node's share; ``KeyError`` where the tree has no such node."""
        if name not in self._known:
            above = ROOT
            for each in self._tree.paths[name]:
                if each not in self._known:
                    siblings = self._tree.nodes[above].children
                    self._known.update(_among(siblings, self._known[above], self._wants))
                above = each
        return self._known[name]

    def __iter__(self) -> Iterator[NodeName]:
        return iter(self._tree.nodes)

    def __len__(self) -> int:
        return len(self._tree.nodes)


def divide(
    tree: GroupTree,
    supply: Fraction,
    asks: Mapping[NodeName, Fraction],
    most: Mapping[NodeName, Fraction] = NO_LIMITS,
) -> Shares:
    """Return the shares for what leaves ask for.

    ``tree`` has the guarantees in force (``guarantees_in_force``). ``supply`` are the cards to be
    divided. ``asks`` says of leaves all that they want, with what they hold. ``most`` is what
    limits over several types leave a node of this one (``limits.most_of_type``).

    Raises ``GroupTreeError`` where more is guaranteed than there is, or no leaf asks.
    """
    return Shares(tree, supply, wanted(tree, asks, most))


def wanted(
    tree: GroupTree,
    asks: Mapping[NodeName, Fraction],
    most: Mapping[NodeName, Fraction] = NO_LIMITS,
) -> Mapping[NodeName, Fraction]:
    """Return what each node asks for and may have."""
    tree.require_leaves(asks)
    wants: dict[NodeName, Fraction] = {}
    for name, node in reversed(tuple(tree.nodes.items())):
        if node.children:
            asked = total(wants[child.name] for child in node.children)
        else:
            asked = asks.get(name, NO_CARD)
        asked = asked if node.limit is None else min(asked, node.limit)
        wants[name] = min(asked, most[name]) if name in most else asked
    return wants


class _Gap(NamedTuple):
    """What a node still asks for beyond its guarantee, in units of a card."""

    name: NodeName
    weight: int
    units: int
    guaranteed: int


def _among(
    siblings: Sequence[GroupNode], room: Fraction, wants: Mapping[NodeName, Fraction]
) -> Mapping[NodeName, Fraction]:
    shares = {node.name: wants[node.name] for node in siblings}
    guaranteed = (node.guaranteed for node in siblings)
    units = whole_units((room, *shares.values(), *guaranteed))
    weighted: list[_Gap] = []
    weightless: list[_Gap] = []
    rest = in_units(room, units)
    for node in siblings:
        asked, floor = in_units(shares[node.name], units), in_units(node.guaranteed, units)
        rest -= min(asked, floor)
        if asked > floor:
            gap = _Gap(node.name, node.weight or 1, asked - floor, floor)
            (weighted if node.weight else weightless).append(gap)
    for gaps in (weighted, weightless):
        rest = _fill(gaps, rest, shares, units)
    return shares


def _fill(gaps: Sequence[_Gap], rest: int, shares: dict[NodeName, Fraction], units: int) -> int:
    """Divide ``rest`` by weight, and return what is left once all have what they ask for.

    Who needs less than their part leaves the others more: these come first. ``shares`` is what each
    asks for, and becomes less for who gets less.
    """
    cut = lcm(*{gap.weight for gap in gaps})
    smallest_first = sorted(gaps, key=lambda gap: gap.units * (cut // gap.weight))
    weight_left = sum(gap.weight for gap in gaps)
    for place, gap in enumerate(smallest_first):
        if gap.units * weight_left > rest * gap.weight:
            for short in smallest_first[place:]:
                part = short.guaranteed * weight_left + rest * short.weight
                shares[short.name] = Fraction(part, weight_left * units)
            return 0
        rest -= gap.units
        weight_left -= gap.weight
    return rest
