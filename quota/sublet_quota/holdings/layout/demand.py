"""What is to be laid out: of each group whole cards and one rest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from sublet_quota.shares.cards import in_units, whole_units
from sublet_quota.shares.group_tree import GroupTree, NodeName


@dataclass(frozen=True, slots=True)
class Demand:
    """The parts that guarantees in force ask for, in units of a card."""

    tree: GroupTree
    units: int
    """How many make a card."""
    whole: Mapping[NodeName, int]
    """Whole cards, where there are any."""
    rests: Mapping[NodeName, int]
    """In units, where there is one."""

    def may_split(self, node: NodeName) -> bool:
        """Whether a rest may lie in pieces: what a group keeps beyond the groups in it."""
        return bool(self.tree.nodes[node].children)


def demand_of(tree: GroupTree, also: Iterable[Fraction] = ()) -> Demand:
    """Return what is to be laid out; ``also``: parts that are to be told in whole units, too."""
    units = whole_units((*also, *(node.guaranteed for node in tree.nodes.values())))
    whole: dict[NodeName, int] = {}
    rests: dict[NodeName, int] = {}
    for name in tree.paths:
        node = tree.nodes[name]
        own = in_units(node.guaranteed, units)
        own -= sum(in_units(child.guaranteed, units) for child in node.children)
        if own >= units and tree.paths[name]:
            whole[name] = own // units
        if own % units and tree.paths[name]:
            rests[name] = own % units
    return Demand(tree, units, whole, rests)
