"""The first process of a slice, as the slice's spawner told the hub service."""

from collections import defaultdict
from typing import Final

from sublet_quota.wire.agent_link import SliceAssignment

from sublet_agent.processes.process_table import ProcessTable

_START_TOLERANCE_S: Final = 0.1
"""How far two words on one process's start may differ: the kernel tells it in whole ticks."""


def is_root_of(table: ProcessTable, pid: int, assignment: SliceAssignment) -> bool:
    """Whether whoever has this pid now is the slice's first process."""
    identity = table.identify(pid)
    if identity is None or pid != assignment.root_pid or assignment.root_start_time is None:
        return False
    return abs(table.started_at(identity) - assignment.root_start_time) <= _START_TOLERANCE_S


def family_of(table: ProcessTable, root: int) -> list[int]:
    """Return a process and all that descend from it now, parents first."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for pid in table.pids():
        parent = table.parent(pid)
        if parent is not None:
            children[parent].append(pid)
    family = [root]
    for pid in family:
        family.extend(children.get(pid, ()))
    return family
