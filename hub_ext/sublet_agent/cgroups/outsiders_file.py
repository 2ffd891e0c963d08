"""The file of the outsiders who are kept from running, written before any of them is.

It lies beside the file of the slices' groups, and whoever thaws those lets these go, too: the
agent's watchdog and the next agent. An outsider whose own group was frozen is thawed there; one
who was moved into the agent's group goes back to where they were, and only then that is thawed.
"""

import contextlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from sublet_agent.cgroups.left_frozen import mark_of
from sublet_agent.cgroups.trees import FreezerTree, thaw_surely
from sublet_agent.durable_writes import replace_file
from sublet_agent.processes.threads import stat_fields

_SUFFIX: Final = "-outsiders.json"
_STAT_PARENT: Final = 1
"""The place of the parent's pid in what ``stat_fields`` returns."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HeldOutsiders:
    """Everybody outside of the slices' groups who is kept from running."""

    tree: FreezerTree
    group: str
    """The place of the agent's own group for them."""
    in_place: frozenset[str] = frozenset()
    """The places of groups that hold nobody else, and are frozen as they are."""
    moved: Mapping[int, str] = field(default_factory=dict)
    """The processes that are in the agent's group, by pid, and where each was before."""

    others_from: str | None = None
    """Where anybody else in the agent's group was before; ``None``: where their parents were."""

    @property
    def places(self) -> tuple[str, ...]:
        """Every place that is frozen."""
        return (self.group, *sorted(self.in_place))

    def let_go(self) -> "HeldOutsiders | None":
        """Let all run, and put back whom the agent moved; return who stands still nevertheless."""
        left = frozenset(each for each in self.in_place if not thaw_surely(self.tree, each))
        # While the group is frozen: nobody there starts others, and an agent that dies meanwhile
        # is known by it.
        for pid, place in self._origins().items():
            # A group that is gone meanwhile: they run on in the agent's.
            with contextlib.suppress(OSError):
                self.tree.move(pid, place)
        runs = thaw_surely(self.tree, self.group)
        self.tree.remove(self.group)
        return None if runs and not left else replace(self, in_place=left)

    def _origins(self) -> dict[int, str]:
        """Return where each process in the agent's group is from.

        One that was being born while its parent was moved in is from where that was.
        """
        found = {}
        for pid in self.tree.pids(self.group):
            place = self.moved.get(pid) or self.moved.get(_parent_of(pid)) or self.others_from
            if place is not None:
                found[pid] = place
        return found


class OutsidersFile:
    """The record of who is kept from running, for the agent's account alone."""

    def __init__(self, groups_file: Path) -> None:
        self._path = groups_file.with_name(groups_file.stem + _SUFFIX)
        self.mark: Final = mark_of(groups_file)
        """Whose groups these are, as the kernel keeps it with those that are frozen."""

    def load(self) -> HeldOutsiders | None:
        """Return who was kept from running; ``None``: nobody, or it cannot be read."""
        try:
            return _from_fields(json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("the outsiders in %s cannot be read: %s", self._path, error)
            return None

    def keep(self, held: HeldOutsiders) -> None:
        """Replace what is kept. Groups do not outlive the machine: nothing is forced to disk."""
        fields = {
            **held.tree.fields,
            "group": held.group,
            "in_place": sorted(held.in_place),
            "moved": {str(pid): place for pid, place in held.moved.items()},
            "others_from": held.others_from,
        }
        replace_file(self._path, json.dumps(fields).encode())

    def forget(self) -> None:
        """Keep nobody any more."""
        self._path.unlink(missing_ok=True)


def is_anybody_held(groups_file: Path) -> bool:
    """Whether somebody in the file was kept from running, and nobody let them go."""
    held = OutsidersFile(groups_file).load()
    return held is not None and any(map(held.tree.is_told_to_freeze, held.places))


def let_go_left_over(groups_file: Path) -> None:
    """Let go whomever an agent that is dead kept from running."""
    file = OutsidersFile(groups_file)
    held = file.load()
    if held is not None and held.let_go() is None:
        file.forget()


def _parent_of(pid: int) -> int:
    # Whatever keeps from looking must not keep from thawing.
    with contextlib.suppress(OSError):
        fields = stat_fields(f"/proc/{pid}/stat")
        if fields is not None:
            return int(fields[_STAT_PARENT])
    return 0


def _from_fields(fields: Mapping[str, Any]) -> HeldOutsiders:
    return HeldOutsiders(
        FreezerTree.from_fields(fields),
        str(fields["group"]),
        frozenset(map(str, fields["in_place"])),
        {int(pid): str(place) for pid, place in fields["moved"].items()},
        None if fields.get("others_from") is None else str(fields["others_from"]),
    )
