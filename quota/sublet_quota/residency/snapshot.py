"""The snapshot of one GPU at one moment, which is all that the residency policy sees.

The agent makes the snapshot from what it measured and what it is doing; the policy never asks for
more. All amounts are MiB.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, IntEnum, StrEnum

from sublet_quota.errors import SubletQuotaError
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.waiting import WaitReason


class Holder(StrEnum):
    """What a slice belongs to."""

    NOTEBOOK = "notebook"
    JOB = "job"


class Rank(IntEnum):
    """What a slice is on its GPU by right: lower ones come first.

    Without guarantees all are borrowed, and equals. A job within its group's guarantee takes turns
    with the notebooks' slices that are borrowed; every other job comes behind all of those.
    """

    ENTITLED = 0
    """Within the guarantee of its group, against everybody."""
    ENTITLED_IN_PART = 1
    """Within the guarantee of a group above, and borrowed from siblings there."""
    BORROWED = 2
    """Had because others left room."""
    CALLED_BACK = 3
    """Others are due its place: it runs only in room that nobody of a lower rank wants."""


class TurnKind(Enum):
    """What the next turn of a slice with work is, or the one that it has."""

    USUAL = "usual"
    FIRST = "first"
    """An owner's first after a rest: it comes soon, and does not grow with what it costs."""
    WHOLE = "whole"
    """The last one was shorter than the pool's: nobody who comes ends this one early."""


class TransitionKind(StrEnum):
    """The way that a slice's bytes are moving."""

    SUSPENDING = "suspending"
    RESUMING = "resuming"


@dataclass(frozen=True, slots=True)
class Transition:
    """The one move of memory that is in flight on a GPU."""

    slice_id: SliceId
    kind: TransitionKind
    undoable: bool
    """Whether the bytes have not begun to move: then the move can be undone at once."""
    leaves: bool = False
    """Whether the slice leaves for another card, and not for somebody's room on this one."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """The settings of a GPU's pool for its slices."""

    turn: timedelta = timedelta(seconds=60)
    give_back_within: timedelta = timedelta(seconds=30)
    lend: bool = True
    lend_at_least: timedelta = timedelta(seconds=60)
    """How long a slice suspended for a job stays away at least, unless its owner wants it."""
    reserved_mib: int = 0
    """How much is to be free for a reservation, the room of its own slices included."""
    reserved_until: datetime | None = None
    """Until when, by the hub's clock; ``None``: nothing is reserved."""
    max_compute_milli: int | None = None
    """How much of a card's compute a slice has at most, in milli-GPU; ``None``: all."""


@dataclass(frozen=True, slots=True)
class SliceView:
    """A slice on the GPU, as the policy sees it."""

    slice_id: SliceId
    holder: Holder
    cap_mib: int
    state: SliceState
    held_mib: int
    """The memory on the GPU now. While its bytes move: the most it can hold until the move is over.
    """
    image_mib: int
    """The memory in the host, needing room on the GPU when the slice is resumed."""
    active: bool
    """Whether the slice has work: an owner's by ``residency.activity``, a job's as long as it
    lasts.
    """
    since: datetime
    """Since when the slice is active, or idle."""
    gate_open: bool
    """Whether the agent has promised the slice the rest of its cap (never true of an idle one)."""
    state_since: datetime
    waiting_since: datetime | None = None
    """Since when an active slice with a closed gate waits for its room."""
    turn_since: datetime | None = None
    """Since when the slice's gate is open; ``None`` while it is closed."""
    turn_kind: TurnKind = TurnKind.USUAL
    """What this turn is, or the one that the slice waits for."""
    rank: Rank = Rank.BORROWED
    """By which right the slice is here."""
    entitlement: int = 0
    """A job's place among the jobs; 0 for the most entitled."""
    held_back: bool = False
    """Whether a job stands still, as another slice has taken its place."""
    kept_until: datetime | None = None
    """Until when the slice's owner said "do not lend mine"."""
    runs_a_cell: bool = False
    """Whether a cell of an owner's slice may still run, also where the slice counts as idle by now.
    """
    rests_since: datetime | None = None
    """Since when an owner who counts as active does nothing: the slice's programs are kernels that
    say that no cell runs or waits. ``None``: one does, or that is not known.
    """
    past_the_gate: bool = False
    """Whether a cell may still run that was let through before the owner's gate closed."""
    unsuspendable: str | None = None
    """Why the slice can be paused but never suspended; ``None``: it can be suspended."""
    not_before: datetime | None = None
    """When a new move of the slice may begin, after one that did not work."""
    in_reserve: bool = False
    """Whether the slice's room is of what is reserved here."""

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
        """Whether the slice belongs to a training job."""
        return self.holder is Holder.JOB

    @property
    def is_entitled_job(self) -> bool:
        """Whether the slice belongs to a job that is within its group's guarantee."""
        return self.holder is Holder.JOB and self.rank < Rank.BORROWED

    @property
    def takes_turns(self) -> bool:
        """Whether the slice has work and a seat of its own: an owner's, or an entitled job's."""
        return self.active and (self.holder is not Holder.JOB or self.rank < Rank.BORROWED)

    @property
    def is_newcomer(self) -> bool:
        """Whether an owner has, or waits for, the first turn after a rest."""
        return self.turn_kind is TurnKind.FIRST and self.holder is not Holder.JOB

    @property
    def turn_rank(self) -> Rank:
        """The rank among whose slices this one takes turns: of a job, who borrows."""
        return Rank.BORROWED if self.holder is Holder.JOB else self.rank

    @property
    def on_gpu(self) -> bool:
        """Whether anything of the slice is on the GPU."""
        return self.state is not SliceState.SUSPENDED or self.held_mib > 0

    @property
    def is_away(self) -> bool:
        """Whether bytes of the slice have to come back before it may run."""
        return self.state is SliceState.SUSPENDED or self.image_mib > 0

    @property
    def is_over_cap(self) -> bool:
        """Whether the slice has more than its cap, on the GPU or away.

        While it moves, each of the two may already count bytes that are on their way.
        """
        return self.held_mib > self.cap_mib or self.image_mib > self.cap_mib


@dataclass(frozen=True, slots=True)
class GpuSnapshot:
    """A GPU with all its slices at ``now``."""

    gpu_id: GpuId
    now: datetime
    total_mib: int
    margin_mib: int
    """The memory never given away: room for at least one new CUDA context."""
    host_free_mib: int
    """The host memory that suspends may still take on this node."""
    suspend_mib_per_s: int
    """The rate at which bytes leave this GPU, measured on this node."""
    resume_mib_per_s: int
    """The rate at which they come back."""
    slices: tuple[SliceView, ...]
    transition: Transition | None = None
    foreign_mib: int = 0
    """The memory held by processes that are no slice's."""
    foreign_present: bool = False
    """Whether a process that is no slice's runs here: nothing is suspended or resumed then."""
    unfit: bool = False
    """Whether it is not known that memory can be moved here safely: nothing is suspended then."""
    return_put_off: bool = False
    """Whether nothing may come back either where that is so."""
    lending: bool = True
    """Whether slices are lent: not when an admin stopped it, or the hub has been silent for too
    long.
    """
    closed: str | None = None
    """Why the GPU takes no new job (it fails), or ``None``."""
    settings: PoolSettings = PoolSettings()
    reserved_mib: int = 0
    """How much is to be free for a reservation now, the room of its own slices included."""

    @property
    def is_lent(self) -> bool:
        """Whether jobs may have room here."""
        return self.lending and self.settings.lend

    @property
    def pause_only(self) -> WaitReason | None:
        """Why nothing is suspended here; ``None``: it is."""
        if self.foreign_present:
            return WaitReason.FOREIGN_PROCESS
        return WaitReason.UNFIT_GPU if self.unfit else None

    @property
    def keeps_away(self) -> WaitReason | None:
        """Why nothing is resumed here; ``None``: it is, where there is room."""
        if self.foreign_present:
            return WaitReason.FOREIGN_PROCESS
        return WaitReason.UNFIT_GPU if self.return_put_off else None

    @property
    def usable_mib(self) -> int:
        """The memory that slices may fill."""
        return max(0, self.total_mib - self.margin_mib - self.foreign_mib)
