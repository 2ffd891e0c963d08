"""How much of what a group is guaranteed is in force, as its members are told."""

from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.guarantee_warnings import in_force_clause
from sublet_quota.shares.group_tree import NodeName


def guarantee_in_force(holdings: Holdings, group: GroupName, gpu_type: str) -> str:
    """Return how much of a guarantee is in force, and why no more; empty where all is."""
    told = holdings.document.all_groups[group].guaranteed[gpu_type]
    there = holdings.tree(gpu_type).nodes[NodeName(group)].guaranteed
    if there >= told:
        return ""
    cut = holdings.guarantees_cut(gpu_type)
    short = None if cut is None else (cut.guaranteed, cut.cards)
    return in_force_clause(there, short, gpu_type)
