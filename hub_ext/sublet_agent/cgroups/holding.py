"""The holding of outsiders: how they are kept from running, and let go again.

A control group that holds nobody else is frozen as it is; from any other they are moved into a
frozen group of the agent's, and back afterwards: a session's group is never emptied, which would
end it. All of it is on disk before anybody stands still, so that they are found, whatever becomes
of the agent.
"""

import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from sublet_agent.cgroups.outsiders_file import HeldOutsiders, OutsidersFile
from sublet_agent.cgroups.registry import is_in
from sublet_agent.cgroups.trees import REMOVED, FreezerTree, thaw_surely

_OTHERS_WITHIN_S: Final = 0.05
"""For so long it waits for other agents of this machine that make or remove groups."""

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
        self.tree: Final = tree
        self.group: Final = group
        self._file = file
        self._holds_nobody_else = holds_nobody_else
        self.held: HeldOutsiders | None = None
        # Those that an agent before this one could not let go are its own to let go.
        left = file.load()
        here = left is not None and (left.tree, left.group) == (tree, group)
        self._left = left if here else None

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
                whole = self._freezable(place, frozenset(outside))
                if whole is None:
                    moved.update(dict.fromkeys(here, place))
                else:
                    in_place.add(whole)
        # All of them at once: an account may have thousands.
        if in_place and not self._note(replace(held, in_place=held.in_place | in_place)):
            return
        for place in in_place:
            with _told(f"group {place}"):
                tree.begin_freezing(place, self._file.mark)
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
        # By somebody else, who lets them run again.
        is_frozen = self.tree.is_told_to_freeze(place)
        if not self._note(replace(self.held, in_place=before | {place})):
            yield
            return
        try:
            with _told(f"group {place}"):
                self.tree.begin_freezing(place, self._file.mark)
            yield
        finally:
            if place not in before and (is_frozen or thaw_surely(self.tree, place)):
                after = replace(self.held, in_place=self.held.in_place - {place})
                # Also where it cannot be written: who is taken for held must stand still.
                if not self._note(after):
                    self.held = after

    def free(self, pid: int) -> bool:
        """Let one of those held run; return whether that could be."""
        place = None if self.held is None else self.held.moved.get(pid)
        if place is None:
            return False
        try:
            self.tree.move(pid, place)
        except OSError:
            return False
        return not self.has(pid)

    def let_go(self) -> None:
        """Let all run, where they were, and those that could not be let go before."""
        held = self.held or self._left
        if held is None:
            return
        self.held, self._left = None, held.let_go()
        try:
            if self._left is None:
                self._file.forget()
            else:
                places = ", ".join(self._left.places)
                log.error("outsiders stay frozen in %s: tried again, or thaw them by hand", places)
                self._file.keep(self._left)
        except OSError as error:
            # More is written there then than is frozen, which harms nobody.
            log.warning("the record of outsiders is not up to date: %s", error)

    def let_go_lost(self) -> bool:
        """Let run who is in the agent's group although nobody is held: the record of it was lost.

        Return whether all do. In version 1 they go where whoever nobody moved is; in version 2,
        where that would be out of their limits, they stay.
        """
        if self.held is None and self._left is None:
            before = "/" if self.tree.version == 1 else None
            self._left = HeldOutsiders(self.tree, self.group, others_from=before)
            self.let_go()
        return self.held is None and self._left is None

    def _begin(self) -> bool:
        if self.held is not None:
            return True
        held = self._left or HeldOutsiders(self.tree, self.group)
        try:
            # Frozen before anybody is in: who comes in forks no more.
            self._file.keep(held)
            self._make_group()
            for place in held.in_place:
                with contextlib.suppress(FileNotFoundError):
                    self.tree.begin_freezing(place, self._file.mark)
        except OSError as error:
            log.warning("outsiders cannot be kept from running: %s", error)
            self._left = held
            return False
        self.held, self._left = held, None
        return True

    def _make_group(self) -> None:
        # Who waits for their memory waits for this.
        with self.tree.held_by_one(_OTHERS_WITHIN_S):
            self.tree.make(self.group)
            self.tree.begin_freezing(self.group, self._file.mark)

    def _move_in(self, pid: int) -> None:
        try:
            self.tree.move(pid, self.group)
        except OSError as error:
            # Removed by another agent of this machine, empty as it still was.
            if error.errno not in REMOVED:
                raise
            self._make_group()
            self.tree.move(pid, self.group)

    def _note(self, held: HeldOutsiders) -> bool:
        try:
            self._file.keep(held)
        except OSError as error:
            log.warning("outsiders cannot be kept from running: %s", error)
            return False
        self.held = held
        return True

    def _freezable(self, place: str, pids: frozenset[int]) -> str | None:
        """Return the innermost group around a place that nobody else can thaw, or ``None``.

        In groups that are theirs (those below a user's systemd) people let run, or move, whom they
        like. None further out than needed: who logs in meanwhile shall not stand still for it.
        ``None``: others are there, too.
        """
        for each in (place, *map(str, PurePosixPath(place).parents)):
            if each == "/" or not self._holds_nobody_else(each, pids):
                return None
            if self.tree.is_ours_alone(each):
                return each
        return None


@contextlib.contextmanager
def _told(whom: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.warning("%s cannot be kept from running: %s", whom, error)
