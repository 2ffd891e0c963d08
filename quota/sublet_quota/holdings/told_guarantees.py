"""How much of what a group is guaranteed is in force, as its members are told."""

from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.guarantee_warnings import in_force_clause
from sublet_quota.shares.group_tree import NodeName


class ToldGuarantees:
    """What stands behind guarantees that are not all in force."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings

    def clause(self, group: GroupName, gpu_type: str) -> str:
        """Return how much of a guarantee is in force, and why no more; empty where all is."""
        told = self._holdings.document.all_groups[group].guaranteed[gpu_type]
        there = self._holdings.tree(gpu_type).nodes[NodeName(group)].guaranteed
        if there >= told:
            return ""
        cut = self._holdings.guarantees_cut(gpu_type)
        short = None if cut is None else (cut.guaranteed, cut.cards)
        return in_force_clause(there, short, gpu_type)
