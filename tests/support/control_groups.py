"""Real control groups for tests, with real processes in them; skips where there is no freezer."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sublet_agent.cgroups.driver_calls import DriverCalls
from sublet_agent.cgroups.freezing import SliceFreezer
from sublet_agent.cgroups.groups_file import thaw_left_over
from sublet_agent.cgroups.maintenance import GroupKeeper
from sublet_agent.cgroups.outsiders import Outsiders
from sublet_agent.cgroups.registry import GroupBook
from sublet_agent.cgroups.standing_still import StandingStill, Stillness
from sublet_agent.cgroups.trees import FreezerTree, find_trees
from sublet_agent.processes.process_table import LinuxProcessTable

from tests.support.fake_service_link import slice_assignment
from tests.support.left_over_groups import note_groups

GPU = "GPU-1"
WITHIN_S = 60.0
_FAMILY = """
import os, subprocess, sys, time
# Others' accounts may not be let see this interpreter.
for uid in map(int, sys.argv[1:]):
    os.setresuid(uid, uid, uid)
    print(uid, flush=True)
# Each line starts one more process: a child, or one whose parent is gone in a session of its own.
for line in sys.stdin:
    if line.strip() == "spin":
        print("spins", flush=True)
    while line.strip() == "spin":
        pass
    if line.strip() == "child":
        print(subprocess.Popen(["sleep", "600"]).pid, flush=True)
        continue
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(write, str(os.getpid()).encode())
            time.sleep(600)
        os._exit(0)
    os.wait()
    print(os.read(read, 100).decode(), flush=True)
"""


def freezers(folder: Path) -> dict[int, FreezerTree]:
    """Return the trees in which this account can freeze, by version."""
    found = {}
    for tree in find_trees():
        book = GroupBook(folder / f"probe-{tree.version}.json")
        keeper = GroupKeeper(book, [tree], LinuxProcessTable(), "probe", str(folder))
        if keeper.unfrozen is None:
            found[tree.version] = tree
    return found


def needs_freezer(folder: Path, version: int | None = None) -> FreezerTree:
    """Return a tree that freezes; skip the test where there is none."""
    found = freezers(folder)
    if version is None and found:
        return next(iter(found.values()))
    if version not in found:
        which = "" if version is None else f" of version {version}"
        pytest.skip(f"no control groups{which} that this account can make and freeze (needs root)")
    return found[version]


@contextmanager
def in_a_pod(folder: Path, pid: int) -> Iterator[str]:
    """Put a process into a control group such as a kubelet makes; gives the pod's uid."""
    uid = str(uuid.uuid4())
    place = needs_freezer(folder).folder / "kubelet" / "kubepods" / f"pod{uid}"
    place.mkdir(parents=True)
    (place / "cgroup.procs").write_text(str(pid))
    try:
        yield uid
    finally:
        deadline = time.monotonic() + WITHIN_S
        while (place / "cgroup.procs").read_text().strip() and time.monotonic() < deadline:
            time.sleep(0.01)
        place.rmdir()


@dataclass
class Family:
    """A slice's first process, which starts others."""

    process: subprocess.Popen[str]
    others: list[int] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    def starts(self, what: str) -> int:
        """Let it start a ``child``, or one that is ``detached``; returns the pid."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        self.others.append(int(self.process.stdout.readline()))
        return self.others[-1]

    def spins(self) -> None:
        """Let it run for ever, in its own program; it does so when this returns."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("spin\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def ends(self) -> None:
        for pid in self.others:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@dataclass
class Groups:
    """The agent's groups in one real tree, and families that are slices."""

    tree: FreezerTree
    folder: Path
    families: list[Family] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.table = LinuxProcessTable()
        note_groups("node-1", str(self.folder))
        self.begin()

    def begin(self) -> None:
        """Begin as a new agent does, with what the one before kept."""
        self.file = self.folder / "groups.json"
        self.book = GroupBook(self.file)
        self.keeper = GroupKeeper(self.book, [self.tree], self.table, "node-1", str(self.folder))
        where = self.keeper.place_for_outsiders
        self.outsiders = Outsiders(self.book, self.table, self.file, where)
        self.freezer = SliceFreezer(self.book, self.outsiders)

    def watch_calls_of(self, *driver: str) -> None:
        """Begin anew, where a card's driver is what the kernel's stacks name so."""
        calls = DriverCalls(driver)
        where = self.keeper.place_for_outsiders
        self.outsiders = Outsiders(self.book, self.table, self.file, where, calls)
        self.freezer = SliceFreezer(self.book, self.outsiders, calls)

    def family(self, *, uid: int | None = None) -> Family:
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", _FAMILY, *([] if uid is None else [str(uid)])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if uid is not None:
            assert process.stdout is not None
            process.stdout.readline()
        self.families.append(Family(process))
        return self.families[-1]

    def slice(self, slice_id: str, family: Family, **changes: object) -> object:
        """Return the assignment of a slice whose first process is the family's."""
        identity = self.table.identify(family.pid)
        assert identity is not None
        fields: dict[str, object] = {
            "uid": self.table.uid(family.pid),
            "root_pid": family.pid,
            "root_start_time": self.table.started_at(identity),
            "gpu_id": GPU,
            **changes,
        }
        return slice_assignment(slice_id, str(fields.pop("gpu_id")), 1024, **fields)

    def serve(self, *slices: object) -> None:
        self.keeper.serve(lambda: slices)

    def close(self) -> None:
        for group in self.book.groups():
            for place in group.places:
                if self.tree.exists(place):
                    self.tree.thaw(place)
        for family in self.families:
            family.ends()
        until(self._all_removed)

    def _all_removed(self) -> bool:
        self.keeper.leave()
        return not self.book.groups()


@contextmanager
def group_that_is_no_text(tree: FreezerTree) -> Iterator[None]:
    """Have a process in a group whose name is no UTF-8: users may have groups of their own."""
    place = tree.folder / f"sublet-{os.getpid()}-\udcff"
    place.mkdir()
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        (place / "cgroup.procs").write_text(str(process.pid))
        yield
    finally:
        process.kill()
        process.wait()
        until(lambda: not (place / "cgroup.procs").read_text())
        place.rmdir()


@contextmanager
def control_groups(tree: FreezerTree, folder: Path) -> Iterator[Groups]:
    """Keep groups in a tree while the block lasts, and leave none."""
    groups = Groups(tree, folder)
    try:
        yield groups
    finally:
        groups.close()


def leave_no_groups(file: Path) -> None:
    """Thaw and remove the groups of an agent that was killed, and wait until all are gone."""
    thaw_left_over(file)
    book = GroupBook(file)
    keeper = GroupKeeper(book, [], LinuxProcessTable(), "nobody", "nothing")

    def all_removed() -> bool:
        keeper.leave()
        return not book.groups()

    until(all_removed)


@contextmanager
def a_group(groups, place: str, *parts: str) -> Iterator[str]:
    """A group that is not the agent's, with these in it; at the end nobody is in them any more."""
    groups.tree.make(place)
    for part in parts:
        groups.tree.make(f"{place}/{part}")
    yield place
    for each in (place, *(f"{place}/{part}" for part in parts)):
        groups.tree.thaw(each)
    for pid in groups.tree.pids(place):
        groups.tree.move(pid, "/")
    until(lambda: groups.tree.remove(place))


def coming_back(groups, gpu_id=GPU, pids=(), within_s=WITHIN_S):
    """Keep everybody else still while a slice comes back on a GPU."""
    return groups.freezer.freeze_neighbours(gpu_id, "a", pids, within_s)


def stands_still(groups, pid):
    """Whether a process is frozen."""
    return StandingStill([groups.tree]).why(pid) is Stillness.FROZEN


def until(holds: Callable[[], object]) -> None:
    """Look again until it holds; fail where it does not within a minute."""
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
