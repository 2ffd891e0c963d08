"""Outsiders: processes that may use the GPU, and are in no slice's group.

They come from cron, by ssh, or from a session of before, of an account that has a slice here, had
one, or was seen to use the GPU without. Any of them may take the room of a slice that is coming
back, or start somebody who does. So all of these accounts' stand still for that time, whether they
use the GPU or not. A control group that holds nobody else is frozen as it is; from any other they
are moved into a frozen group of the agent's, and back afterwards: a session's group is never
emptied, which would end it. Then they are listed again until nobody is left outside, and nobody new
ends before it is known whose it was (each of a chain starts the next and ends); where that has no
end, nothing may be restored. The accounts of root and of the agent run too much else for that,
and among pods, which count their own from 0, an account says nothing.
"""

import contextlib
import itertools
import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from sublet_quota.names.ids import GpuId

from sublet_agent.cgroups.driver_calls import DriverCalls
from sublet_agent.cgroups.outsiders_file import HeldOutsiders, OutsidersFile
from sublet_agent.cgroups.registry import GroupBook, is_in
from sublet_agent.cgroups.sightings import Lookout, Sighting
from sublet_agent.cgroups.trees import FreezerTree
from sublet_agent.processes.process_table import ProcessTable

_LOOK_EVERY_S: Final = 0.1
"""How often it is looked for new ones while a slice comes back: a login takes longer than that to
have memory of a GPU."""
_LEAST_LOOKS: Final = 4
"""How often they are listed at least before it counts that some end as soon as they are seen."""
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
        self._table = table
        self._file = OutsidersFile(groups_file)
        self._where = where
        self._lookout = None if where is None else Lookout(book, table, where[0])
        self._calls = calls or DriverCalls()
        self._guard = threading.RLock()
        self._spared: dict[GpuId, frozenset[int]] = {}
        self._held: HeldOutsiders | None = None
        self._looked_at = 0.0
        self._at_large: dict[GpuId, float] = {}
        self._strangers: dict[GpuId, frozenset[int]] = {}

    def still(self, gpu_id: GpuId, spared: Iterable[int], within_s: float) -> bool:
        """Keep all but the ``spared`` pids from running until ``end``; return whether all stand.

        Those who do not in ``within_s`` seconds may be at large: then nothing may be restored.
        """
        if self._where is None:
            return True
        with self._guard:
            self._spared[gpu_id] = frozenset(spared)
            all_stand = self._still_all(time.monotonic() + within_s)
            if all_stand:
                self._at_large.pop(gpu_id, None)
            else:
                self._at_large[gpu_id] = time.monotonic()
            return all_stand

    def look_again(self, gpu_id: GpuId) -> None:
        """Keep from running who has logged in since; to be called while a slice comes back.

        Whoever calls has more to look at: where another GPU's look is under way, that is enough.
        """
        if not self._guard.acquire(blocking=False):
            return
        try:
            now = time.monotonic()
            if gpu_id in self._spared and now - self._looked_at >= _LOOK_EVERY_S:
                self._take(self._look(frozenset()).outside)
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
        with self._guard:
            if gpu_id in self._spared and pid not in self._ours():
                self._take({pid: self._where[0].place_of(pid) if self._where else None})

    def has_stilled(self, pid: int) -> bool:
        """Whether a process is one of those kept from running."""
        held = self._held
        if held is None:
            return False
        at = held.tree.place_of(pid)
        return at is not None and any(is_in(at, place) for place in held.places)

    def are_at_large(self, gpu_id: GpuId) -> bool:
        """Whether some could not be kept from running when a slice was last to come back."""
        since = self._at_large.get(gpu_id)
        return since is not None and time.monotonic() - since < _TOLD_FOR_S

    def end(self, gpu_id: GpuId) -> None:
        """Let all run on that no other GPU's slice needs still."""
        with self._guard:
            self._spared.pop(gpu_id, None)
            held = self._held
            if self._spared or held is None:
                return
            if held.let_go():
                self._file.forget()
            else:
                log.error("outsiders stay frozen in %s: thaw them by hand", ", ".join(held.places))
            self._held = None

    def _still_all(self, deadline: float) -> bool:
        if not self._free_the_spared():
            return False
        settled = False
        seen: frozenset[int] = frozenset()
        for looks in itertools.count(1):
            listing = self._look(seen)
            seen = listing.pids
            if listing.outside or listing.ended:
                settled = False
                # Some end at any moment on a busy machine, but not in each of these.
                enough = bool(listing.outside) or looks >= _LEAST_LOOKS
                if enough and time.monotonic() >= deadline:
                    whom = sorted(listing.outside) or "some end as soon as they are seen"
                    log.warning("processes outside of their slices' groups run on: %s", whom)
                    return False
                if listing.outside:
                    self._take(listing.outside)
                continue
            held = self._held
            if held is not None:
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

    def _free_the_spared(self) -> bool:
        """Let go who is held for another GPU and comes back; return whether all these are free."""
        held = self._held
        if held is None:
            return True
        for pid in filter(self.has_stilled, frozenset().union(*self._spared.values())):
            place = held.moved.get(pid)
            if place is None:
                return False
            try:
                held.tree.move(pid, place)
            except OSError:
                return False
        return True

    def _look(self, seen: frozenset[int]) -> Sighting:
        if self._lookout is None:
            return Sighting({}, frozenset(), frozenset())
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
        held = self._held
        if held is not None:
            for place in held.places:
                inside.update(held.tree.pids(place))
        return frozenset(inside)

    def _take(self, outside: Mapping[int, str | None]) -> None:
        if self._where is None or not outside:
            return
        tree, group = self._where
        held = self._held
        if held is None:
            held = HeldOutsiders(tree, group)
            try:
                # On disk before anybody stands still: so that they are found, whatever becomes
                # of us. Frozen before anybody is in: who comes in forks no more.
                self._file.keep(held)
                tree.make(group)
                tree.begin_freezing(group)
            except OSError as error:
                log.warning("outsiders cannot be kept from running: %s", error)
                return
            self._held = held
        self._take_in(self._held or held, outside)

    def _take_in(self, held: HeldOutsiders, outside: Mapping[int, str | None]) -> None:
        tree = held.tree
        by_place: defaultdict[str, list[int]] = defaultdict(list)
        for pid, place in outside.items():
            if place is not None:
                by_place[place].append(pid)
        in_place: set[str] = set()
        moved: dict[int, str] = {}
        for place, here in sorted(by_place.items()):
            if any(is_in(place, each) for each in (*held.places, *in_place)):
                continue
            with _told(f"group {place}"):
                if self._holds_nobody_else(tree, place, frozenset(here)):
                    in_place.add(place)
                else:
                    moved.update(dict.fromkeys(here, place))
        try:
            # All of them at once: an account may have thousands.
            self._note(
                replace(held, in_place=held.in_place | in_place, moved={**held.moved, **moved})
            )
        except OSError as error:
            log.warning("outsiders cannot be kept from running: %s", error)
            return
        for place in in_place:
            with _told(f"group {place}"):
                tree.begin_freezing(place)
        for pid in moved:
            with _told(f"process {pid}"):
                tree.move(pid, held.group)

    def _note(self, held: HeldOutsiders) -> None:
        self._file.keep(held)
        self._held = held

    def _holds_nobody_else(self, tree: FreezerTree, place: str, pids: frozenset[int]) -> bool:
        """Whether a group is these processes' and outsiders' alone, and nobody has frozen it."""
        accounts, ours, lookout = self._accounts(), self._ours(), self._lookout
        return (
            place != "/"
            and lookout is not None
            and not tree.is_freezing(place)
            and all(
                each in pids or (each not in ours and lookout.is_outsider(each, accounts))
                for each in tree.pids(place)
            )
        )


@contextlib.contextmanager
def _told(whom: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.warning("%s cannot be kept from running: %s", whom, error)
