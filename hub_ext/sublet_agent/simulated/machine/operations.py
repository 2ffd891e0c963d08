"""The driver's operations on a process: lock, checkpoint, restore, unlock, each taking its time."""

import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from sublet_agent.simulated.machine.memory.buffers import Buffer
from sublet_agent.simulated.machine.replies import Reply
from sublet_agent.simulated.protocol.errors import SimulatedGpuError


class OperationKind(StrEnum):
    """The four operations of the checkpoint API, and the question for the state."""

    LOCK = "lock"
    CHECKPOINT = "checkpoint"
    RESTORE = "restore"
    UNLOCK = "unlock"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """A request to the driver: an operation on a process, and where its answer goes."""

    kind: OperationKind
    pid: int
    caller_uid: int
    timeout_ms: int = 0
    """How long a lock may wait; 0 waits for ever."""
    mapping: dict[str, str] = field(default_factory=dict)
    """The cards of a restore by their ids, old to new."""
    lease_s: float | None = None
    """For a lock: after how long it is undone; ``None``: it stays."""


@dataclass(frozen=True, slots=True)
class Lease:
    """That a lock is undone, unless anything else is asked for before."""

    lasts_s: float
    ends_s: float


@dataclass(slots=True, eq=False)
class Operation:
    """An operation of the driver: asked for, begun, done. Each process has one at a time."""

    kind: OperationKind
    reply: Reply
    timeout_s: float | None = None
    """How long a lock may wait; ``None`` waits for ever."""
    mapping: dict[str, str] = field(default_factory=dict)
    """The cards of a restore by their ids, old to new."""
    lease_s: float | None = None
    """For a lock: after how long it is undone; ``None``: it stays."""
    lease_before: Lease | None = None
    """The lease that its process had as it began."""
    begun: bool = False
    not_before_s: float = 0.0
    delay_s: float = 0.0
    """The part of the time until ``not_before_s`` that is a fault's."""
    deadline_s: float = math.inf
    fails_with: SimulatedGpuError | None = None
    """The answer at ``not_before_s``, instead of success."""
    poisons: str | None = None
    """The words for why the process is lost when the operation fails so."""
    corrupts: bool = False
    """Whether a byte is another when the operation is done."""
    total_mib: int = 0
    moved_mib: float = 0.0
    unclaimed: deque[Buffer] = field(default_factory=deque)
    """The buffers of a restore that have no room on the card yet, in order."""
    claimed_mib: int = 0
    slices_left: int = 0
    """The number of buffers whose real bytes are still being copied."""

    @property
    def locks(self) -> bool:
        """Whether CUDA calls of the process wait already, though it is not locked yet."""
        return self.kind is OperationKind.LOCK and self.begun

    @property
    def waits_for_ever(self) -> bool:
        """Whether the operation is a lock that was given no bound."""
        return self.locks and self.timeout_s is None

    @property
    def moves_out(self) -> bool:
        """Whether the operation takes its share of the way to host memory now."""
        return self._moves and self.kind is OperationKind.CHECKPOINT

    @property
    def moves_back(self) -> bool:
        """Whether the operation takes its share of the way to the card now."""
        return self._moves and self.kind is OperationKind.RESTORE

    @property
    def _moves(self) -> bool:
        return self.begun and self.fails_with is None and self.left_mib > 0

    @property
    def left_mib(self) -> float:
        """The memory that has not moved yet."""
        return self.total_mib - self.moved_mib

    @property
    def image_mib(self) -> int:
        """The part of the image that is there while a checkpoint is on its way."""
        if self.kind is OperationKind.CHECKPOINT:
            return round(self.moved_mib)
        return 0

    @property
    def returned_mib(self) -> int:
        """The part of the image that is back on the card while a restore is on its way."""
        if self.kind is OperationKind.RESTORE:
            return round(self.moved_mib)
        return 0
