"""The holding of outsiders: how they are kept from running, and let go again.

A control group that holds nobody else is frozen as it is; from any other they are moved into a
frozen group of the agent's, and back afterwards: a session's group is never emptied, which would
end it. All of it is on disk before anybody stands still, so that they are found, whatever becomes
of the agent.
"""

import contextlib
import errno
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from sublet_agent.cgroups.outsiders_file import HeldOutsiders, OutsidersFile
from sublet_agent.cgroups.registry import is_in
from sublet_agent.cgroups.trees import FreezerTree, thaw_surely

_REMOVED: Final = frozenset({errno.ENOENT, errno.ENODEV})
"""What the kernel says of a group that is gone, or is going at this moment."""

log = logging.getLogger(__name__)


class Holding:
    """The outsiders who are held, in one tree. One thread at a time changes it."""

    def __init__(
        self,
        file: OutsidersFile,
        tree: FreezerTree,
        group: str,
        holds_nobody_else: Callable[[str, frozenset[int]], bool],
    ) -> None:
        """``group`` is the place of the agent's own group for them.

        ``holds_nobody_else`` says of a place whether all there are outsiders, these pids included.
        """
        self.tree = tree
        self._group = group
        self._file = file
        self._holds_nobody_else = holds_nobody_else
        self.held: HeldOutsiders | None = None

    def has(self, pid: int) -> bool:
        """Whether a process is one of those held."""
        held = self.held
        if held is None:
            return False
        at = held.tree.place_of(pid)
        return at is not None and any(is_in(at, place) for place in held.places)

    def take(self, outside: Mapping[int, str | None]) -> None:
        """Keep these from running, by pid, each in this place now."""
        if not outside or not self._begin() or self.held is None:
            return
        held, tree = self.held, self.tree
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
                if self._holds_nobody_else(place, frozenset(outside)):
                    in_place.add(self._outermost(place, frozenset(outside)))
                else:
                    moved.update(dict.fromkeys(here, place))
        # All of them at once: an account may have thousands.
        if in_place and not self._note(replace(held, in_place=held.in_place | in_place)):
            return
        for place in in_place:
            with _told(f"group {place}"):
                tree.begin_freezing(place)
        if moved:
            self.move(moved)

    def move(self, pids: Mapping[int, str]) -> None:
        """Move these out of the places that they are in, wherever others are there, too."""
        if self.held is None or not self._note(
            replace(self.held, moved={**self.held.moved, **pids})
        ):
            return
        for pid in pids:
            with _told(f"process {pid}"):
                self._move_in(pid)

    def take_at_once(self, pid: int, place: str) -> None:
        """Move a process that may start another and end at any moment, and note it no more."""
        if not self._begin() or self.held is None:
            return
        if self.held.others_from != place and not self._note(replace(self.held, others_from=place)):
            return
        with _told(f"process {pid}"):
            self._move_in(pid)

    @contextlib.contextmanager
    def stopped(self, place: str) -> Iterator[None]:
        """Freeze a place with all that are there, whosever, for a moment: while the block lasts."""
        if not self._begin() or self.held is None:
            yield
            return
        before = self.held.in_place
        if not self._note(replace(self.held, in_place=before | {place})):
            yield
            return
        try:
            with _told(f"group {place}"):
                self.tree.begin_freezing(place)
            yield
        finally:
            if place not in before and thaw_surely(self.tree, place):
                self._note(replace(self.held, in_place=self.held.in_place - {place}))

    def free(self, pid: int) -> bool:
        """Let one of those held run; return whether that could be."""
        place = None if self.held is None else self.held.moved.get(pid)
        if place is None:
            return False
        try:
            self.tree.move(pid, place)
        except OSError:
            return False
        return True

    def let_go(self) -> None:
        """Let all run, where they were."""
        held = self.held
        if held is None:
            return
        if held.let_go():
            self._file.forget()
        else:
            log.error("outsiders stay frozen in %s: thaw them by hand", ", ".join(held.places))
        self.held = None

    def _begin(self) -> bool:
        if self.held is not None:
            return True
        held = HeldOutsiders(self.tree, self._group)
        try:
            # Frozen before anybody is in: who comes in forks no more.
            self._file.keep(held)
            self._make_group()
        except OSError as error:
            log.warning("outsiders cannot be kept from running: %s", error)
            return False
        self.held = held
        return True

    def _make_group(self) -> None:
        self.tree.make(self._group)
        self.tree.begin_freezing(self._group)

    def _move_in(self, pid: int) -> None:
        try:
            self.tree.move(pid, self._group)
        except OSError as error:
            # Removed by another agent of this machine, empty as it still was.
            if error.errno not in _REMOVED:
                raise
            self._make_group()
            self.tree.move(pid, self._group)

    def _note(self, held: HeldOutsiders) -> bool:
        try:
            self._file.keep(held)
        except OSError as error:
            log.warning("outsiders cannot be kept from running: %s", error)
            return False
        self.held = held
        return True

    def _outermost(self, place: str, pids: frozenset[int]) -> str:
        """Return the outermost group around a place that holds nobody else either.

        Among the groups in one that is theirs people may move their processes as they like.
        """
        for above in map(str, PurePosixPath(place).parents):
            if above == "/" or not self._holds_nobody_else(above, pids):
                break
            place = above
        return place


@contextlib.contextmanager
def _told(whom: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.warning("%s cannot be kept from running: %s", whom, error)
