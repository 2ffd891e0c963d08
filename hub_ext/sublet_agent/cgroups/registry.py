"""The groups that the agent knows, and what they say of a process.

On one machine a process is the slice's in whose group it is: only root can put it there, be it the
agent or systemd, which starts a server as a unit. On
Kubernetes the pod decides, and a pod that the service did not name is nobody's, also while none is
named. The agent's own pod alone tells nothing: it may be the one machine. The outermost match
counts, so that nobody changes sides by making groups below their own.
"""

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sublet_quota.names.control_groups import is_in_unit
from sublet_quota.names.ids import GpuId, SliceId

from sublet_agent.cgroups.accounts_file import AccountsFile
from sublet_agent.cgroups.groups_file import GroupsFile, SliceGroup
from sublet_agent.cgroups.left_frozen import mark_of
from sublet_agent.cgroups.pods import pod_of
from sublet_agent.cgroups.trees import FreezerTree, cgroup_lines, thaw_surely

_NOT_LOOKED_FOR: Final = frozenset({0, os.geteuid()})
"""The accounts, by uid, that run too much else: root's and the agent's."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of the groups about a process: whose it is, or that it is nobody's here."""

    slice_id: SliceId | None


@dataclass(frozen=True, slots=True)
class Frozen:
    """One group that is being frozen, or is frozen."""

    tree: FreezerTree
    place: str

    def has_frozen(self, pid: int) -> bool:
        """Whether this process is in the group, or in one below it."""
        at = self.tree.place_of(pid)
        return at is not None and is_in(at, self.place)


class GroupBook:
    """All groups of this node's slices, and those being frozen now. Safe from any thread."""

    def __init__(
        self,
        file: Path,
        proc: Path = Path("/proc"),
        pods_below: str = "/",
        accounts: AccountsFile | None = None,
    ) -> None:
        """``pods_below`` is the group that the kubelet has as its root.

        ``accounts`` outlive the agent; ``None``: they do not.
        """
        self.pods_below = pods_below
        self._file = GroupsFile(file)
        self.mark: Final = mark_of(file)
        """What this agent's frozen groups are marked with."""
        self._proc = proc
        self._guard = threading.RLock()
        self._groups: dict[SliceId, SliceGroup] = {g.slice_id: g for g in self._file.load()}
        self._pods: Mapping[str, SliceId] = {}
        self._units: Mapping[str, SliceId] = {}
        self._accounts_file = accounts
        self._accounts = frozenset() if accounts is None else accounts.load() - _NOT_LOOKED_FOR
        self._own_pod = self.pod_at(os.getpid())
        self._freezing: dict[GpuId, list[Frozen]] = {}
        self._coming_back: dict[GpuId, SliceId] = {}
        self._first: dict[SliceId, int] = {}

    def groups(self) -> Sequence[SliceGroup]:
        """Return all groups."""
        with self._guard:
            return tuple(self._groups.values())

    def of(self, slice_id: SliceId) -> SliceGroup | None:
        """Return a slice's group, or ``None`` where it has none."""
        with self._guard:
            return self._groups.get(slice_id)

    def add(self, group: SliceGroup) -> None:
        """Take a group in; it is frozen at once where another slice is coming back on its GPU."""
        with self._guard:
            if self._groups.get(group.slice_id) == group:
                return
            after = {**self._groups, group.slice_id: group}
            # On disk before it may be frozen: so that it is found, whatever becomes of us.
            self._file.keep(after.values())
            self._groups = after
            under_way = self._freezing.get(group.gpu_id)
            if under_way is not None and not self._is_coming_back(group.slice_id):
                under_way.append(Frozen(group.tree, group.whole))
                group.tree.begin_freezing(group.whole, self.mark)

    def drop(self, slice_id: SliceId) -> None:
        """Forget a group that is no more."""
        with self._guard:
            after = {k: g for k, g in self._groups.items() if k != slice_id}
            if len(after) < len(self._groups):
                self._file.keep(after.values())
                self._groups = after
            self._first.pop(slice_id, None)

    def note_first(self, slice_id: SliceId, pid: int) -> None:
        """Note which process of a slice started all others: a notebook's server."""
        with self._guard:
            self._first[slice_id] = pid

    def first_of(self, slice_id: SliceId) -> int | None:
        """Return the pid of a slice's first process, where it is known."""
        with self._guard:
            return self._first.get(slice_id)

    def name_pods(self, pods: Mapping[str, SliceId]) -> None:
        """Note which pods' processes belong to slices, by UID: those that the service named."""
        with self._guard:
            self._pods = dict(pods)

    @property
    def accounts(self) -> frozenset[int]:
        """The accounts, by uid, that have or had a slice here since the boot.

        But for root's and the agent's.
        """
        return self._accounts

    def note_accounts(self, uids: Iterable[int]) -> None:
        """Note accounts that have a slice here; root's and the agent's run too much else."""
        with self._guard:
            before = self._accounts
            self._accounts |= frozenset(uids) - _NOT_LOOKED_FOR
            if self._accounts_file is not None and self._accounts != before:
                self._accounts_file.keep(self._accounts)

    def name_units(self, units: Mapping[str, SliceId]) -> None:
        """Note which systemd units' processes belong to slices, by the units' control groups."""
        with self._guard:
            self._units = dict(units)

    def _unit_slice_in(self, lines: Sequence[str]) -> SliceId | None:
        """Return the slice whose server's unit a process is in, or ``None``."""
        units = self._units
        if not units:
            return None
        text = "\n".join(lines)
        return next((units[unit] for unit in units if is_in_unit(unit, text)), None)

    def slice_at(self, pid: int) -> Verdict | None:
        """Return whose a process is; ``None`` where its groups tell nothing."""
        return self.slice_in(cgroup_lines(pid, self._proc))

    def slice_in(self, lines: Sequence[str]) -> Verdict | None:
        """Return whose a process with these ``cgroup_lines`` is; ``None``: they say nothing."""
        own = self._unit_slice_in(lines) or self._own_slice_in(lines)
        if own is not None:
            return Verdict(own)
        pods, pod = self._pods, pod_of(lines, self.pods_below)
        if pod is None or (pod == self._own_pod and pod not in pods):
            return None
        return Verdict(pods.get(pod))

    def pod_at(self, pid: int) -> str | None:
        """Return the UID of the pod that a process is in, or ``None``."""
        return pod_of(cgroup_lines(pid, self._proc), self.pods_below)

    def own_slice_at(self, pid: int) -> SliceId | None:
        """Return the slice in whose group, made by the agent, a process is, or ``None``."""
        return self._own_slice_in(cgroup_lines(pid, self._proc))

    def _own_slice_in(self, lines: Sequence[str]) -> SliceId | None:
        own = {(g.tree, g.place): g.slice_id for g in self.groups() if g.is_own}
        for tree in {tree for tree, _ in own}:
            parts = (tree.place_in(lines) or "").split("/")
            for length in range(2, len(parts) + 1):
                found = own.get((tree, "/".join(parts[:length])))
                if found is not None:
                    return found
        return None

    def begin(self, gpu_id: GpuId, slice_id: SliceId, freeze: Iterable[Frozen]) -> bool:
        """Freeze these groups, and each that is added on this GPU, until ``end``.

        Return whether the slice that comes back can answer the driver meanwhile: not while it is
        itself kept still for another GPU's. ``OSError`` where a group cannot be frozen; the others
        may be by then.
        """
        with self._guard:
            under_way = self._freezing[gpu_id] = []
            self._coming_back[gpu_id] = slice_id
            for each in freeze:
                # Noted first: whatever happens then, it is thawed at the end.
                under_way.append(each)
                if each.tree.exists(each.place):
                    each.tree.begin_freezing(each.place, self.mark)
            group = self._groups.get(slice_id)
            return group is None or not self._is_kept_still(group)

    def freeze_too(self, gpu_id: GpuId, group: SliceGroup) -> None:
        """Freeze all of another GPU's slice until ``end``, where a slice comes back on this GPU.

        But for one that comes back itself: it must answer the driver.
        """
        with self._guard:
            under_way, whom = self._freezing.get(gpu_id), Frozen(group.tree, group.whole)
            if under_way is None or whom in under_way or self._is_coming_back(group.slice_id):
                return
            under_way.append(whom)
            whom.tree.begin_freezing(whom.place, self.mark)

    def frozen(self, gpu_id: GpuId) -> Sequence[Frozen]:
        """Return what is frozen on this GPU now."""
        with self._guard:
            return tuple(self._freezing.get(gpu_id, ()))

    def end(self, gpu_id: GpuId) -> Sequence[Frozen]:
        """Freeze no more on this GPU, and thaw what no other needs still.

        Return what stays frozen although nobody needs it.
        """
        # All in one: what is thawed here may be frozen for another GPU right after.
        with self._guard:
            self._coming_back.pop(gpu_id, None)
            ended = self._freezing.pop(gpu_id, [])
            needed = self._needed()
            return [f for f in ended if f not in needed and not thaw_surely(f.tree, f.place)]

    def thaw_left(self) -> Sequence[SliceId]:
        """Thaw what is frozen in these groups for nobody here: an agent before this one left it.

        For when its own record of that is lost. Return the slices that run again.
        """
        with self._guard:
            needed = self._needed()
            thawed = []
            for group in self._groups.values():
                frozen = (Frozen(group.tree, place) for place in group.places)
                left = [f for f in frozen if f not in needed and f.tree.is_told_to_freeze(f.place)]
                # All of them, also when one stays frozen.
                outcomes = [thaw_surely(each.tree, each.place) for each in left]
                if left and all(outcomes):
                    thawed.append(group.slice_id)
            return thawed

    def _needed(self) -> set[Frozen]:
        """Return what is frozen for somebody now."""
        return {each for others in self._freezing.values() for each in others}

    def thaw_unneeded(self, tree: FreezerTree, place: str) -> bool:
        """Thaw a group that is frozen for nobody here; return whether that was so, and it runs."""
        with self._guard:
            needed = self._needed()
            if Frozen(tree, place) in needed or not tree.is_told_to_freeze(place):
                return False
            return thaw_surely(tree, place)

    def _is_coming_back(self, slice_id: SliceId) -> bool:
        return slice_id in self._coming_back.values()

    def _is_kept_still(self, group: SliceGroup) -> bool:
        """Whether the processes of a slice that must answer the driver are frozen for somebody."""
        answers = group.moved if group.is_own else group.place
        return any(
            each.tree == group.tree and is_in(answers, each.place)
            for frozen in self._freezing.values()
            for each in frozen
        )


def is_in(place: str, outer: str) -> bool:
    """Whether the place ``place`` is ``outer``, or lies in it."""
    return place == outer or place.startswith(f"{outer}/")
