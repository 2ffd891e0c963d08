"""The look at whether a process's own threads run: one whose threads do not answers no driver.

The driver lets a target do part of a lock, checkpoint, restore or unlock itself, and answers even a
question about it only with its help: of a process that is stopped or frozen it waits for ever. A
process whose main thread has ended stands still as soon as one of the others does.
"""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from sublet_agent.cgroups.trees import FreezerTree, cgroup_lines, find_trees
from sublet_agent.processes.threads import living_threads

_STATE_AFTER: Final = b") "
_MAIN_THREAD_ENDED: Final = b"Z"


class Stillness(StrEnum):
    """The reason for which a process's threads do not run."""

    STOPPED = "stopped"
    """By SIGSTOP or Ctrl-Z (state T)."""
    TRACED = "traced"
    """Held by a debugger (state t)."""
    FROZEN = "frozen"
    """In a control group that somebody froze, or is freezing."""


STILLNESS_WORDS: Final[dict[Stillness, str]] = {
    Stillness.STOPPED: "is stopped (Ctrl-Z, SIGSTOP): let it go on (`fg`, `kill -CONT`), or end it",
    Stillness.TRACED: "is held by a debugger: let it go on there, or end it",
    Stillness.FROZEN: "is in a control group that is frozen: thaw it",
}

_OF_STATE: Final = {b"T": Stillness.STOPPED, b"t": Stillness.TRACED}


class StandingStill:
    """The processes that stand still, as the kernel tells."""

    def __init__(
        self, trees: Sequence[FreezerTree] | None = None, proc: Path = Path("/proc")
    ) -> None:
        self._trees: Final = tuple(find_trees() if trees is None else trees)
        self._proc: Final = str(proc)

    def why(self, pid: int) -> Stillness | None:
        """Return why a process's threads do not run; ``None`` where they do, or it is gone."""
        try:
            with open(f"{self._proc}/{pid}/stat", "rb") as stat:  # noqa: PTH123 - hot path
                text = stat.read()
        except OSError:
            return None
        # The command's name is in brackets and may itself hold brackets and blanks.
        state = text[text.rfind(_STATE_AFTER) + 2 :][:1]
        still = self._of_threads(pid) if state == _MAIN_THREAD_ENDED else _OF_STATE.get(state)
        return still or (Stillness.FROZEN if self._is_frozen(pid) else None)

    def _of_threads(self, pid: int) -> Stillness | None:
        states = {state.encode() for _, state in living_threads(pid, self._proc)}
        return next((why for state, why in _OF_STATE.items() if state in states), None)

    def _is_frozen(self, pid: int) -> bool:
        lines = cgroup_lines(pid) if self._trees else ()
        for tree in self._trees:
            place = tree.place_in(lines)
            try:
                if place is not None and place != "/" and tree.is_freezing(place):
                    return True
            except OSError:
                # Version 2's topmost group, or a group that is gone.
                continue
        return False
