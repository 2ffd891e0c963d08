"""What the tests of a killed run left in its control groups is ended by the next run.

Each test process keeps a list of the groups that it has agents make. Whoever begins one looks
for the lists of test processes that are no more: the processes in those groups are thawed and
killed, the groups removed. A list belongs to (pid, start time): who lives is left alone.
"""

import contextlib
import fcntl
import functools
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sublet_agent.cgroups.maintenance import agents_group_name
from sublet_agent.cgroups.trees import FreezerTree, find_trees

_LISTS = Path(tempfile.gettempdir()) / f"sublet-groups-of-tests-{os.getuid()}"
_WITHIN_S = 60.0


def note_groups(node: str, mark: str) -> None:
    """Note the groups of an agent before it makes them, so that they do not outlive this run."""
    with _own_list().open("a") as names:
        names.write(agents_group_name(node, mark) + "\n")


@functools.cache
def _own_list() -> Path:
    _LISTS.mkdir(mode=0o700, exist_ok=True)
    end_left_over(_LISTS)
    return _LISTS / _name_of(os.getpid())


def end_left_over(lists: Path) -> None:
    """End what test processes left that are no more."""
    with (lists / "lock").open("w") as lock:
        # Several runs, and several processes of each, may begin at the same time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for each in lists.iterdir():
            if each.name == "lock" or each.name == _name_of(int(each.name.partition("-")[0])):
                continue
            names = set(each.read_text().split())
            for tree in find_trees():
                for place in _places(tree, names):
                    _end(tree, place)
            each.unlink()


def _name_of(pid: int) -> str:
    """Name the list of a process: none that comes later has the same pid and start time."""
    with contextlib.suppress(OSError):
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return f"{pid}-{after_name[19]}"
    return ""


def _places(tree: FreezerTree, names: set[str]) -> Iterator[str]:
    for folder, inside, _ in os.walk(tree.folder):
        for name in names.intersection(inside):
            yield f"/{(Path(folder) / name).relative_to(tree.folder)}"


def _end(tree: FreezerTree, place: str) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not tree.remove(place):
        assert time.monotonic() < deadline, f"{tree.folder}{place} cannot be emptied"
        for folder, _, _ in os.walk(tree.folder / place.lstrip("/")):
            with contextlib.suppress(OSError):
                tree.thaw(f"/{Path(folder).relative_to(tree.folder)}")
        for pid in tree.pids(place):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        time.sleep(0.005)
