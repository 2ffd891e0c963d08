"""The state of a GPU that the agent keeps, and of the one move of memory in flight on it.

The state belongs to the event loop: only code that runs there may change it, and only by the verbs
of these classes.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.closed_gpus import ClosedGpu, GpuFault
from sublet_quota.reasons.fitness import UnfitReason, is_closed, unfit_clause
from sublet_quota.residency.snapshot import PoolSettings, TransitionKind

from sublet_agent.devices.interface import Gpu, GpuMemory
from sublet_agent.errors import SubletAgentError
from sublet_agent.moves.plan import UndoSwitch
from sublet_agent.processes.process_table import ProcessIdentity

DEFAULT_IDLE_AFTER: Final = timedelta(seconds=300)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_FIRST_RATE_MIB_PER_S: Final = 1700.0
_RATE_WEIGHT: Final = 0.3
_LEAST_MEASURED_MIB: Final = 256
"""The size of the smallest move that tells a rate: a smaller one tells more of latency."""


@dataclass(slots=True, kw_only=True)
class RunningMove:
    """The one move of memory in flight on a GPU."""

    slice_id: SliceId
    kind: TransitionKind
    undo: UndoSwitch
    began: datetime
    bytes_mib: int
    expected_s: float
    room_for: SliceId | None = None
    may_grow: bool = False
    """Whether cells of the slice were let through before: until its bytes are out, these may have
    filled its cap after ``bytes_mib`` was measured.
    """
    leaves: bool = False
    """Whether the slice is to come back on another card."""
    moved_mib: int | None = None
    """How much of the memory had arrived at the last sample; ``None`` where the device does not
    tell.
    """

    def note_away(self, away_mib: int) -> None:
        """Reckon how much has arrived from how much of what moves is in host memory."""
        suspending = self.kind is TransitionKind.SUSPENDING
        moved_mib = away_mib if suspending else self.bytes_mib - away_mib
        self.moved_mib = max(0, min(moved_mib, self.bytes_mib))


@dataclass(frozen=True, slots=True)
class CardReading:
    """What a card that answered said of itself and of others' processes."""

    memory: GpuMemory
    utilisation_percent: int | None = None
    """``None`` where the card does not tell."""
    energy_mj: int | None = None
    """The energy used since the driver was loaded; ``None`` where the card does not tell."""
    temperature_c: int | None = None
    """In degrees Celsius; ``None`` where the card does not tell."""
    foreign: Mapping[int, int | None] = field(default_factory=dict)
    """Processes of no slice of this card, by pid, with their memory in MiB; ``None``: not told."""
    foreign_percent: int | None = None
    """How much of the card's time these used lately, in percent; ``None``: the card does not tell.
    """
    canary_mib: int = 0
    """What the agent's own small process holds, with which the card is being tried."""
    strays: frozenset[SliceId] = frozenset()
    """Slices of other cards whose processes were seen here (they are foreign here, too)."""
    measured_until: datetime = _NEVER
    """The time until which it is known who used the card."""
    read_by: datetime = _NEVER
    """The time by which all of it had been read."""


_CANARIES_KNOWN: Final = 8
"""A trial has three processes at most."""


class ServedGpu:
    """A card, what was last measured on it, its pool's settings, and the move in flight."""

    __slots__ = (
        "_canaries",
        "_canary",
        "_fault",
        "_generation",
        "_gpu",
        "_idle_after",
        "_measured",
        "_move",
        "_orphans_mib",
        "_outdated_at",
        "_overhead_mib",
        "_pool",
        "_reading",
        "_resume_mib_per_s",
        "_suspend_mib_per_s",
        "_unfit",
    )

    def __init__(
        self,
        gpu: Gpu,
        memory: GpuMemory,
        *,
        closed: ClosedGpu | None = None,
        first_mib_per_s: float = _FIRST_RATE_MIB_PER_S,
    ) -> None:
        self._gpu = gpu
        self._reading = CardReading(memory)
        self._measured = False
        self._outdated_at = _NEVER
        self._overhead_mib: int | None = None
        self._orphans_mib = 0
        self._pool = PoolSettings()
        self._idle_after = DEFAULT_IDLE_AFTER
        self._fault = closed
        self._unfit: tuple[UnfitReason, ...] = ()
        self._canary: ProcessIdentity | None = None
        self._canaries: deque[ProcessIdentity] = deque(maxlen=_CANARIES_KNOWN)
        self._move: RunningMove | None = None
        self._generation = 0
        self._suspend_mib_per_s = self._resume_mib_per_s = first_mib_per_s

    @property
    def gpu(self) -> Gpu:
        """The card itself."""
        return self._gpu

    @property
    def reading(self) -> CardReading:
        """The last reading of the card."""
        return self._reading

    @property
    def measured(self) -> bool:
        """Whether the card has ever answered a sample."""
        return self._measured

    @property
    def is_outdated(self) -> bool:
        """Whether somebody could grow until later than the last reading, and cannot any more.

        Never of a card with a fault: who is there gets on without its answers.
        """
        return self._fault is None and self._reading.measured_until < self._outdated_at

    @property
    def overhead_mib(self) -> int | None:
        """The memory that the driver takes for itself: the least that was ever unaccounted for."""
        return self._overhead_mib

    @property
    def orphans_mib(self) -> int:
        """The memory that known processes of released slices hold."""
        return self._orphans_mib

    @property
    def pool(self) -> PoolSettings:
        """The settings of the GPU's pool for its slices."""
        return self._pool

    @property
    def idle_after(self) -> timedelta:
        """After how long without evidence of work an owner's slice counts as idle."""
        return self._idle_after

    @property
    def fault(self) -> ClosedGpu | None:
        """What is wrong with the card itself; ``None``: nothing is known to be."""
        return self._fault

    @property
    def unfit(self) -> tuple[UnfitReason, ...]:
        """Why the card is not fit to be lent; nothing is suspended there then."""
        return self._unfit

    @property
    def closed(self) -> ClosedGpu | None:
        """Why the card takes nothing new; ``None``: it does."""
        if self._fault is not None or not is_closed(self._unfit):
            return self._fault
        return ClosedGpu(GpuFault.UNFIT, unfit_clause(self._unfit))

    @property
    def canary(self) -> ProcessIdentity | None:
        """The agent's own small process, with which the card is being tried now."""
        return self._canary

    @property
    def move(self) -> RunningMove | None:
        """The move in flight."""
        return self._move

    @property
    def generation(self) -> int:
        """The count of beginnings and ends of moves, and of what came and went beside these.

        A sample from before one is stale after it.
        """
        return self._generation

    @property
    def suspend_mib_per_s(self) -> float:
        """The rate at which memory leaves the card, as measured here."""
        return self._suspend_mib_per_s

    @property
    def resume_mib_per_s(self) -> float:
        """The rate at which memory comes back to the card, as measured here."""
        return self._resume_mib_per_s

    def is_moving(self, slice_id: SliceId) -> bool:
        """Whether the move in flight is this slice's."""
        return self._move is not None and self._move.slice_id == slice_id

    def begin_move(self, move: RunningMove) -> None:
        """Note the move that begins; ``SubletAgentError`` where another is in flight."""
        if self._move is not None:
            message = (
                f"GPU {self._gpu.gpu_id}: slice {move.slice_id} cannot move while "
                f"{self._move.slice_id} does"
            )
            raise SubletAgentError(message)
        self._move = move
        self._generation += 1

    def end_move(self) -> None:
        """Note that the move in flight is over."""
        self._move = None
        self._generation += 1

    def note_other_processes(self) -> None:
        """Note that processes are known anew, or left with their slice: older samples are stale."""
        self._generation += 1

    def outdate(self, now: datetime) -> None:
        """Note that somebody who could grow until now cannot any more: what they hold is unread."""
        self._outdated_at = now

    def learn_rate(self, kind: TransitionKind, moved_mib: int, moved_s: float) -> None:
        """Take a move's measured rate into account, where it moved enough to say something."""
        if moved_mib < _LEAST_MEASURED_MIB or moved_s <= 0:
            return
        rate = moved_mib / moved_s
        if kind is TransitionKind.SUSPENDING:
            self._suspend_mib_per_s += _RATE_WEIGHT * (rate - self._suspend_mib_per_s)
        else:
            self._resume_mib_per_s += _RATE_WEIGHT * (rate - self._resume_mib_per_s)

    def read(self, reading: CardReading) -> bool:
        """Take over what the card says; return whether other processes are foreign here now."""
        before, self._reading, self._measured = self._reading, reading, True
        return reading.foreign.keys() != before.foreign.keys() or reading.strays != before.strays

    def note_unaccounted(self, listed_mib: int) -> None:
        """Learn what the driver takes for itself, from what its listed processes hold.

        Memory and processes are read one after the other: only the least ever seen is sure.
        """
        unaccounted = max(0, self._reading.memory.used_mib - listed_mib)
        known = self._overhead_mib
        self._overhead_mib = unaccounted if known is None else min(known, unaccounted)

    def note_orphans(self, held_mib: int) -> None:
        """Note how much known processes of released slices hold."""
        self._orphans_mib = held_mib

    def set_pool(self, pool: PoolSettings, idle_after: timedelta) -> bool:
        """Take over the pool's settings; return whether those that the policy sees are others."""
        differs = self._pool != pool
        self._pool, self._idle_after = pool, idle_after
        return differs

    def close(self, reason: ClosedGpu) -> None:
        """Take nothing new on this GPU from now on, for this reason."""
        self._fault = reason

    def reopen(self) -> None:
        """Take slices on this GPU again."""
        self._fault = None

    def note_unfit(self, reasons: tuple[UnfitReason, ...]) -> bool:
        """Note why the card is not fit to be lent, if it is not; return whether that is news."""
        before, self._unfit = self._unfit, reasons
        return before != reasons

    def note_canary(self, canary: ProcessIdentity | None) -> None:
        """Note with which process the card is being tried; ``None``: it is not."""
        self._canary = canary
        if canary is not None:
            self._canaries.append(canary)

    def is_canary(self, process: ProcessIdentity) -> bool:
        """Whether the card is tried with a process, or was just now.

        A sample that was taken while it was still there may be taken over only after its end.
        """
        return process in self._canaries
