"""The kernel's tree of control groups, as far as it can freeze: version 1's freezer, version 2.

A *place* is a group's path in its tree, such as ``/sublet/slice-a``; the tree's folder has one file
system entry for each. Everything that reads or writes these files is here. ``OSError`` is not
translated: what it means, the caller knows.
"""

import contextlib
import errno
import fcntl
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from sublet_agent.processes.threads import speaking_thread

CGROUPS: Final = Path("/sys/fs/cgroup")
"""The folder where a machine mounts its control groups."""
REMOVED: Final = frozenset({errno.ENOENT, errno.ENODEV})
"""What the kernel says of a group that is gone, or is going at this moment."""
_PROC: Final = Path("/proc")
_HELD_BY: Final = ("trusted.sublet.held_by", "user.sublet.held_by")
"""The extended attributes of a group's folder of which one names who froze it, gone with the group:
root alone has the first, and in a container without all rights the second."""
_FIRST_LOOK_S: Final = 0.0002
_LONGEST_LOOK_S: Final = 0.005
_THAW_TRIES: Final = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FreezerTree:
    """One mounted hierarchy of control groups that can be frozen."""

    version: Literal[1, 2]
    folder: Path
    root: str = "/"
    """The part of the hierarchy that is mounted at ``folder`` (in a container it may be less than
    all).
    """

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> "FreezerTree":
        """Return the tree of which these are the ``fields``; ``ValueError``, ``KeyError``."""
        version = fields["version"]
        if version not in (1, 2):
            message = f"there is no version {version} of control groups"
            raise ValueError(message)
        return cls(1 if version == 1 else 2, Path(str(fields["folder"])), str(fields["root"]))

    @property
    def fields(self) -> dict[str, object]:
        """What a file keeps of the tree."""
        return {"version": self.version, "folder": str(self.folder), "root": self.root}

    def place_of(self, pid: int) -> str | None:
        """Return a process's place; ``None`` where it is gone, or outside of what is mounted."""
        return self.place_in(cgroup_lines(pid))

    def place_in(self, lines: Iterable[str]) -> str | None:
        """Return a process's place from its ``cgroup_lines``, read once for several trees."""
        for line in lines:
            _, controllers, path = line.split(":", 2)
            of_this = not controllers if self.version == 2 else "freezer" in controllers.split(",")  # noqa: PLR2004
            if of_this:
                return self._below_root(path)
        return None

    def exists(self, place: str) -> bool:
        """Whether there is a group at this place."""
        return self._path(place).is_dir()

    def make(self, place: str) -> None:
        """Make a group, and those above it that are missing."""
        self._path(place).mkdir(mode=0o755, parents=True, exist_ok=True)

    def remove(self, place: str) -> bool:
        """Remove a group and those in it; return ``False`` while there are processes in them."""
        try:
            for each in sorted(self._groups(place), reverse=True):
                os.rmdir(each)  # noqa: PTH106 - many in a row
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def held_by_one(self, within_s: float) -> Iterator[bool]:
        """Let no other agent of this machine make or remove groups here meanwhile.

        ``False`` where somebody else has the tree for longer than ``within_s``: everybody may ask
        for it, tenants too, so nothing may wait for it, nor be safe by it alone.
        """
        try:
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            # Where nothing can be made, either.
            yield False
            return
        try:
            yield _is_locked(folder, within_s)
        finally:
            # Also for a child that was born meanwhile and has the same file open.
            with contextlib.suppress(OSError):
                fcntl.flock(folder, fcntl.LOCK_UN)
            os.close(folder)

    def inside(self, place: str) -> list[str]:
        """Return the names of the groups directly in this one."""
        with contextlib.suppress(OSError):
            return [entry.name for entry in os.scandir(self._path(place)) if entry.is_dir()]
        return []

    def places(self) -> Iterator[str]:
        """Yield the place of every group but the topmost one."""
        for folder in self._groups("/"):
            if folder != self.folder:
                yield f"/{folder.relative_to(self.folder)}"

    def pids(self, place: str) -> list[int]:
        """Return the processes in a group and in those in it."""
        found: list[int] = []
        for each in self._groups(place):
            with contextlib.suppress(OSError):
                found += [int(pid) for pid in (each / "cgroup.procs").read_text().split()]
        return found

    def move(self, pid: int, place: str) -> None:
        """Move a process with all its threads; children that it has stay where they are."""
        with contextlib.suppress(ProcessLookupError):
            (self._path(place) / "cgroup.procs").write_text(str(pid))

    def hand_down(self, place: str, controller: str) -> None:
        """Let a group of the agent's, and those beside it, have a controller, if they may.

        Only the group right above is changed, which is the agent's own: never the topmost one.
        """
        above = self._path(place).parent
        if self.version == 1 or above == self.folder:
            return
        with contextlib.suppress(FileNotFoundError):
            has = (above / "cgroup.controllers").read_text().split()
            given = (above / "cgroup.subtree_control").read_text().split()
            if controller in has and controller not in given:
                (above / "cgroup.subtree_control").write_text(f"+{controller}")

    def keep_out_of_swap(self, place: str) -> None:
        """Let nothing of a group's memory be written to disk, where the kernel offers that here."""
        limit = self._path(place) / "memory.swap.max"
        if limit.is_file():
            limit.write_text("0")

    def begin_freezing(self, place: str, mark: str = "") -> None:
        """Let everything in a group come to rest; ``wait_frozen`` tells when it has.

        ``mark``: what ``held_by`` tells until it is thawed, where the kernel keeps that.
        """
        if mark:
            self._note_held_by(place, mark)
        self._switch(place, frozen=True)

    def thaw(self, place: str) -> None:
        """Let everything in a group run on."""
        self._switch(place, frozen=False)
        # Not before: one that is left frozen must be found by it.
        for name in _HELD_BY:
            with contextlib.suppress(OSError):
                os.removexattr(self._path(place), name)

    def held_by(self, place: str) -> str | None:
        """Return the mark of who froze a group, where one was left."""
        for name in _HELD_BY:
            with contextlib.suppress(OSError):
                return os.getxattr(self._path(place), name).decode(errors="replace")
        return None

    def _note_held_by(self, place: str, mark: str) -> None:
        for name in _HELD_BY:
            with contextlib.suppress(OSError):
                os.setxattr(self._path(place), name, mark.encode())
                return

    def is_frozen(self, place: str) -> bool:
        """Whether every thread in a group stands still, outside of any system call."""
        folder = self._path(place)
        if self.version == 1:
            return (folder / "freezer.state").read_text().strip() == "FROZEN"
        return "frozen 1" in (folder / "cgroup.events").read_text().splitlines()

    def is_freezing(self, place: str) -> bool:
        """Whether a group is frozen or about to be, by itself or by one above it.

        Some of its threads may stand still already while others are still in a system call.
        """
        if self.version == 1:
            return (self._path(place) / "freezer.state").read_text().strip() != "THAWED"
        above = map(str, PurePosixPath(place).parents)
        return self.is_frozen(place) or any(map(self.is_told_to_freeze, (place, *above)))

    def is_told_to_freeze(self, place: str) -> bool:
        """Whether somebody froze this very group, and nobody thawed it."""
        folder = self._path(place)
        with contextlib.suppress(OSError):
            name = "freezer.self_freezing" if self.version == 1 else "cgroup.freeze"
            return (folder / name).read_text().strip() == "1"
        return False

    def can_freeze(self, place: str) -> bool:
        """Whether the kernel offers freezing for a group."""
        name = "freezer.state" if self.version == 1 else "cgroup.freeze"
        return (self._path(place) / name).is_file()

    def is_ours_alone(self, place: str) -> bool:
        """Whether nobody but root and the agent can thaw a group, or move processes out of it."""
        folder, ours = self._path(place), {0, os.geteuid()}
        switch = "freezer.state" if self.version == 1 else "cgroup.freeze"
        found = [each.stat() for each in (folder / switch, folder.parent / "cgroup.procs")]
        return all(each.st_uid in ours and not each.st_mode & 0o022 for each in found)

    def _switch(self, place: str, *, frozen: bool) -> None:
        folder = self._path(place)
        if self.version == 1:
            (folder / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
        else:
            (folder / "cgroup.freeze").write_text("1" if frozen else "0")

    def _path(self, place: str) -> Path:
        return self.folder / place.lstrip("/")

    def _groups(self, place: str) -> Iterator[Path]:
        for folder, _, _ in os.walk(self._path(place)):
            yield Path(folder)

    def _below_root(self, path: str) -> str | None:
        if self.root == "/":
            return path
        inside = path == self.root or path.startswith(f"{self.root}/")
        return (path[len(self.root) :] or "/") if inside else None


def _is_locked(file: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LONGEST_LOOK_S)
        except OSError:
            # Where folders cannot be locked.
            return False
        else:
            return True


def thaw_surely(tree: FreezerTree, place: str) -> bool:
    """Thaw a group, again where that fails; return whether it runs, or is no more."""
    for _ in range(_THAW_TRIES):
        try:
            tree.thaw(place)
        except FileNotFoundError:
            return True
        except OSError as error:
            log.warning("the group %s is not thawed: %s", place, error)
        else:
            return True
    return False


def wait_frozen(groups: Iterable[tuple[FreezerTree, str]], within_s: float) -> list[str]:
    """Wait until these groups stand still; return the places of those that do not in time."""
    waiting = list(groups)
    deadline = time.monotonic() + within_s
    pause_s = _FIRST_LOOK_S
    while True:
        waiting = [(tree, place) for tree, place in waiting if not _stands_still(tree, place)]
        if not waiting or time.monotonic() >= deadline:
            return [place for _, place in waiting]
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_LOOK_S)


def _stands_still(tree: FreezerTree, place: str) -> bool:
    try:
        return tree.is_frozen(place)
    except FileNotFoundError:
        # Nobody is in a group that is gone.
        return True


def cgroup_lines(pid: int, proc: Path = _PROC) -> list[str]:
    """Return the lines of ``/proc/PID/cgroup``; none where the process is gone."""
    lines = _read_lines(f"{proc}/{pid}/cgroup")
    if any(line.endswith(":/") and not line.startswith("0::") for line in lines):
        # Version 1 says so of a main thread that has ended, wherever the others are.
        thread = speaking_thread(pid, str(proc))
        return lines if thread == pid else _read_lines(f"{proc}/{pid}/task/{thread}/cgroup")
    return lines


def _read_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - hot path
            return [line for line in file.read().splitlines() if line.count(":") >= 2]  # noqa: PLR2004
    except OSError:
        return []


def find_trees(mounts: str | None = None) -> list[FreezerTree]:
    """Return the trees mounted here that can freeze: version 2 before version 1's freezer."""
    text = (_PROC / "self/mountinfo").read_text() if mounts is None else mounts
    found: dict[int, FreezerTree] = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.partition(" ")
        fields = before.split(" ")
        if len(fields) <= 4:  # noqa: PLR2004 - id, parent, device, root, folder
            continue
        root, folder = _unescaped(fields[3]), Path(_unescaped(fields[4]))
        version: Literal[1, 2]
        if kind == "cgroup2":
            version = 2
        elif kind == "cgroup" and "freezer" in options.split(" ")[-1].split(","):
            version = 1
        else:
            continue
        known = found.get(version)
        if known is None or (known.root != "/" and root == "/"):
            found[version] = FreezerTree(version, folder, root)
    return [found[version] for version in (2, 1) if version in found]


def tree_below(folder: Path) -> list[FreezerTree]:
    """Return the trees of a machine whose ``/sys/fs/cgroup`` is mounted at ``folder``."""
    both = (folder, folder / "unified")
    found = [FreezerTree(2, each) for each in both if (each / "cgroup.controllers").is_file()]
    if (folder / "freezer/cgroup.procs").is_file():
        found.append(FreezerTree(1, folder / "freezer"))
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
