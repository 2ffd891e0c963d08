"""One look at the machine's processes: which of some accounts run outside of every slice's group.

An account may have thousands of processes, so nothing is read of a process that is known to be
where it belongs, and of any other each file once.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from sublet_agent.cgroups.registry import GroupBook
from sublet_agent.cgroups.trees import FreezerTree, cgroup_lines
from sublet_agent.processes.process_table import ProcessTable


@dataclass(frozen=True, slots=True)
class Sighting:
    """The outsiders at one moment."""

    outside: Mapping[int, str | None]
    """Those who run, by pid, and the place of each; ``None``: it is gone, or cannot be told."""
    ended: frozenset[int]
    """The new ones that had ended before it was known whose they are: each may have started
    another.
    """
    pids: frozenset[int]
    """All pids that were listed, whosever."""


class Lookout:
    """A look-out for outsiders, in one tree."""

    def __init__(self, book: GroupBook, table: ProcessTable, tree: FreezerTree) -> None:
        self._book = book
        self._table = table
        self._tree = tree

    def look(
        self,
        accounts: Collection[int],
        inside: Callable[[], frozenset[int]],
        seen: frozenset[int] = frozenset(),
    ) -> Sighting:
        """Look for outsiders of these accounts.

        ``inside`` tells who is none, and is asked after the list was read: whoever was listed and
        is inside then was inside before, or the agent itself put them there. ``seen`` are the pids
        of a look right before.
        """
        pids = self._table.pids() if accounts else []
        known = inside() if pids else frozenset()
        outside: dict[int, str | None] = {}
        ended = set()
        # Those first that are new: one that starts another and ends is looked at while it lives.
        for pid in sorted(pids, key=seen.__contains__):
            if pid in known:
                continue
            uid = self._table.uid(pid)
            if uid is None or (uid in accounts and self._table.identify(pid) is None):
                if pid not in seen and self._book.slice_at(pid) is None:
                    ended.add(pid)
            elif uid in accounts:
                lines = cgroup_lines(pid)
                if self._book.slice_in(lines) is None:
                    outside[pid] = self._tree.place_in(lines)
        return Sighting(outside, frozenset(ended), frozenset(pids))

    def newly_seen(self, accounts: Collection[int], seen: set[int]) -> Iterator[tuple[int, str]]:
        """Yield outsiders, each with its place, the moment that it is seen; those not in ``seen``.

        Whoever was listed is in that afterwards.
        """
        pids = set(self._table.pids())
        new = sorted(pids - seen, reverse=True)
        seen &= pids
        for pid in new:
            seen.add(pid)
            if self._table.uid(pid) in accounts:
                lines = cgroup_lines(pid)
                place = self._tree.place_in(lines)
                if place is not None and self._book.slice_in(lines) is None:
                    yield pid, place

    def is_outsider(self, pid: int, accounts: Collection[int]) -> bool:
        """Whether this process is one of these accounts', and in no slice's group."""
        return (
            self._table.uid(pid) in accounts
            and self._table.identify(pid) is not None
            and self._book.slice_at(pid) is None
        )
