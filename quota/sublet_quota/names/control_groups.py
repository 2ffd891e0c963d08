"""The names of slices' control groups: the agent's own, and those that systemd makes for servers.

Processes are moved into the agent's by root alone, and whatever they start is born there, so it
tells whose a process is also when that has left its parents and its environment behind. The same
goes for the group of a unit that root's systemd started for one server, from its first moment.
"""

import re
from typing import Final
from urllib.parse import quote

from sublet_quota.names.ids import SliceId

_MOST_NAME: Final = 150
_UNIT: Final = re.compile(r"(?:/[^/\n]+\.slice)+/[^/\n]+\.service")
_SYSTEMDS_OWN: Final = re.compile(r"^(?:0:|\d+:name=systemd):(/.*)$", re.MULTILINE)
_PATH: Final = re.compile(r"^\d+:[^:]*:(/.*)$", re.MULTILINE)


def slice_group_name(slice_id: SliceId) -> str:
    """Return the last part of the path of the slice's control group."""
    return f"slice-{quote(slice_id, safe='')[:_MOST_NAME]}"


def is_in_group_of(slice_id: SliceId, groups: str) -> bool:
    """Whether a process is in the slice's group; ``groups`` is its ``/proc/PID/cgroup``."""
    name = slice_group_name(slice_id)
    return any(name in path.split("/") for path in _PATH.findall(groups))


def is_group_of_a_unit(path: str) -> bool:
    """Whether a path is that of a service's group, as systemd makes it: in slices of its own."""
    return _UNIT.fullmatch(path) is not None


def is_in_unit(unit: str, groups: str) -> bool:
    """Whether a process is in the unit's group, or in one below it.

    ``unit`` is the group's path from the root; ``groups`` is the process's ``/proc/PID/cgroup``.
    """
    return any(
        path == unit or path.startswith(f"{unit}/") for path in _SYSTEMDS_OWN.findall(groups)
    )
