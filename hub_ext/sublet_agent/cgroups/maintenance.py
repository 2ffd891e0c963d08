"""The keeper of the slices' groups: makes them, brings processes in, and removes empty ones.

A slice's first process is moved into a group of the slice with all that descend from it; whoever
they start afterwards is born there, however it detaches itself. In version 2 the group is made
below the one that the process is in, so that this one's limits go on holding. Pods' groups are the
kubelet's: they are only looked up. A server's own systemd unit is its slice's with all that is in
it, from its first moment, and is frozen whole.
"""

import logging
import os
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote

from sublet_quota.names.control_groups import is_in_unit, slice_group_name
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.not_frozen import NotFrozen, UnfrozenSlices
from sublet_quota.wire.agent_link import SliceAssignment

from sublet_agent.cgroups.groups_file import SliceGroup
from sublet_agent.cgroups.left_frozen import mark_of
from sublet_agent.cgroups.pods import pod_places
from sublet_agent.cgroups.registry import GroupBook, is_in
from sublet_agent.cgroups.trees import REMOVED, FreezerTree, cgroup_lines
from sublet_agent.processes.process_table import ProcessTable
from sublet_agent.processes.slice_roots import family_of, is_root_of

_AN_AGENTS: Final = re.compile(r"sublet-.+-[0-9a-f]{8}", re.DOTALL)
_ROUNDS: Final = 20
_TRIES: Final = 5
_OTHERS_WITHIN_S: Final = 0.5
"""For so long an agent waits for others of this machine that make or remove groups."""
_MOST_NAME: Final = 150
_OUTSIDERS: Final = "outsiders"
"""The name of the group for who is in no slice's: slices' own names begin otherwise."""

log = logging.getLogger(__name__)


def agents_group_name(node: str, mark: str) -> str:
    """Return the name of the group that has an agent's slices in it."""
    return f"sublet-{quote(node, safe='')[:_MOST_NAME]}-{mark_of(mark)}"


class GroupKeeper:
    """The keeper of the groups of the slices that this node serves. All methods block."""

    def __init__(
        self,
        book: GroupBook,
        trees: Sequence[FreezerTree],
        table: ProcessTable,
        node: str,
        mark: str,
    ) -> None:
        """Find out what works on this machine; ``mark`` tells this agent from others on it."""
        self._book = book
        self.trees: Final = tuple(trees)
        """The trees that can freeze, those among them where this account may not."""
        self._table = table
        self.name: Final = agents_group_name(node, mark)
        """The name of the group that has this agent's in it, wherever that is."""
        self._serving = threading.Lock()
        self._taken_in: dict[SliceId, tuple[int, float | None]] = {}
        self._complaints: dict[SliceId, str] = {}
        self._units: dict[SliceId, str] = {}
        self._pods_only = False
        self._tree, self._no_tree = self._choose()

    @property
    def unfrozen(self) -> UnfrozenSlices | None:
        """Why not every slice of this node can be frozen; ``None``: every one can."""
        complaints = "; ".join(sorted(set(self._complaints.copy().values())))
        if complaints:
            return UnfrozenSlices(NotFrozen.SLICE_WITHOUT_GROUP, complaints)
        return None if self._pods_only else self._no_tree

    @property
    def place_for_outsiders(self) -> tuple[FreezerTree, str] | None:
        """Where the agent may have a group for who is in no slice's; ``None``: nowhere."""
        if self._tree is None:
            return None
        return self._tree, f"{_above(self._tree).rstrip('/')}/{self.name}/{_OUTSIDERS}"

    def serve(self, slices_now: Callable[[], Sequence[SliceAssignment]]) -> None:
        """Give each of these slices its group, and remove those of slices that ended."""
        with self._serving:
            # Asked only now: whoever waited here may have been told of others since.
            slices = slices_now()
            pods = {s.pod_uid: SliceId(s.slice_id) for s in slices if s.pod_uid is not None}
            self._book.name_pods(pods)
            self._pods_only = bool(pods)
            # Among pods an account says nothing: each counts its own from 0.
            self._book.note_accounts(s.uid for s in slices if s.pod_uid is None)
            self._book.name_units(
                {unit: SliceId(s.slice_id) for s in slices if (unit := self._unit_of(s))}
            )
            for assignment in slices:
                self._serve_one(assignment)
            self._remove_ended({SliceId(s.slice_id) for s in slices})

    def gather(self, processes: Iterable[tuple[int, SliceId]]) -> None:
        """Take processes in that are known as a slice's and are in nobody's group."""
        for pid, slice_id in processes:
            group = self._book.of(slice_id)
            if group is not None and group.is_own and self._book.own_slice_at(pid) is None:
                with suppress(OSError):
                    group.tree.move(pid, group.rest)

    def leave(self) -> None:
        """Remove the groups that nobody is in; the others are the next agent's."""
        with self._serving:
            self._remove_ended(set())

    def _choose(self) -> tuple[FreezerTree | None, UnfrozenSlices | None]:
        """Return a tree where this account can make groups that freeze, or ``None`` and why not."""
        failures = []
        for tree in self.trees:
            failure = self._try_tree(tree)
            if failure is None:
                return tree, None
            failures.append(failure)
        if not failures:
            return None, UnfrozenSlices(NotFrozen.NO_CONTROL_GROUPS)
        # What an admin can change comes before what the kernel lacks.
        reasons = {failure.why for failure in failures}
        why = NotFrozen.NO_ACCESS if NotFrozen.NO_ACCESS in reasons else NotFrozen.NO_FREEZER
        return None, UnfrozenSlices(why, "; ".join(failure.detail for failure in failures))

    def _try_tree(self, tree: FreezerTree) -> UnfrozenSlices | None:
        above = _above(tree)
        _remove_abandoned(tree, above)
        failure = None
        for _ in range(_TRIES):
            failure = self._try_out(tree, f"{above.rstrip('/')}/{self.name}")
            if failure is None:
                break
        return failure

    @staticmethod
    def _try_out(tree: FreezerTree, place: str) -> UnfrozenSlices | None:
        probe = f"{place}/probe-{os.getpid()}"
        try:
            tree.make(probe)
            if not tree.can_freeze(probe):
                return UnfrozenSlices(NotFrozen.NO_FREEZER, f"{tree.folder} does not freeze")
            tree.thaw(probe)
        except OSError as error:
            # Another agent, which begins at this moment, may have removed what is empty.
            return UnfrozenSlices(NotFrozen.NO_ACCESS, f"{tree.folder}: {error.strerror}")
        finally:
            tree.remove(probe)
            _remove_if_empty(tree, place)
        return None

    def _serve_one(self, assignment: SliceAssignment) -> None:
        slice_id = SliceId(assignment.slice_id)
        try:
            if assignment.pod_uid is not None:
                self._find_pod(assignment, assignment.pod_uid)
            elif assignment.root_pid is not None and self._tree is not None:
                self._take_in(assignment, assignment.root_pid, self._tree)
        except OSError as error:
            complaint = f"slice {slice_id} has no control group: {error}"
            if self._complaints.get(slice_id) != complaint:
                log.warning("%s", complaint)
            self._complaints[slice_id] = complaint
        else:
            self._complaints.pop(slice_id, None)

    def _find_pod(self, assignment: SliceAssignment, uid: str) -> None:
        slice_id, gpu_id = SliceId(assignment.slice_id), GpuId(assignment.gpu_id)
        known = self._book.of(slice_id)
        if known is not None and known.pod_uid == uid and known.tree.exists(known.place):
            self._book.add(replace(known, gpu_id=gpu_id))
            return
        for tree in self.trees:
            for place in pod_places(uid, self._book.pods_below):
                if tree.exists(place) and tree.can_freeze(place):
                    self._book.add(SliceGroup(slice_id, gpu_id, tree, place, uid))
                    return
        folders = ", ".join(str(tree.folder) for tree in self.trees) or "no folder"
        below = self._book.pods_below
        where = "" if below == "/" else f" below {below}"
        message = f"pod {uid} has none in {folders}{where}"
        raise FileNotFoundError(message)

    def _take_in(self, assignment: SliceAssignment, pid: int, tree: FreezerTree) -> None:
        slice_id = SliceId(assignment.slice_id)
        root = (pid, assignment.root_start_time)
        group = self._book.of(slice_id)
        if group is not None and not (group.is_own and group.tree.exists(group.rest)):
            group = None
        if group is not None and self._taken_in.get(slice_id) == root:
            self._book.add(replace(group, gpu_id=GpuId(assignment.gpu_id)))
            return
        if not is_root_of(self._table, pid, assignment):
            return
        if self._table.uid(pid) != assignment.uid:
            log.warning(
                "slice %s: its first process %s is not of account %s, and is left where it is",
                slice_id,
                pid,
                assignment.uid,
            )
            return
        with tree.held_by_one(_OTHERS_WITHIN_S):
            is_in = self._put_in(assignment, pid, tree, group)
        if is_in:
            self._book.note_first(slice_id, pid)
            self._taken_in[slice_id] = root

    def _put_in(
        self, assignment: SliceAssignment, pid: int, tree: FreezerTree, group: SliceGroup | None
    ) -> bool:
        """Move a slice's first process with all its family into the slice's group."""
        for attempt in range(_TRIES):
            try:
                group = group or self._make(assignment, pid, tree)
                if group is None:
                    return False
                self._move_family(pid, group)
            except OSError as error:
                # Removed, empty as it still was, by another agent that began at this moment.
                if error.errno not in REMOVED or attempt == _TRIES - 1:
                    raise
                group = None
            else:
                break
        return True

    def _make(self, assignment: SliceAssignment, pid: int, tree: FreezerTree) -> SliceGroup | None:
        above = "/"
        if tree.version != 1:
            place = tree.place_of(pid)
            if place is None:
                return None
            # Never below another slice's group: the outermost would have its processes.
            above = f"{place}/".split(f"/{self.name}/")[0]
        name = slice_group_name(SliceId(assignment.slice_id))
        place = f"{above.rstrip('/')}/{self.name}/{name}"
        unit = self._unit_of(assignment)
        group = SliceGroup(
            SliceId(assignment.slice_id),
            GpuId(assignment.gpu_id),
            tree,
            place,
            # Only there the tree is systemd's, too.
            unit=unit if unit is not None and is_in(place, unit) else None,
        )
        tree.make(group.rest)
        tree.make(group.moved)
        self._book.add(group)
        try:
            # What is suspended lies in the slice's own memory.
            tree.keep_out_of_swap(place)
        except OSError as error:
            log.warning("slice %s may be written to swap: %s", group.slice_id, error)
        return group

    def _move_family(self, root: int, group: SliceGroup) -> None:
        """Move a process and its descendants in until nobody is left outside: they start others."""
        us = {os.getpid(), os.getppid()}
        # A job that a notebook started was born in the notebook's group.
        movable = {None, self._book.own_slice_at(root)} - {group.slice_id}
        for _ in range(_ROUNDS):
            # In a unit also those who have left the family: nobody else's are there.
            there = [] if group.unit is None else group.tree.pids(group.unit)
            strangers = [
                pid
                for pid in dict.fromkeys([*family_of(self._table, root), *there])
                if pid not in us and self._book.own_slice_at(pid) in movable
            ]
            if not strangers:
                return
            for pid in strangers:
                group.tree.move(pid, group.rest)
        log.warning("slice %s starts processes faster than they can be moved", group.slice_id)

    def _unit_of(self, assignment: SliceAssignment) -> str | None:
        """Return the group of a slice's unit, once its first process was seen to be in it."""
        slice_id, unit = SliceId(assignment.slice_id), assignment.unit_group
        if unit is None or assignment.root_pid is None:
            self._units.pop(slice_id, None)
            return None
        if self._units.get(slice_id) != unit:
            lines = "\n".join(cgroup_lines(assignment.root_pid))
            if not is_root_of(self._table, assignment.root_pid, assignment) or not is_in_unit(
                unit, lines
            ):
                return None
            self._units[slice_id] = unit
        return unit

    def _remove_ended(self, assigned: set[SliceId]) -> None:
        for group in self._book.groups():
            if group.slice_id in assigned:
                continue
            if group.is_own:
                if not group.tree.remove(group.place):
                    continue
                _remove_if_empty(group.tree, str(PurePosixPath(group.place).parent))
            elif group.tree.exists(group.place):
                # Its pod is still ending.
                continue
            self._book.drop(group.slice_id)
            self._complaints.pop(group.slice_id, None)
            self._taken_in.pop(group.slice_id, None)
        for slice_id in self._units.keys() - assigned:
            del self._units[slice_id]


def _above(tree: FreezerTree) -> str:
    """Return the place below which the agent may make groups of its own."""
    return "/" if tree.version == 1 else tree.place_of(os.getpid()) or "/"


def _remove_abandoned(tree: FreezerTree, above: str) -> None:
    """Remove what agents left behind that were killed, and whose processes ended later."""
    with tree.held_by_one(_OTHERS_WITHIN_S) as alone:
        # Who puts somebody in so long leaves this to the agent that begins next.
        for name in tree.inside(above) if alone else ():
            place = f"{above.rstrip('/')}/{name}"
            # Others may have groups of their own that begin with this project's name.
            if not _AN_AGENTS.fullmatch(name) or tree.pids(place):
                continue
            # A living agent's: frozen for who is to be moved in, the next moment.
            if any(tree.is_told_to_freeze(f"{place}/{each}") for each in tree.inside(place)):
                continue
            # An agent that has just made one, and did not have the tree, makes it again.
            tree.remove(place)


def _remove_if_empty(tree: FreezerTree, place: str) -> None:
    if not tree.inside(place):
        tree.remove(place)
