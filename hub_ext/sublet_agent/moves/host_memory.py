"""The budget of host memory that suspended processes may take on this node.

A suspended process's image lies in its own heap. Room for it is reserved before the suspend begins,
so that two GPUs' moves cannot both count on the same room.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sublet_agent.cgroups.trees import CGROUPS, cgroup_lines
from sublet_agent.processes.process_table import ProcessIdentity

_BYTES_PER_MIB = 1024 * 1024


class HostMemory:
    """The node's budget for images, and who has which part of it."""

    def __init__(self, budget_mib: int | None, available_mib: Callable[[], int | None]) -> None:
        """``budget_mib``: what all images may take; ``None``: all that is available.

        What is available has no image in it any more that is there.
        """
        self._budget_mib = budget_mib
        self._available_mib = available_mib
        self._lock = threading.Lock()
        self._images: dict[ProcessIdentity, int] = {}
        self._moving: set[ProcessIdentity] = set()

    def free_mib(self) -> int:
        """Return how much host memory suspends may still take, in MiB."""
        with self._lock:
            return self._free_mib()

    def in_all_mib(self) -> int:
        """Return how much host memory images may take in all, those that there are among them."""
        with self._lock:
            return self._free_mib() + sum(self._images.values())

    def reserve(self, wanted: Mapping[ProcessIdentity, int]) -> bool:
        """Set room aside for all these images, in MiB, or for none; return which it was."""
        with self._lock:
            if sum(wanted.values()) > self._free_mib():
                return False
            self._images.update(wanted)
            self._moving.update(wanted)
            return True

    def settle(self, identity: ProcessIdentity, image_mib: int) -> None:
        """Note that a process's image is there (found at the start, or moved), with this size."""
        with self._lock:
            self._images[identity] = image_mib
            self._moving.discard(identity)

    def release(self, identity: ProcessIdentity) -> None:
        """Note that a process's image is no more, or was never made."""
        with self._lock:
            self._images.pop(identity, None)
            self._moving.discard(identity)

    def _free_mib(self) -> int:
        rooms = []
        if self._budget_mib is not None:
            rooms.append(self._budget_mib - sum(self._images.values()))
        available = self._available_mib()
        if available is not None:
            # What is on its way is promised but not in the machine's own count yet.
            rooms.append(available - sum(self._images[i] for i in self._moving))
        return max(0, min(rooms, default=0))


def machine_available_mib(keep_mib: int) -> int | None:
    """Return how much memory the machine has left, less what it keeps; ``None``: unknown."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return max(0, int(line.split()[1]) // 1024 - keep_mib)
    except (OSError, ValueError):
        return None
    return None


def room_in_limits_mib(
    pid: int, mounted_at: Path = CGROUPS, pod: str | None = None, proc: Path = Path("/proc")
) -> int | None:
    """Return how much a process may still grow inside its cgroups' limits; ``None``: unlimited.

    Beyond it the kernel would kill the notebook in the middle of its suspend. Every level of
    the tree may have a limit; the tightest counts. What is only kept of files that were read
    makes room by itself.

    ``mounted_at`` is where the machine's cgroups are. An agent in a container sees the others'
    paths from where it is itself: ``pod`` is then the full path of the process's pod. Where a
    process is cannot be found out without it, and 0 is the answer.
    """
    rooms: list[int] = []
    for line in cgroup_lines(pid, proc):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            unified = mounted_at / "unified"
            base, names = (unified if unified.is_dir() else mounted_at), _VERSION_2
        elif "memory" in controllers.split(","):
            base, names = mounted_at / "memory", _VERSION_1
        else:
            continue
        place = _full_path(path, pod)
        if place is None:
            return 0
        folder = base / place.lstrip("/")
        while folder.is_relative_to(base):
            rooms.extend(_room_mib(folder, names))
            folder = folder.parent
    return min(rooms, default=None)


def _full_path(path: str, pod: str | None) -> str | None:
    parts = path.split("/")
    if ".." not in parts:
        return path
    name = "" if pod is None else pod.rsplit("/", 1)[-1]
    if pod is None or name not in parts:
        return None
    return "/".join([pod, *parts[parts.index(name) + 1 :]])


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of the files, and of the lines in them, that tell a group's memory."""

    limit: str
    usage: str
    kept_of_files: str


_VERSION_2: Final = _Names("memory.max", "memory.current", "inactive_file")
_VERSION_1: Final = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _room_mib(folder: Path, names: _Names) -> list[int]:
    try:
        text = (folder / names.limit).read_text().strip()
        if text == "max":
            return []
        used = int((folder / names.usage).read_text())
        stat = (folder / "memory.stat").read_text().splitlines()
        kept = next((line for line in stat if line.startswith(f"{names.kept_of_files} ")), "0 0")
        used = max(0, used - int(kept.split()[1]))
        return [max(0, int(text) - used) // _BYTES_PER_MIB]
    except (OSError, ValueError):
        return []
