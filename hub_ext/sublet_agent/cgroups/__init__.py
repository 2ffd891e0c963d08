"""Control groups of slices: whose a process is, and how all processes of a slice stand still."""

from sublet_agent.cgroups.book import GroupBook, Verdict
from sublet_agent.cgroups.freezing import SliceFreezer
from sublet_agent.cgroups.keeping import GroupKeeper
from sublet_agent.cgroups.node_groups import GROUPS_NAME, GroupSettings, NodeGroups, node_groups
from sublet_agent.cgroups.records import is_anything_frozen, thaw_left_over
from sublet_agent.cgroups.stillness import Freezer, NoFreezer, Stillness

__all__ = [
    "GROUPS_NAME",
    "Freezer",
    "GroupBook",
    "GroupKeeper",
    "GroupSettings",
    "NoFreezer",
    "NodeGroups",
    "SliceFreezer",
    "Stillness",
    "Verdict",
    "is_anything_frozen",
    "node_groups",
    "thaw_left_over",
]
