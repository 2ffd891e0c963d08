"""One process that uses a simulated card, as the simulated driver knows it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from sublet_agent.simulated.buffers import Buffer, BufferKind
from sublet_agent.simulated.compute import WorkQueue
from sublet_agent.simulated.replies import WaitingCall
from sublet_agent.simulated.usage import UsageMeter

if TYPE_CHECKING:
    from sublet_agent.simulated.card import Card
    from sublet_agent.simulated.operations import Operation


class DriverState(StrEnum):
    """The checkpoint API's states, in its words."""

    RUNNING = "running"
    LOCKED = "locked"
    CHECKPOINTED = "checkpointed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """Who a process is: a pid alone may be another process tomorrow."""

    pid: int
    uid: int
    start_time: int
    """In clock ticks after boot, as ``/proc/PID/stat`` says."""


@dataclass(slots=True, eq=False)
class SimulatedProcess:
    """What the driver holds for one process, from its first CUDA call until it ends."""

    identity: ProcessIdentity
    card: "Card"
    context: Buffer
    state: DriverState = DriverState.RUNNING
    buffers: dict[int, Buffer] = field(default_factory=dict)
    """By the handle that the process chose."""
    imported: dict[int, "tuple[SimulatedProcess, Buffer]"] = field(default_factory=dict)
    """Another process's buffers, opened by CUDA IPC, and whose they are."""
    work: WorkQueue = field(default_factory=WorkQueue)
    usage: UsageMeter = field(default_factory=UsageMeter)
    waiting: deque[WaitingCall] = field(default_factory=deque)
    operation: "Operation | None" = None
    """What the driver is doing to it now."""
    pending: "deque[Operation]" = field(default_factory=deque)
    """What it was asked to do next."""
    poisoned: str | None = None
    """Why it can never be restored: a lost notebook."""
    context_lost: str | None = None
    """Why every CUDA call of it fails from now on."""
    mps: bool = False
    mps_limit_mib: int | None = None
    host_limit_mib: int | None = None
    """Its container's memory limit, as far as the image counts against it."""
    has_computed: bool = False
    imported_ever: bool = False
    ended: bool = False

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.identity.pid

    @property
    def submits(self) -> bool:
        """Whether its CUDA calls are taken; else they wait."""
        locking = self.operation is not None and self.operation.locks
        return self.state is DriverState.RUNNING and not locking

    @property
    def draining(self) -> bool:
        """Whether a lock waits for its kernels."""
        return self.operation is not None and self.operation.locks

    @property
    def computing_s(self) -> float | None:
        """Time that it would compute for if alone, ``None`` where it does not compute."""
        if self.state is not DriverState.RUNNING or self.context_lost:
            return None
        return self.work.left_s(draining=self.draining)

    @property
    def held_mib(self) -> int:
        """What it holds, on the card or in its image."""
        return sum(buffer.mib for buffer in self.all_buffers())

    @property
    def on_card_mib(self) -> int:
        """What it holds on the card."""
        return sum(buffer.mib for buffer in self.all_buffers() if buffer.place is not None)

    @property
    def image_mib(self) -> int:
        """What the image of it holds in host memory."""
        if self.state is DriverState.CHECKPOINTED:
            return self.held_mib
        return self.operation.image_mib if self.operation is not None else 0

    @property
    def away_mib(self) -> int:
        """What of it is in host memory and not on the card, as far as a move has come."""
        returned_mib = self.operation.returned_mib if self.operation is not None else 0
        return self.image_mib - returned_mib

    @property
    def has_managed_memory(self) -> bool:
        """Whether the driver will refuse to checkpoint it."""
        return any(buffer.kind is BufferKind.MANAGED for buffer in self.buffers.values())

    @property
    def shares_memory(self) -> bool:
        """Whether CUDA IPC was used by it."""
        exported = any(buffer.share_token for buffer in self.buffers.values())
        return exported or self.imported_ever

    def all_buffers(self) -> Iterator[Buffer]:
        """Yield its allocations, the context first."""
        yield self.context
        yield from self.buffers.values()
