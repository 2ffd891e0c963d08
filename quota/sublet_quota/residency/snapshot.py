"""What the residency policy sees: one GPU at one moment.

The agent makes the snapshot from what it measured and what it is doing; the policy never asks
for more. All amounts are MiB.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sublet_quota.errors import SubletQuotaError
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, SliceId


class Holder(StrEnum):
    """What a slice belongs to."""

    NOTEBOOK = "notebook"
    JOB = "job"


class TransitionKind(StrEnum):
    """Which way a slice's bytes are moving."""

    SUSPENDING = "suspending"
    RESUMING = "resuming"


@dataclass(frozen=True, slots=True)
class Transition:
    """The one move of memory that is in flight on a GPU."""

    slice_id: SliceId
    kind: TransitionKind
    undoable: bool
    """Whether the bytes have not begun to move: then it can be undone at once."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How the pool of this GPU wants its slices treated."""

    turn: timedelta = timedelta(seconds=60)
    give_back_within: timedelta = timedelta(seconds=30)
    lend: bool = True
    lend_at_least: timedelta = timedelta(seconds=60)
    """A slice suspended for a job stays away at least so long, unless its owner wants it."""


@dataclass(frozen=True, slots=True)
class SliceView:
    """One slice on the GPU."""

    slice_id: SliceId
    holder: Holder
    cap_mib: int
    state: SliceState
    held_mib: int
    """On the GPU now. While its bytes move: the most it can hold until the move is over."""
    image_mib: int
    """In host memory, needing room on the GPU when it is resumed."""
    active: bool
    """An owner's slice: see ``residency.activity``. A job's: as long as it has work."""
    since: datetime
    """Since when it is active, or idle."""
    gate_open: bool
    """The agent has promised it the rest of its cap (never true of an idle slice)."""
    state_since: datetime
    waiting_since: datetime | None = None
    """Active with its gate closed: since when it waits for its room."""
    turn_since: datetime | None = None
    """Its gate is open: since when."""
    entitlement: int = 0
    """Of a job: its place among the jobs, 0 for the most entitled."""
    kept_until: datetime | None = None
    """Its owner said "do not lend mine" until then."""
    runs_a_cell: bool = False
    """Of an owner: a cell of it may still run, also where it counts as idle by now."""
    past_the_gate: bool = False
    """Of an owner whose gate is closed: a cell that was let through may still run."""
    unsuspendable: str | None = None
    """Why it can be paused but never suspended."""
    not_before: datetime | None = None
    """A move of it did not work: no new one begins before."""

    def __post_init__(self) -> None:
        """Refuse what no agent can have measured."""
        if min(self.cap_mib, self.held_mib, self.image_mib) < 0:
            message = f"slice {self.slice_id}: an amount is negative"
            raise SubletQuotaError(message)
        if self.gate_open and not self.active:
            message = f"slice {self.slice_id}: the gate of an idle slice is closed"
            raise SubletQuotaError(message)

    @property
    def is_job(self) -> bool:
        """Whether it belongs to a training job."""
        return self.holder is Holder.JOB

    @property
    def on_gpu(self) -> bool:
        """Whether anything of it is on the GPU."""
        return self.state is not SliceState.SUSPENDED or self.held_mib > 0

    @property
    def is_away(self) -> bool:
        """Whether bytes of it have to come back before it may run."""
        return self.state is SliceState.SUSPENDED or self.image_mib > 0

    @property
    def is_over_cap(self) -> bool:
        """Whether it holds more than its cap."""
        return self.held_mib > self.cap_mib


@dataclass(frozen=True, slots=True)
class GpuSnapshot:
    """One GPU with all its slices at ``now``."""

    gpu_id: GpuId
    now: datetime
    total_mib: int
    margin_mib: int
    """Never given away: room for at least one new CUDA context."""
    host_free_mib: int
    """How much host memory a suspend may still take on this node."""
    suspend_mib_per_s: int
    """How fast bytes leave this GPU, measured on this node."""
    slices: tuple[SliceView, ...]
    transition: Transition | None = None
    foreign_mib: int = 0
    """Held by processes that are no slice's."""
    foreign_present: bool = False
    """A process that is no slice's runs here: nothing is suspended or resumed."""
    lending: bool = True
    """Off when an admin stopped it, or the hub has been silent for too long."""
    closed: str | None = None
    """Why the GPU takes no new job (it fails), or ``None``."""
    settings: PoolSettings = PoolSettings()

    @property
    def usable_mib(self) -> int:
        """What slices may fill."""
        return max(0, self.total_mib - self.margin_mib - self.foreign_mib)
