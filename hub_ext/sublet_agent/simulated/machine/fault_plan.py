"""Faults that were asked for: the n-th operation of a kind fails, waits, or poisons."""

from dataclasses import dataclass, field

from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.errors import CudaCode


@dataclass(slots=True)
class PlannedFault:
    """A fault of the ``nth`` operation of one kind from now, of any process or of one."""

    kind: OperationKind
    nth: int = 1
    pid: int | None = None
    code: CudaCode | None = None
    """The error that the operation answers with; nothing is changed then. ``None``: it succeeds."""
    delay_s: float = 0.0
    """How much longer the operation takes."""
    poisons: bool = False
    """Whether a restore fails as without room, and the process is lost."""
    corrupts: bool = False
    """Whether a restore changes a byte, and says nothing of it."""


@dataclass(slots=True)
class FaultPlan:
    """The faults still to come."""

    faults: list[PlannedFault] = field(default_factory=list)

    def take(self, kind: OperationKind, pid: int) -> PlannedFault | None:
        """Return the fault for the operation that begins now, if one was planned for it."""
        due: PlannedFault | None = None
        for fault in self.faults:
            if fault.kind is kind and fault.pid in {None, pid}:
                fault.nth -= 1
                if fault.nth <= 0 and due is None:
                    due = fault
        if due is not None:
            self.faults.remove(due)
        return due
