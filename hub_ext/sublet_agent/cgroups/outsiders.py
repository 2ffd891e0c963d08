"""Outsiders: processes that may use the GPU, and are in no slice's group.

They come from cron, by ssh, or from a session of before, of an account that has a slice here, had
one, or was seen to use the GPU without. Any of them may take the room of a slice that is coming
back, or start somebody who does. So all of these accounts' stand still for that time, whether they
use the GPU or not (``holding``). They are listed again until nobody is left outside, and nobody new
ends before it is known whose it was; where that has no end, nothing may be restored. Who starts
another and ends, for ever, is hunted (``chains``). The accounts of root and of the agent run too
much else for that, and among pods, which count their own from 0, an account says nothing.
"""

import itertools
import logging
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sublet_quota.names.ids import GpuId

from sublet_agent.cgroups.chains import hunt
from sublet_agent.cgroups.driver_calls import DriverCalls
from sublet_agent.cgroups.ended import EndedProcesses
from sublet_agent.cgroups.holding import Holding
from sublet_agent.cgroups.left_frozen import left_frozen
from sublet_agent.cgroups.outsiders_file import OutsidersFile
from sublet_agent.cgroups.registry import GroupBook
from sublet_agent.cgroups.sightings import Lookout, Sighting
from sublet_agent.cgroups.trees import FreezerTree
from sublet_agent.processes.process_table import ProcessTable

_LOOK_EVERY_S: Final = 0.1
"""How often it is looked for new ones while a slice comes back: a login takes longer than that to
have memory of a GPU."""
_LEAST_LOOKS: Final = 4
"""How often they are listed at least before it counts that some end as soon as they are seen."""
_HUNT_AFTER: Final = 3
"""After how many looks in which some are outside, or have ended, they are hunted."""
_LET_OTHERS_S: Final = 0.001
"""How long another GPU's restore has, between two looks, to have somebody held."""
_LONGEST_S: Final = 30.0
"""How long they may stand still for one restore after another, where these overlap."""
_REST_S: Final = 1.0
"""How long they run then, until the next."""
_TOLD_FOR_S: Final = 60.0
"""How long it is told that some could not be stilled: longer than until the next try."""

log = logging.getLogger(__name__)


class Outsiders:
    """The outsiders of this node's accounts, and those kept from running. Safe from any thread."""

    def __init__(
        self,
        book: GroupBook,
        table: ProcessTable,
        groups_file: Path,
        where: tuple[FreezerTree, str] | None,
        calls: DriverCalls | None = None,
    ) -> None:
        """``where``: the tree, and the place in it for the agent's group of them.

        ``None``: it cannot have one, and nobody is frozen on this node.
        """
        self._book = book
        self._mark = book.mark
        self._table = table
        self._calls = calls or DriverCalls()
        self._guard = threading.RLock()
        self._spared: dict[GpuId, frozenset[int]] = {}
        self._looked_at = 0.0
        self._at_large: dict[GpuId, float] = {}
        self._strangers: dict[GpuId, frozenset[int]] = {}
        self._holding: Holding | None = None
        self._held_since = 0.0
        self._rest_until = 0.0
        if where is not None:
            file = OutsidersFile(groups_file)
            self._holding = Holding(file, *where, self._holds_nobody_else)
            self._lookout = Lookout(book, table, where[0])

    def monotonic(self) -> float:
        """Return the time, in seconds, by a clock that nobody sets."""
        return time.monotonic()

    def must_run_first(self) -> bool:
        """Whether no restore may begin: they have stood still for others for too long, and run now.

        Cards whose restores overlap would never let them go. A restore that does not end (its
        process is stopped again and again) keeps others waiting for every other while alone.
        """
        with self._guard:
            now = self.monotonic()
            if self._spared:
                return (now - self._held_since) % (2 * _LONGEST_S) >= _LONGEST_S
            return now < self._rest_until

    def gather(self, gpu_id: GpuId, spared: Iterable[int]) -> None:
        """Keep those from running who are there now; whether all stand, ``still`` says."""
        if self._holding is None:
            return
        with self._guard:
            self._spare(gpu_id, spared)
            if self._free_the_spared(self._holding):
                self._holding.take(self._look().outside)

    def still(self, gpu_id: GpuId, spared: Iterable[int], within_s: float) -> bool:
        """Keep all but the ``spared`` pids from running until ``end``; return whether all stand.

        Those who do not in ``within_s`` seconds may be at large: then nothing may be restored.
        """
        holding = self._holding
        if holding is None:
            return True
        with EndedProcesses() as ended:
            deadline = time.monotonic() + within_s
            with self._guard:
                self._spare(gpu_id, spared)
                are_free = self._free_the_spared(holding)
            all_stand = are_free and self._still_all(holding, gpu_id, deadline, ended)
        with self._guard:
            if all_stand:
                self._at_large.pop(gpu_id, None)
            else:
                self._at_large[gpu_id] = time.monotonic()
        return all_stand

    def look_again(self, gpu_id: GpuId) -> None:
        """Keep from running who has logged in since; to be called while a slice comes back.

        Whoever calls has more to look at: where another GPU's look is under way, that is enough.
        """
        if self._holding is None or not self._guard.acquire(blocking=False):
            return
        try:
            now = time.monotonic()
            if gpu_id in self._spared and now - self._looked_at >= _LOOK_EVERY_S:
                self._holding.take(self._look().outside)
                self._looked_at = now
        finally:
            self._guard.release()

    def note_stranger(self, gpu_id: GpuId, pid: int) -> None:
        """Note a process that uses a GPU and is no slice's: all of its account is looked for.

        But for one in a pod: its account has nothing to do with the same number elsewhere.
        """
        if self._book.slice_at(pid) is not None:
            return
        uid = self._table.uid(pid)
        known = self._strangers.get(gpu_id, frozenset())
        if uid is not None and uid not in known and uid not in {0, os.geteuid()}:
            self._strangers[gpu_id] = known | {uid}

    def hold(self, gpu_id: GpuId, pid: int) -> None:
        """Keep this process from running until ``end``, whosever it is but the agent's own."""
        holding = self._holding
        with self._guard:
            if holding is not None and gpu_id in self._spared and pid not in self._ours():
                holding.take({pid: holding.tree.place_of(pid)})

    def has_stilled(self, pid: int) -> bool:
        """Whether a process is one of those kept from running."""
        return self._holding is not None and self._holding.has(pid)

    def are_at_large(self, gpu_id: GpuId) -> bool:
        """Whether some could not be kept from running when a slice was last to come back."""
        since = self._at_large.get(gpu_id)
        return since is not None and time.monotonic() - since < _TOLD_FOR_S

    def end(self, gpu_id: GpuId) -> None:
        """Let all run on that no other GPU's slice needs still."""
        with self._guard:
            if self._spared.pop(gpu_id, None) is None or self._spared:
                return
            now = self.monotonic()
            if now - self._held_since >= _LONGEST_S:
                self._rest_until = now + _REST_S
            if self._holding is not None:
                self._holding.let_go()

    def let_go_left(self) -> None:
        """Let run those that could not be thawed when they should have been."""
        with self._guard:
            if self._holding is not None and not self._spared:
                self._holding.let_go()

    def let_go_lost(self, trees: Iterable[FreezerTree], name: str) -> list[str]:
        """Thaw what an agent before this one left frozen, where its own record of that is lost.

        Found by the agent's own ``name`` and mark: nobody else's groups are touched. Nor is what
        stands still for this agent now. Return the places that run again.
        """
        found = [(tree, place) for tree in trees for place in left_frozen(tree, name, self._mark)]
        return [place for tree, place in found if self._let_go_lost(tree, place)]

    def _let_go_lost(self, tree: FreezerTree, place: str) -> bool:
        holding = self._holding
        # All in one: somebody may be held, or frozen, right after.
        with self._guard:
            if holding is not None and holding.tree == tree:
                if holding.held is not None and place in holding.held.places:
                    return False
                if place == holding.group:
                    return holding.let_go_lost()
            return self._book.thaw_unneeded(tree, place)

    def _spare(self, gpu_id: GpuId, pids: Iterable[int]) -> None:
        if not self._spared:
            self._held_since = self.monotonic()
        self._spared[gpu_id] = frozenset(pids)

    def _still_all(
        self, holding: Holding, gpu_id: GpuId, deadline: float, ended: EndedProcesses
    ) -> bool:
        settled = False
        restless = 0
        seen: frozenset[int] = frozenset()
        for looks in itertools.count(1):
            with self._guard:
                sighting = self._look(seen)
                seen = sighting.pids
                unknown = self._is_any_unknown(gpu_id, sighting.ended, ended)
                is_restless = unknown or bool(sighting.outside)
                restless += is_restless
                # Some end at any moment on a busy machine, but not in each of these.
                enough = bool(sighting.outside) or looks >= _LEAST_LOOKS
                if is_restless and enough and time.monotonic() >= deadline:
                    whom = sorted(sighting.outside) or "some end as soon as they are seen"
                    log.warning("processes outside of their slices' groups run on: %s", whom)
                    return False
                holding.take(sighting.outside)
                if is_restless and restless >= _HUNT_AFTER:
                    accounts, ours = self._accounts(), self._ours()
                    hunt(self._lookout, holding, accounts, self._inside, ours)
                held = holding.held
            if is_restless:
                settled = False
                # Who begins to use another GPU meanwhile, on which a slice comes back, is held.
                time.sleep(_LET_OTHERS_S)
                continue
            if held is not None:
                # Not under the guard: it may take all the time that there is.
                left_s = max(0.0, deadline - time.monotonic())
                late = self._calls.wait_harmless(
                    [(held.tree, place) for place in held.places], left_s
                )
                if late:
                    log.warning("processes outside of slices' groups do not stand still: %s", late)
                    return False
            # Listed twice: whoever was born while the list was read is in the next.
            if settled:
                break
            settled = True
        return True

    def _is_any_unknown(self, gpu_id: GpuId, pids: Iterable[int], ended: EndedProcesses) -> bool:
        """Whether one of these, that have ended, may have been an outsider."""
        accounts, unknown = self._accounts(), False
        for pid in pids:
            told = ended.account_and_parent(pid)
            if told is None:
                unknown = True
                continue
            uid, parent = told
            # Whoever descends from somebody in a slice's group is in it, too.
            if uid in accounts and self._book.slice_at(parent) is None:
                unknown = True
                self._hush(gpu_id, uid)
        return unknown

    def _hush(self, gpu_id: GpuId, uid: int) -> None:
        """Freeze an account's slices of other GPUs, too: then who ends was in none of them."""
        for group in self._book.groups():
            there = group.tree.pids(group.whole)
            if not self._ours().isdisjoint(there) or group.pod_uid is not None:
                continue
            if any(self._table.uid(pid) == uid for pid in there):
                try:
                    self._book.freeze_too(gpu_id, group)
                except OSError as error:
                    log.warning("slice %s cannot be frozen: %s", group.slice_id, error)

    def _free_the_spared(self, holding: Holding) -> bool:
        """Let go who is held for another GPU and comes back; return whether all these are free."""
        spared = frozenset().union(*self._spared.values())
        return all(holding.free(pid) for pid in filter(holding.has, spared))

    def _look(self, seen: frozenset[int] = frozenset()) -> Sighting:
        return self._lookout.look(self._accounts(), self._inside, seen)

    def _accounts(self) -> frozenset[int]:
        return self._book.accounts.union(*(self._strangers.get(g, ()) for g in self._spared))

    def _ours(self) -> frozenset[int]:
        """Return who must run: the agent, its watchdog, and those that come back."""
        return frozenset({os.getpid(), os.getppid()}).union(*self._spared.values())

    def _inside(self) -> frozenset[int]:
        """Return who runs rightly, or stands still: ours, the slices', and those who are held."""
        inside = set(self._ours())
        for group in self._book.groups():
            inside.update(group.tree.pids(group.whole))
        held = None if self._holding is None else self._holding.held
        if held is not None:
            for place in held.places:
                inside.update(held.tree.pids(place))
        return frozenset(inside)

    def _holds_nobody_else(self, place: str, pids: frozenset[int]) -> bool:
        """Whether a group is these processes' and outsiders' alone, and nobody has frozen it."""
        if self._holding is None or place == "/" or self._holding.tree.is_freezing(place):
            return False
        accounts, ours = self._accounts(), self._ours()
        return all(
            each in pids or (each not in ours and self._lookout.is_outsider(each, accounts))
            for each in self._holding.tree.pids(place)
        )
