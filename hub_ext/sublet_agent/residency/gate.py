"""The gate before a slice's cells: open for a turn, or closed with cells that wait."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.residency.actions import Wait

from sublet_agent.errors import SubletAgentError
from sublet_agent.processes.process_table import ProcessIdentity


@dataclass(frozen=True, slots=True)
class Gate:
    """A slice's gate: open since the beginning of a turn, or closed.

    An open gate has no wait; a closed one has no turn.
    """

    turn_since: datetime | None = None
    """Open: since when."""
    waiting_since: datetime | None = None
    """Closed before a slice with work: since when it waits for its room."""
    wait: Wait | None = None
    """Closed: for whom and why it waits, as the policy said last."""

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
    """The kernel's that asks; ``None``: it is gone."""
    refused: Callable[[str], None] = lambda _: None
    """Called with the reason when it need not wait here any more."""
