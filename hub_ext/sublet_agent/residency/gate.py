"""The gate before a slice's cells, the cells that wait there, and the kernels that have asked."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sublet_quota.residency.actions import Wait

from sublet_agent.errors import SubletAgentError
from sublet_agent.processes.process_table import ProcessIdentity

_MOST_KERNELS: Final = 256
_MOST_ANCESTORS: Final = 16


@dataclass(frozen=True, slots=True)
class Gate:
    """A slice's gate: open since the beginning of a turn, or closed.

    An open gate has no wait; a closed one has no turn.
    """

    turn_since: datetime | None = None
    """Since when the gate is open; ``None`` while it is closed."""
    waiting_since: datetime | None = None
    """Since when a slice with work waits for its room; ``None`` while its gate is open, or without
    work.
    """
    wait: Wait | None = None
    """For whom and why a closed gate waits, as the policy said last."""

    def __post_init__(self) -> None:
        """Refuse a gate that is open and closed."""
        if self.is_open and (self.waiting_since is not None or self.wait is not None):
            message = f"a gate is open since {self.turn_since}, so nothing waits before it: {self}"
            raise SubletAgentError(message)

    @property
    def is_open(self) -> bool:
        """Whether cells may run: the rest of the slice's cap is promised to it."""
        return self.turn_since is not None


@dataclass(slots=True, eq=False)
class GateRequest:
    """A cell that waits at the gate."""

    kernel: str
    cell: str
    changed: Callable[[], None]
    """Called when the gate opened, or the reason for waiting changed."""
    process: ProcessIdentity | None = None
    """The process of the kernel that asks; ``None``: it is gone."""
    refused: Callable[[str], None] = lambda _: None
    """Called with the reason when the cell need not wait here any more."""
    connection: object | None = None
    """By which it asks; levels that come by the same are later than what was asked before."""


class SliceKernels:
    """The kernels of a slice that have asked at its gate, and which of its processes are theirs.

    Each kernel speaks for itself: 256 are remembered, the oldest are forgotten first.
    """

    def __init__(self) -> None:
        self._kernels: dict[ProcessIdentity, str] = {}
        self._of: dict[ProcessIdentity, str | None] = {}
        """The kernel that each process is known to be, or to descend from."""

    def note(self, process: ProcessIdentity, kernel: str) -> None:
        """Remember that this process is that kernel."""
        if self._kernels.get(process) == kernel:
            return
        if len(self._kernels) >= _MOST_KERNELS:
            self._kernels.pop(next(iter(self._kernels)))
        self._kernels[process] = kernel
        self._of.clear()

    def has(self, process: ProcessIdentity) -> bool:
        """Whether this process is a kernel that has asked."""
        return process in self._kernels

    def of(
        self,
        processes: Iterable[ProcessIdentity],
        parent: Callable[[ProcessIdentity], ProcessIdentity | None],
    ) -> dict[int, str | None]:
        """Return, by pid, the kernel that each process is or descends from.

        ``parent`` returns the process that another was started by, or ``None`` where there is
        none; a process is asked for once, until another kernel asks at the gate.
        """
        known = self._of
        self._of = {p: known[p] if p in known else self._find(p, parent) for p in processes}
        return {process.pid: kernel for process, kernel in self._of.items()}

    def _find(
        self,
        process: ProcessIdentity,
        parent: Callable[[ProcessIdentity], ProcessIdentity | None],
    ) -> str | None:
        ancestor: ProcessIdentity | None = process
        for _ in range(_MOST_ANCESTORS):
            if ancestor is None:
                return None
            if ancestor in self._kernels:
                return self._kernels[ancestor]
            ancestor = parent(ancestor)
        return None
