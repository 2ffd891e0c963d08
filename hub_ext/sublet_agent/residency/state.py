"""What the agent keeps of each slice it serves, of its processes, and of each GPU.

This is the state of the event loop: only code that runs there may change it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.residency.actions import Wait
from sublet_quota.residency.activity import Activity
from sublet_quota.residency.snapshot import Holder, PoolSettings, TransitionKind
from sublet_quota.wire.agent_link import SliceAssignment
from sublet_quota.wire.tenant_socket import Share

from sublet_agent.devices.interface import Gpu, GpuMemory
from sublet_agent.moves.plan import UndoSwitch
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.residency.activity import ActivityRecord
from sublet_agent.state_files.journal import Target

DEFAULT_IDLE_AFTER: Final = timedelta(seconds=300)


@dataclass(slots=True)
class TrackedProcess:
    """A process of a slice that has, or had, something on a GPU."""

    identity: ProcessIdentity
    memory_mib: int = 0
    """On the GPU at the last sample."""
    utilisation_percent: int = 0
    busy_ms: int | None = None
    cpu_s: float | None = None
    cpu_at: float = 0.0
    image_mib: int | None = None
    """Suspended: how much room it needs to come back."""
    refusals: int = 0
    """How often the driver did not bring it back although there was room."""
    lost: str | None = None
    """Its GPU state cannot be brought back, and why."""
    unsuspendable: str | None = None
    unsuspendable_until: datetime | None = None
    """A reason that may pass; ``None``: it stays as long as the process."""
    looked_at: datetime | None = None
    """When it was last looked at for what forbids a suspend."""

    @property
    def suspended(self) -> bool:
        """Whether its bytes are in host memory."""
        return self.image_mib is not None


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


@dataclass(frozen=True, slots=True)
class ToldShare:
    """What a tenant was told of its slice, and until when that is good enough."""

    share: Share
    until: float
    """By the monotonic clock."""
    of: tuple[object, ...]
    """What it must not outlive."""


@dataclass(slots=True)
class ServedSlice:
    """A slice, what its processes hold, and what was promised to it."""

    slice_id: SliceId
    holder: Holder
    gpu_id: GpuId
    cap_mib: int
    account: ActivityRecord
    state_since: datetime
    assignment: SliceAssignment | None = None
    """``None``: it is not served, and some of its processes still hold memory."""
    processes: dict[int, TrackedProcess] = field(default_factory=dict)
    activity: Activity | None = None
    gate_open: bool = False
    paused: bool = False
    """A job's: its processes, also new ones, are kept from the GPU."""
    waiting_since: datetime | None = None
    turn_since: datetime | None = None
    wait: Wait | None = None
    requests: list[GateRequest] = field(default_factory=list)
    not_before: datetime | None = None
    """A move of it did not work: when it is tried again."""
    failed_moves: int = 0
    unpausable: str | None = None
    """A job's: why it cannot be paused (after several tries)."""
    failed_pauses: int = 0
    pause_again_at: datetime | None = None
    kernels: dict[ProcessIdentity, str] = field(default_factory=dict)
    """The kernels that have asked at the gate: each speaks for itself there."""
    kernel_of: dict[ProcessIdentity, str | None] = field(default_factory=dict)
    """What is known of its processes by the kernels that have asked so far."""
    told: ToldShare | None = None
    over_cap: bool = False
    gpu_busy_ms: int = 0
    evicting: bool = False
    released: bool = False
    """The service took it back; else, without an assignment, the service has not spoken yet."""

    @property
    def is_job(self) -> bool:
        """Whether it belongs to a training job."""
        return self.holder is Holder.JOB

    @property
    def active(self) -> bool:
        """Whether it has work: an owner's by what was seen, a job as long as it is assigned."""
        if self.assignment is None:
            # Released: what is still suspended gets its way back, the rest is nobody's work.
            return bool(self.away())
        if self.is_job:
            return not self.evicting
        return self.activity is None or self.activity.active

    @property
    def somebody_waits(self) -> bool:
        """Whether anything of it is left that could wait for room: a kernel may die meanwhile."""
        return bool(self.requests or self.processes)

    def on_gpu(self) -> list[TrackedProcess]:
        """Return its processes whose bytes are on the GPU."""
        return [p for p in self.processes.values() if not p.suspended and p.lost is None]

    def away(self) -> list[TrackedProcess]:
        """Return its processes that are suspended and can come back."""
        return [p for p in self.processes.values() if p.suspended and p.lost is None]

    def held_mib(self) -> int:
        """Return how much it holds on the GPU, or may hold there."""
        return sum(p.memory_mib for p in self.processes.values() if p.lost is None)

    def image_mib(self) -> int:
        """Return how much of it is in host memory."""
        return sum(p.image_mib or 0 for p in self.away())

    def state(self) -> SliceState:
        """Return where its GPU state is, moves in flight left aside."""
        if self.away():
            return SliceState.SUSPENDED
        if self.paused and self.on_gpu():
            return SliceState.PAUSED
        return SliceState.RESIDENT

    def past_the_gate(self, now: datetime) -> bool:
        """Return whether a cell may still run that was let through before the gate closed."""
        if self.is_job or self.gate_open:
            return False
        return self.account.may_run_a_promised_cell(now)

    def unsuspendable(self) -> str | None:
        """Return why it can be paused but not suspended."""
        if self.unpausable is not None:
            return self.unpausable
        if self.assignment is not None and self.assignment.never_suspended is not None:
            return self.assignment.never_suspended
        return next((p.unsuspendable for p in self.processes.values() if p.unsuspendable), None)

    def targets(self, processes: Iterable[TrackedProcess]) -> tuple[Target, ...]:
        """Name these processes of it to the device's callers."""
        return tuple(
            Target(
                p.identity,
                self.gpu_id,
                self.slice_id,
                self.holder,
                p.image_mib if p.image_mib is not None else p.memory_mib,
            )
            for p in processes
        )


@dataclass(slots=True)
class RunningMove:
    """The one move of memory in flight on a GPU."""

    slice_id: SliceId
    kind: TransitionKind
    undo: UndoSwitch
    began: datetime
    bytes_mib: int
    expected_s: float
    room_for: SliceId | None = None
    moved_mib: int | None = None
    """How much of it had arrived at the last sample; ``None`` where the device does not tell."""


@dataclass(slots=True)
class ServedGpu:
    """A card, what was last measured on it, and its pool's settings."""

    gpu: Gpu
    memory: GpuMemory
    pool: PoolSettings = field(default_factory=PoolSettings)
    idle_after: timedelta = DEFAULT_IDLE_AFTER
    utilisation_percent: int = 0
    energy_mj: int | None = None
    overhead_mib: int | None = None
    """What the driver takes for itself: the least that was ever unaccounted for."""
    foreign: dict[int, int] = field(default_factory=dict)
    """Processes of no slice, with their memory."""
    strays: frozenset[SliceId] = frozenset()
    """Slices of other cards whose processes were seen here (they are foreign here, too)."""
    orphans_mib: int = 0
    """Held by known processes of released slices."""
    measured: bool = False
    """Whether the card has ever answered."""
    closed: str | None = None
    move: RunningMove | None = None
    generation: int = 0
    """Counts the beginnings and ends of moves: a sample from before one is stale after it."""
    suspend_mib_per_s: float = 1700.0
    resume_mib_per_s: float = 1700.0
