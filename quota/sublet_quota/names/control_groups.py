"""The name of a slice's control group, for the agent that makes it and whoever ends a slice.

Processes are moved into it by root alone, and whatever they start is born there, so it tells whose
a process is also when that has left its parents and its environment behind.
"""

import re
from typing import Final
from urllib.parse import quote

from sublet_quota.names.ids import SliceId

_MOST_NAME: Final = 150
_PATH: Final = re.compile(r"^\d+:[^:]*:(/.*)$", re.MULTILINE)


def slice_group_name(slice_id: SliceId) -> str:
    """Return the last part of the path of the slice's control group."""
    return f"slice-{quote(slice_id, safe='')[:_MOST_NAME]}"


def is_in_group_of(slice_id: SliceId, groups: str) -> bool:
    """Whether a process is in the slice's group; ``groups`` is its ``/proc/PID/cgroup``."""
    name = slice_group_name(slice_id)
    return any(name in path.split("/") for path in _PATH.findall(groups))
