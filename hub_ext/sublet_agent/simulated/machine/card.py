"""A simulated card, and a process that uses it, as the simulated driver knows them."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sublet_quota.names.ids import GpuId

from sublet_agent.simulated.machine.compute import WorkQueue
from sublet_agent.simulated.machine.group_limits import GroupLimits
from sublet_agent.simulated.machine.memory.buffers import Buffer, BufferKind
from sublet_agent.simulated.machine.memory.store import CardStore
from sublet_agent.simulated.machine.operations import Lease, Operation
from sublet_agent.simulated.machine.replies import WaitingCall
from sublet_agent.simulated.machine.speeds import EPSILON_S, Speeds
from sublet_agent.simulated.machine.time_slicing import Slicing, slice_time
from sublet_agent.simulated.machine.usage import UsageMeter

_RESTING_C: Final = Speeds().led_to_c(Speeds().quiet_w)
"""The temperature of a card on which nothing has computed for long."""


class DriverState(StrEnum):
    """The checkpoint API's states, in its words."""

    RUNNING = "running"
    LOCKED = "locked"
    CHECKPOINTED = "checkpointed"
    FAILED = "failed"


class Figure(StrEnum):
    """What a card tells to whoever asks, and may not tell."""

    MEMORY = "memory"
    PROCESSES = "processes"
    UTILISATION = "utilisation"
    ENERGY = "energy"
    TEMPERATURE = "temperature"


class ComputeMode(StrEnum):
    """How many processes a card takes, in NVML's words."""

    DEFAULT = "default"
    EXCLUSIVE = "exclusive-process"
    PROHIBITED = "prohibited"


@dataclass(frozen=True, slots=True)
class CardSetup:
    """How a card is set up."""

    persistent: bool | None = True
    """Whether the driver stays when nobody uses the card; ``None``: it does not tell."""
    compute_mode: ComputeMode = ComputeMode.DEFAULT
    mps: bool = False
    """Whether a control daemon of MPS runs."""
    split: bool = False
    """Whether MIG splits the card."""


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """The identity of a process: a pid alone may be another process tomorrow."""

    pid: int
    uid: int
    start_time: int
    """The process's start, in clock ticks after boot, as ``/proc/PID/stat`` says."""


@dataclass(slots=True, eq=False)
class SimulatedProcess:
    """The driver's record of one process, from its first CUDA call until it ends."""

    identity: CallerIdentity
    cards: "dict[GpuId, Card]" = field(default_factory=dict)
    """The cards that the process has a context on, by the ids that it knows them by; its kernels
    run on the first.
    """
    sees: frozenset[str] | None = None
    """The cards that are visible to the process; ``None``: all."""
    moved_to: dict[str, str] = field(default_factory=dict)
    """The cards that the process means by ids of others, since a restore put it elsewhere."""
    contexts: list[Buffer] = field(default_factory=list)
    state: DriverState = DriverState.RUNNING
    buffers: dict[int, Buffer] = field(default_factory=dict)
    """The process's buffers, by the handle that the process chose."""
    imported: dict[int, "tuple[SimulatedProcess, Buffer]"] = field(default_factory=dict)
    """Another process's buffers, opened by CUDA IPC, and whose they are."""
    hides_memory: bool = False
    """Whether the cards do not tell how much the process holds."""
    work: WorkQueue = field(default_factory=WorkQueue)
    usage: UsageMeter = field(default_factory=UsageMeter)
    waiting: deque[WaitingCall] = field(default_factory=deque)
    operation: Operation | None = None
    """What the driver is doing to the process now."""
    pending: deque[Operation] = field(default_factory=deque)
    """What the driver was asked to do next."""
    lease: Lease | None = None
    """When the process is let run, though nobody asks for it; ``None``: it is not."""
    look_again_s: float = math.inf
    """When it is looked at again whether the process runs; infinity where nothing waits for that.
    """
    poisoned: str | None = None
    """Why the process can never be restored: a lost notebook."""
    context_lost: str | None = None
    """Why every CUDA call of the process fails from now on."""
    mps: bool = False
    mps_limit_mib: int | None = None
    host_limit_mib: int | None = None
    """The memory limit of the process's container, as far as the image counts against it."""
    has_computed: bool = False
    imported_ever: bool = False
    ended: bool = False

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.identity.pid

    @property
    def card(self) -> "Card":
        """The card that the process's kernels run on."""
        return next(iter(self.cards.values()))

    def card_known_as(self, gpu_id: str | None) -> "Card":
        """Return the card that the process means by an id; the first where none is given."""
        return self.card if gpu_id is None else self.cards[GpuId(gpu_id)]

    @property
    def submits(self) -> bool:
        """Whether CUDA calls of the process are taken; else they wait."""
        locking = self.operation is not None and self.operation.locks
        return self.state is DriverState.RUNNING and not locking

    @property
    def draining(self) -> bool:
        """Whether a lock waits for the process's kernels."""
        return self.operation is not None and self.operation.locks

    @property
    def computing_s(self) -> float | None:
        """The time that the process would compute if alone; ``None`` where it does not compute."""
        if self.state is not DriverState.RUNNING or self.context_lost:
            return None
        return self.work.left_s(draining=self.draining)

    @property
    def lease_ends_s(self) -> float:
        """When the process is unlocked by itself; infinity where it is not, or that is tried."""
        return math.inf if self.lease is None or self.pending else self.lease.ends_s

    @property
    def held_mib(self) -> int:
        """The memory that the process holds, on the card or in its image."""
        return sum(buffer.mib for buffer in self.all_buffers())

    @property
    def on_card_mib(self) -> int:
        """The memory that the process holds on the card."""
        return sum(buffer.mib for buffer in self.all_buffers() if buffer.place is not None)

    def mib_on(self, card: "Card") -> int:
        """Return the memory that the process holds on one card now."""
        held = (b for b in self.all_buffers() if b.store is card.store)
        return sum(buffer.mib for buffer in held if buffer.place is not None)

    @property
    def image_mib(self) -> int:
        """The size of the process's image in host memory."""
        if self.state is DriverState.CHECKPOINTED:
            return self.held_mib
        return self.operation.image_mib if self.operation is not None else 0

    @property
    def away_mib(self) -> int:
        """The part that is in host memory and not on the card, as far as a move has come."""
        returned_mib = self.operation.returned_mib if self.operation is not None else 0
        return self.image_mib - returned_mib

    @property
    def has_managed_memory(self) -> bool:
        """Whether the driver will refuse to checkpoint the process."""
        return any(buffer.kind is BufferKind.MANAGED for buffer in self.buffers.values())

    @property
    def shares_memory(self) -> bool:
        """Whether the process has used CUDA IPC."""
        exported = any(buffer.share_token for buffer in self.buffers.values())
        return exported or self.imported_ever

    def all_buffers(self) -> Iterator[Buffer]:
        """Yield the process's allocations, the contexts first."""
        yield from self.contexts
        yield from self.buffers.values()


LEAST_MIB: Final = 1e-6
"""The least that can still be to move: anything less is nothing."""


class Card:
    """The physics of one card between two events: everything goes on at a constant rate."""

    def __init__(self, gpu_id: GpuId, index: int, kind: str, store: CardStore) -> None:
        self.gpu_id: Final = gpu_id
        self.index: Final = index
        self.type: Final = kind
        self.store: Final = store
        self.processes: dict[int, SimulatedProcess] = {}
        """The processes of the card by pid, suspended ones too."""
        self.usage: Final = UsageMeter()
        self.energy_j = 0.0
        self.temperature_c = _RESTING_C
        self.gone: str | None = None
        self.silent: set[Figure] = set()
        """What the card does not tell."""
        self.setup = CardSetup()
        self.limits: Final = GroupLimits()

    def check_limits(self, pid: int, more_mib: int) -> None:
        """Refuse a process what would be beyond a limit of its control groups."""
        self.limits.check(pid, more_mib, self.held)

    def held(self) -> Iterator[tuple[int, int]]:
        """Yield the processes of the card by pid, each with what it has there now, in MiB."""
        return ((pid, process.mib_on(self)) for pid, process in self.processes.items())

    @property
    def used_mib(self) -> int:
        """The memory of the card in use."""
        return self.store.total_mib - self.store.free_mib

    def next_event_s(self, now_s: float, speeds: Speeds) -> float:
        """Return when the first of the things under way on the card is due, in seconds."""
        due = math.inf
        computing = self._computing()
        had = self._slicing(computing, speeds).speeds
        for process, speed in zip(computing, had, strict=True):
            due = min(due, now_s + (process.computing_s or 0.0) / speed)
        outward, back = self._rates(speeds)
        for process in self._driven():
            operation = process.operation
            due = min(due, process.lease_ends_s)
            if process.look_again_s < math.inf:
                due = min(due, process.look_again_s)
                continue
            if operation is None or not operation.begun:
                continue
            if operation.not_before_s > now_s:
                due = min(due, operation.not_before_s)
            due = min(due, operation.deadline_s)
            if operation.moves_out:
                left = operation.left_mib
                if process.host_limit_mib is not None:
                    left = min(left, max(0.0, process.host_limit_mib - operation.moved_mib))
                due = min(due, now_s + left / outward)
            elif operation.moves_back:
                left = operation.left_mib
                if operation.unclaimed:
                    left = max(0.0, operation.claimed_mib - operation.moved_mib)
                due = min(due, now_s + left / back)
        return due

    def progress(self, start_s: float, end_s: float, speeds: Speeds) -> None:
        """Let time pass on the card. No event lies within."""
        seconds = end_s - start_s
        computing = self._computing()
        power_w = self._power_w(speeds, computing=bool(computing))
        self.energy_j += seconds * power_w
        self.temperature_c = speeds.warmed_c(self.temperature_c, power_w, seconds)
        slicing = self._slicing(computing, speeds)
        for process, speed, busy in zip(computing, slicing.speeds, slicing.busy, strict=True):
            process.work.progress(seconds * speed)
            process.usage.add(start_s, end_s, busy)
        if computing:
            self.usage.add(start_s, end_s, slicing.card_busy)
        outward, back = self._rates(speeds)
        for process in self._driven():
            operation = process.operation
            if operation is not None and (operation.moves_out or operation.moves_back):
                moved = seconds * (outward if operation.moves_out else back)
                operation.moved_mib = min(operation.total_mib, operation.moved_mib + moved)
                if operation.left_mib < LEAST_MIB:
                    operation.moved_mib = operation.total_mib

    def _driven(self) -> list[SimulatedProcess]:
        """Return the processes whose time passes with this card: each has one such card."""
        return [process for process in self.processes.values() if process.card is self]

    def _computing(self) -> list[SimulatedProcess]:
        """Return the processes whose kernels run on the card now."""
        return [process for process in self._driven() if process.computing_s is not None]

    @staticmethod
    def _slicing(computing: Sequence[SimulatedProcess], speeds: Speeds) -> Slicing:
        return slice_time([p.work.demand(draining=p.draining) for p in computing], speeds)

    def _rates(self, speeds: Speeds) -> tuple[float, float]:
        """Return the rates of each move out and each move back, in MiB a second."""
        operations = [p.operation for p in self._driven() if p.operation is not None]
        outward = sum(1 for operation in operations if operation.moves_out)
        back = sum(1 for operation in operations if operation.moves_back)
        return (
            min(speeds.out_mib_s, speeds.out_total_mib_s / max(1, outward)),
            min(speeds.back_mib_s, speeds.back_total_mib_s / max(1, back)),
        )

    def _power_w(self, speeds: Speeds, *, computing: bool) -> float:
        if self.gone is not None:
            return 0.0
        if computing:
            return speeds.busy_w
        ready = any(
            process.has_computed and process.state is not DriverState.CHECKPOINTED
            for process in self.processes.values()
        )
        return speeds.ready_w if ready else speeds.quiet_w

    def due(self, process: SimulatedProcess) -> bool:
        """Whether the kernels of a process that is being locked have drained."""
        left = process.computing_s
        return left is None or left <= EPSILON_S
