"""The slices whose memory the agent has taken off their GPU, as its journal tells.

Nobody but an agent brings them back. A line that cannot be read is passed over: it is one of a
crash, or of another version, and what is taken away here must be removable all the same.
"""

import json
from pathlib import Path, PurePosixPath
from typing import Any, Final

from sublet_hub.installation.layout import AGENT_JOURNAL
from sublet_hub.installation.tree import Tree

_AWAY: Final = frozenset({"suspending", "suspended", "resuming"})
_BOOT_ID: Final = PurePosixPath("/proc/sys/kernel/random/boot_id")
_STATE, _START = 0, 19
"""Places in /proc/PID/stat, counted after the closing bracket of the command's name."""


def suspended_slices(tree: Tree, proc: Path = Path("/proc")) -> list[str]:
    """Return the slices with a process that lives and is suspended, or about to be, or to return.

    ``OSError`` where the journal is there and cannot be read.
    """
    boot_id = (proc / _BOOT_ID.relative_to("/proc")).read_text().strip()
    last: dict[tuple[int, int], tuple[str, str]] = {}
    for line in tree.find(AGENT_JOURNAL).content.splitlines():
        entry = _entry(line)
        if entry is not None and entry.get("boot") == boot_id:
            try:
                process = int(entry["pid"]), int(entry["start"])
                last[process] = str(entry["step"]), str(entry["slice"])
            except (KeyError, TypeError, ValueError):
                continue
    away = {
        slice_id
        for (pid, start), (step, slice_id) in last.items()
        if step in _AWAY and _lives(proc / str(pid), start)
    }
    return sorted(away)


def why_not_removed(slices: list[str]) -> list[str]:
    """Return why nothing is removed while these slices are suspended; nothing where none is."""
    if not slices:
        return []
    reason = (
        f"without the agent nobody brings back what is suspended: {', '.join(slices)}. Run "
        "`sublet lending off` and wait until they are back (`sublet gpus`), or stop these servers "
        "and jobs; or leave them so: --leave-servers"
    )
    return [reason]


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _lives(folder: Path, start: int) -> bool:
    """Whether this very process lives: also one whose main thread alone has ended."""
    try:
        fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        threads = len(list((folder / "task").iterdir()))
    except OSError:
        return False
    return int(fields[_START]) == start and (fields[_STATE] not in {"Z", "X"} or threads > 1)
