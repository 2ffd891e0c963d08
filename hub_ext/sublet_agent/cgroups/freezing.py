"""The freezer of whole slices: the others on a GPU stand still while one comes back.

All are thawed afterwards, whatever happens. Everybody on the GPU stands still then but the
processes that come back. The driver restores a process with the help of one of its own threads, so
those are never frozen: in the group of their own slice they are set apart from the rest. So is the
slice's first process, the notebook's server: it is what tells its owner how far the slice has come.
Whoever these start meanwhile is looked out for, as everybody is without a freezer; the room that
they take is their own slice's. A pod's group is not the agent's to change, so that goes for all
processes of a pod that comes back. Whoever has an account here and is in no slice's group stands
still as well (``outsiders``).
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.not_frozen import NotFrozen, not_frozen_clause

from sublet_agent.cgroups.driver_calls import DriverCalls
from sublet_agent.cgroups.freezer import FrozenNeighbours
from sublet_agent.cgroups.groups_file import SliceGroup
from sublet_agent.cgroups.outsiders import Outsiders
from sublet_agent.cgroups.registry import Frozen, GroupBook

log = logging.getLogger(__name__)


class SliceFreezer:
    """A freezer of the slices in a ``GroupBook``."""

    def __init__(
        self, book: GroupBook, outsiders: Outsiders, calls: DriverCalls | None = None
    ) -> None:
        self._calls = calls or DriverCalls()
        self._book = book
        self._outsiders = outsiders

    def set_apart(self, slice_id: SliceId, pids: Sequence[int]) -> None:
        """Let these processes answer the driver also while the rest of their slice is frozen."""
        group = self._book.of(slice_id)
        if group is None or not group.is_own:
            return
        rest = Frozen(group.tree, group.rest)
        for pid in filter(rest.has_frozen, pids):
            try:
                group.tree.move(pid, group.moved)
            except OSError as error:
                log.warning("process %s cannot be set apart: %s", pid, error)

    def note_stranger(self, gpu_id: GpuId, pid: int) -> None:
        """Note a process that uses a GPU and is no slice's: others of its account may, too."""
        self._outsiders.note_stranger(gpu_id, pid)

    @contextmanager
    def freeze_neighbours(
        self, gpu_id: GpuId, slice_id: SliceId, pids: Sequence[int], within_s: float
    ) -> Iterator[FrozenNeighbours]:
        """Freeze everybody on the GPU but these processes of this slice while the block lasts.

        Yields who stands still; slices that are not at rest after ``within_s`` seconds are its
        problem.
        """
        self._put_back(slice_id, pids)
        first = self._book.first_of(slice_id)
        self.set_apart(slice_id, pids if first is None else [*pids, first])
        try:
            problem = self._freeze(gpu_id, slice_id, pids, within_s)
            yield FrozenNeighbours(
                problem,
                lambda pid: self._stands_still(gpu_id, pid),
                lambda: self._outsiders.look_again(gpu_id),
                lambda pid: self._hold(gpu_id, pid),
            )
        finally:
            try:
                for each in self._book.end(gpu_id):
                    log.error("the group %s stays frozen: thaw it by hand", each.place)
            finally:
                self._outsiders.end(gpu_id)

    def _hold(self, gpu_id: GpuId, pid: int) -> None:
        """Keep a process from running that is no slice's of this GPU, with its slice on another.

        Where that slice is coming back there, its processes stay at large here.
        """
        verdict = self._book.slice_at(pid)
        slice_id = None if verdict is None else verdict.slice_id
        group = None if slice_id is None else self._book.of(slice_id)
        if group is None:
            self._outsiders.hold(gpu_id, pid)
            return
        if not _holds_us(Frozen(group.tree, group.whole)):
            try:
                self._book.freeze_too(gpu_id, group)
            except OSError as error:
                log.warning("slice %s, of another GPU, cannot be frozen: %s", slice_id, error)

    def _put_back(self, slice_id: SliceId, pids: Sequence[int]) -> None:
        """Put with the rest of a slice the processes that were born apart, other than ``pids``."""
        group = self._book.of(slice_id)
        if group is None or not group.is_own:
            return
        stay = {*pids, self._book.first_of(slice_id)}
        for pid in set(group.tree.pids(group.moved)) - stay:
            try:
                group.tree.move(pid, group.rest)
            except OSError as error:
                log.warning("process %s cannot be put with the rest: %s", pid, error)

    def _freeze(
        self, gpu_id: GpuId, slice_id: SliceId, pids: Sequence[int], within_s: float
    ) -> str:
        chosen = []
        for group in self._book.groups():
            if group.gpu_id == gpu_id:
                own = group.slice_id == slice_id
                whom = _rest_of(group, pids) if own else Frozen(group.tree, group.whole)
                if whom is not None and not _holds_us(whom):
                    chosen.append(whom)
        if self._outsiders.must_run_first():
            return "who runs outside of slices has stood still for other GPUs' slices for too long"
        # Before the others stand still: an account may have thousands, and that takes its time.
        self._outsiders.gather(gpu_id, pids)
        try:
            answers = self._book.begin(gpu_id, slice_id, chosen)
        except OSError as error:
            return f"the slices beside it cannot be frozen: {error}"
        if not answers:
            return "it is itself kept still for another slice that comes back"
        # Once more: until they were frozen the slices may have had somebody started elsewhere.
        if not self._outsiders.still(gpu_id, pids, within_s):
            return not_frozen_clause(NotFrozen.OUTSIDERS_AT_LARGE)
        frozen = [(f.tree, f.place) for f in self._book.frozen(gpu_id)]
        late = self._calls.wait_harmless(frozen, within_s)
        if late:
            return f"the slices beside it do not stand still in {within_s} s: {', '.join(late[:3])}"
        return ""

    def _stands_still(self, gpu_id: GpuId, pid: int) -> bool:
        frozen = self._book.frozen(gpu_id)
        if any(each.has_frozen(pid) for each in frozen) or self._outsiders.has_stilled(pid):
            return True
        # Seen from inside a container a path may begin elsewhere: then the pod's name says it.
        places = {(f.tree, f.place) for f in frozen}
        pods = {g.pod_uid for g in self._book.groups() if (g.tree, g.whole) in places} - {None}
        return bool(pods) and self._book.pod_at(pid) in pods


def _rest_of(group: SliceGroup, pids: Sequence[int]) -> Frozen | None:
    """Return what stands still in the slice that comes back; ``None`` where that cannot be told."""
    if not group.is_own:
        return None
    rest = Frozen(group.tree, group.rest)
    return None if any(map(rest.has_frozen, pids)) else rest


def _holds_us(whom: Frozen) -> bool:
    """Whether the agent itself is in this group: frozen, it could thaw nobody."""
    if any(map(whom.has_frozen, (os.getpid(), os.getppid()))):
        log.warning("the agent runs in the control group %s, which is not frozen", whom.place)
        return True
    return False
