"""How much host memory this machine, and this program's control group in it, have left."""

from pathlib import Path
from typing import Final

import psutil

_GIB: Final = 2**30
_VERSION_2: Final = ("memory.max", "memory.current", "inactive_file")
_VERSION_1: Final = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def host_memory_left_gib() -> float:
    """Return what is left in all: a container may have less than its machine."""
    rooms = room_in_groups_gib(Path("/proc/self/cgroup").read_text(), Path("/sys/fs/cgroup"))
    return min(psutil.virtual_memory().available / _GIB, *rooms, float("inf"))


def room_in_groups_gib(groups: str, mounted_at: Path) -> list[float]:
    """Return what the groups with a limit have left; ``groups`` as ``/proc/self/cgroup`` lists.

    What a group only keeps of files that were read makes room by itself.
    """
    rooms = []
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, names = mounted_at, _VERSION_2
        elif "memory" in controllers.split(","):
            base, names = mounted_at / "memory", _VERSION_1
        else:
            continue
        folder = base / path.lstrip("/")
        while folder.is_relative_to(base):
            rooms.extend(_room_gib(folder, *names))
            folder = folder.parent
    return rooms


def _room_gib(folder: Path, limit: str, usage: str, kept_of_files: str) -> list[float]:
    try:
        most = int((folder / limit).read_text())
        used = int((folder / usage).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return [max(0, most - used + int(stat.get(kept_of_files, 0))) / _GIB]
    except (OSError, ValueError):
        # No limit ("max"), or a group of whose files this container sees nothing.
        return []
