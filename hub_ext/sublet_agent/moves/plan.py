"""The values that a move of memory is given, and that it answers with.

A move runs in a thread of its own from a plan made of values, and touches the agent's state only
through the journal, the paused processes and the host memory's budget, which are made for that.
What became of each process is in its outcome.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.obstacles import Obstacle
from sublet_quota.reasons.staying import Stays

from sublet_agent.cgroups.freezer import Freezer, NoFreezer
from sublet_agent.devices.interface import Device
from sublet_agent.moves.driver_limits import DriverLimits
from sublet_agent.moves.host_memory import HostMemory
from sublet_agent.moves.pausing import PausedProcesses
from sublet_agent.processes.process_table import ProcessIdentity, ProcessTable
from sublet_agent.state_files.journal import Journal, Target


@dataclass(frozen=True, slots=True)
class MoveSettings:
    """Bounds and margins of all moves."""

    margin_mib: int = 1024
    """The room left free beside what is restored: at least one new CUDA context."""
    pause_timeout_ms: int = 2000
    listing_rounds: int = 5
    """How often processes born meanwhile are looked for before a move is put off."""
    freeze_within_s: float = 1.0
    """How long the other slices on a GPU may take to come to rest before one comes back."""
    skip_room_check: bool = False
    """Whether to restore without looking for room. Loses notebooks: for showing that the check
    matters.
    """


def _by_account(_: SliceId) -> None:
    """Return ``None``: an account tells whose its processes are."""


@dataclass(frozen=True, slots=True)
class MoveTools:
    """The device, files and budgets that every move works with."""

    device: Device
    journal: Journal
    paused_processes: PausedProcesses
    table: ProcessTable
    host: HostMemory
    whose: Callable[[int, GpuId], Target | None]
    """The process that has this pid, with its slice; ``None`` for a foreign one."""
    own_limit_mib: Callable[[int], int | None]
    """How much a process may grow inside its own memory limit; ``None``: unlimited."""
    monotonic: Callable[[], float]
    settings: MoveSettings
    freezer: Freezer = field(default_factory=NoFreezer)
    limits: DriverLimits = field(default_factory=DriverLimits)
    """The driver's own limits of slices' groups, lifted while memory moves."""
    tenant_of: Callable[[SliceId], str | None] = _by_account
    """Whose a slice's processes are, for whoever reads their memory; ``None``: their accounts'."""
    perhaps_on: dict[ProcessIdentity, frozenset[GpuId]] = field(default_factory=dict)
    """The cards on one of which a suspended process was, where nobody wrote down on which: wherever
    it is sent, it may come back on each of these. Room is needed on all.
    """
    caps_mib: dict[ProcessIdentity, int] = field(default_factory=dict)
    """What the slice of a suspended process may hold in all, where nobody wrote down how much the
    process itself needs: all such of a slice together need no more.
    """


@dataclass(frozen=True, slots=True)
class MovePlan:
    """The processes of one slice that are to be moved."""

    slice_id: SliceId
    gpu_id: GpuId
    processes: tuple[Target, ...]

    @property
    def bytes_mib(self) -> int:
        """The memory that is to be moved, in MiB."""
        return sum(t.image_mib for t in self.processes)


class MoveEnd(StrEnum):
    """The way in which a move ended."""

    DONE = "done"
    UNDONE = "undone"
    """The move was asked back before its bytes began to move."""
    REFUSED = "refused"
    """A process cannot be moved, whenever it is tried."""
    PUT_OFF = "put off"
    """The move did not work now, and everything is as it was."""


@dataclass(slots=True)
class MoveOutcome:
    """The end of a move, and what became of each process in it."""

    end: MoveEnd = MoveEnd.DONE
    detail: str = ""
    obstacle: Obstacle | None = None
    """What forbids a suspend that was refused."""
    blame: ProcessIdentity | None = None
    """The process that cannot be moved."""
    suspended: dict[ProcessIdentity, Target] = field(default_factory=dict)
    """The processes now in host memory, with how much room each needs to come back."""
    unknown: set[ProcessIdentity] = field(default_factory=set)
    """Those of ``suspended`` of which the driver does not say whether they are."""
    on_gpu: set[ProcessIdentity] = field(default_factory=set)
    gone: set[ProcessIdentity] = field(default_factory=set)
    lost: dict[ProcessIdentity, str] = field(default_factory=dict)
    """The processes whose GPU state cannot be brought back, and what the driver said."""
    refused: dict[ProcessIdentity, str] = field(default_factory=dict)
    """The processes that the driver did not bring back although there was room, and what it said.
    """
    stays: Stays | None = None
    """Why a process that left another card could not come back on this one."""
    moved_mib: int = 0
    moved_s: float = 0.0
    """The time in which bytes moved, for reckoning the rate."""
    took_s: float = 0.0


class UndoSwitch:
    """The switch by which a suspend is turned back until its bytes begin to move."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = False
        self._moving = False

    @property
    def undoable(self) -> bool:
        """Whether asking the move back still helps."""
        return not self._moving

    def ask(self) -> bool:
        """Ask the move back; return ``False`` when its bytes move already."""
        with self._lock:
            if self._moving:
                return False
            self._asked = True
            return True

    def begin_moving(self) -> bool:
        """Pass the point of no return; return ``False`` when the move was asked back."""
        with self._lock:
            if self._asked:
                return False
            self._moving = True
            return True
