"""How much host memory suspended processes may take on this node.

A suspended process's image lies in its own heap. It is reserved before the suspend begins, so
that two GPUs' moves cannot both count on the same room.
"""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from sublet_agent.process_table import ProcessIdentity

_BYTES_PER_MIB = 1024 * 1024


class HostMemory:
    """The node's budget for images, and who has which part of it."""

    def __init__(self, budget_mib: int, available_mib: Callable[[], int | None]) -> None:
        self._budget_mib = budget_mib
        self._available_mib = available_mib
        self._lock = threading.Lock()
        self._images: dict[ProcessIdentity, int] = {}
        self._moving: set[ProcessIdentity] = set()

    def free_mib(self) -> int:
        """Return how much a suspend may still take."""
        with self._lock:
            return self._free_mib()

    def reserve(self, wanted: Mapping[ProcessIdentity, int]) -> bool:
        """Set all of it aside, or nothing."""
        with self._lock:
            if sum(wanted.values()) > self._free_mib():
                return False
            self._images.update(wanted)
            self._moving.update(wanted)
            return True

    def settle(self, identity: ProcessIdentity, image_mib: int) -> None:
        """The image is there now (found at the start, or moved), with this size."""
        with self._lock:
            self._images[identity] = image_mib
            self._moving.discard(identity)

    def release(self, identity: ProcessIdentity) -> None:
        """The image is no more, or was never made."""
        with self._lock:
            self._images.pop(identity, None)
            self._moving.discard(identity)

    def _free_mib(self) -> int:
        free = self._budget_mib - sum(self._images.values())
        available = self._available_mib()
        if available is not None:
            # What is on its way is promised but not in the machine's own count yet.
            free = min(free, available - sum(self._images[i] for i in self._moving))
        return max(0, free)


def machine_available_mib(keep_mib: int) -> int | None:
    """Return how much memory the machine has left, less what it keeps; ``None``: unknown."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return max(0, int(line.split()[1]) // 1024 - keep_mib)
    except (OSError, ValueError):
        return None
    return None


def room_in_own_limit_mib(pid: int) -> int | None:
    """Return how much a process may still grow inside its cgroup's limit; ``None``: unlimited.

    Beyond it the kernel would kill the notebook in the middle of its suspend. Every level of
    the tree may have a limit; the tightest counts.
    """
    rooms: list[int] = []
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, limit, usage = Path("/sys/fs/cgroup"), "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            base, limit = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
            usage = "memory.usage_in_bytes"
        else:
            continue
        folder = base / path.lstrip("/")
        while folder.is_relative_to(base):
            rooms.extend(_room_mib(folder / limit, folder / usage))
            folder = folder.parent
    return min(rooms, default=None)


def _room_mib(limit: Path, usage: Path) -> list[int]:
    try:
        text = limit.read_text().strip()
        if text == "max":
            return []
        return [max(0, int(text) - int(usage.read_text())) // _BYTES_PER_MIB]
    except (OSError, ValueError):
        return []
