"""What the agent keeps of a slice while it serves it, and what follows from that.

Read by whoever decides, tells or writes down; changed by the verbs of ``ServedSlice`` alone. Where
a slice's GPU state is, is nowhere written down: it follows from where its processes are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.caps import CapUse
from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable
from sublet_quota.reasons.staying import Stays
from sublet_quota.residency.activity import Activity
from sublet_quota.residency.cap_watch import CapLevel, CapWatch
from sublet_quota.residency.snapshot import Holder
from sublet_quota.residency.turns import PastTurns
from sublet_quota.wire.agent_link import SliceAssignment

from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.residency.activity import ActivityRecord
from sublet_agent.residency.gate import Gate, GateRequest, SliceKernels
from sublet_agent.residency.slice_processes import SliceProcesses, TrackedProcess
from sublet_agent.state_files.journal import Target


@dataclass(frozen=True, slots=True)
class MoveFailures:
    """Moves of a slice that did not work, since the last one that did."""

    count: int = 0
    not_before: datetime | None = None
    """When a move of the slice is tried again; ``None``: at any time."""


@dataclass(frozen=True, slots=True)
class PauseFailures:
    """Pauses of a job that did not work, since the last one that did."""

    count: int = 0
    again_at: datetime | None = None
    """When pausing the job is tried again; ``None``: at any time."""
    unpausable: str | None = None
    """Why the job counts as one that cannot be paused; ``None``: it does not."""


@dataclass(frozen=True, slots=True)
class CapCheck:
    """What is news of how a slice stands to its cap."""

    changed: bool
    """Whether it went over its cap, or back within."""
    kept: bool
    """Whether what an agent after this one has to know is another."""
    told: CapLevel | None
    """The level that its owner is to be told of."""


class KeptSlice:
    """A slice on a GPU, what its processes hold, and what was promised to it.

    A new one is served for nobody yet: its gate is closed, it has no processes, and counts as
    the slice of a notebook without a cap.
    """

    __slots__ = (
        "__weakref__",
        "_activity",
        "_activity_record",
        "_assignment",
        "_came_from",
        "_cap_mib",
        "_cap_watch",
        "_evicting",
        "_gate",
        "_gpu_busy_ms",
        "_gpu_id",
        "_kernels",
        "_move_failures",
        "_over_cap",
        "_past_turns",
        "_pause_failures",
        "_paused",
        "_processes",
        "_released",
        "_requests",
        "_slice_id",
        "_state_since",
        "_stays",
    )

    def __init__(
        self,
        slice_id: SliceId,
        gpu_id: GpuId,
        activity_record: ActivityRecord,
        now: datetime,
        *,
        came_from: GpuId | None = None,
    ) -> None:
        self._slice_id = slice_id
        self._gpu_id = gpu_id
        self._activity_record = activity_record
        self._state_since = now
        self._came_from = came_from
        self._stays: dict[GpuId, tuple[Stays, frozenset[ProcessIdentity]]] = {}
        self._assignment: SliceAssignment | None = None
        self._cap_mib = 0
        self._released = False
        self._processes = SliceProcesses()
        self._activity: Activity | None = None
        self._gate = Gate()
        self._requests: list[GateRequest] = []
        self._paused = False
        self._evicting = False
        self._move_failures = MoveFailures()
        self._pause_failures = PauseFailures()
        self._kernels = SliceKernels()
        self._over_cap = False
        self._cap_watch = CapWatch()
        self._past_turns = PastTurns()
        self._gpu_busy_ms = 0

    @property
    def slice_id(self) -> SliceId:
        """The name of the slice."""
        return self._slice_id

    @property
    def gpu_id(self) -> GpuId:
        """The GPU that the slice is served on."""
        return self._gpu_id

    @property
    def came_from(self) -> GpuId | None:
        """The card that the slice was on before; ``None``: it was on no other of this node.

        Where this agent knows of none, it is the hub service's word, of an agent before.
        """
        if self._came_from is not None or self._assignment is None:
            return self._came_from
        told = self._assignment.came_from
        return None if told is None else GpuId(told)

    @property
    def perhaps_on(self) -> tuple[GpuId, ...]:
        """The cards that programs of the slice may be on, other than its own."""
        called_off = () if self._assignment is None else map(GpuId, self._assignment.perhaps_on)
        cards = (self.came_from, self.wanted_on, *called_off)
        return tuple(card for card in cards if card is not None and card != self._gpu_id)

    @property
    def wanted_on(self) -> GpuId:
        """The card that the hub service wants the slice on: without its word, where it is."""
        move_to = None if self._assignment is None else self._assignment.move_to
        return self._gpu_id if move_to is None else GpuId(move_to)

    @property
    def is_settled(self) -> bool:
        """Whether nothing of the slice has left another card than the one it is on."""
        return all(p.left_gpu_id is None for p in self._processes)

    @property
    def stays(self) -> Stays | None:
        """Why the slice is not on the card that it is wanted on; ``None``: it is, or will be."""
        if self.wanted_on == self._gpu_id:
            return None
        return self._stays_noted(self.wanted_on)

    @property
    def activity_record(self) -> ActivityRecord:
        """The evidence of the activity of the slice's owner."""
        return self._activity_record

    @property
    def assignment(self) -> SliceAssignment | None:
        """The assignment by the hub service.

        ``None``: the slice is not served, and some of its processes still hold memory.
        """
        return self._assignment

    @property
    def released(self) -> bool:
        """Whether the hub service took the slice back.

        Where it did not, and assigned nothing, it has not spoken yet.
        """
        return self._released

    @property
    def holder(self) -> Holder:
        """To what the slice belongs; a released one counts as a notebook's."""
        # Asked by other threads, too: what is assigned may change in between.
        assignment = self._assignment
        return Holder.NOTEBOOK if assignment is None else assignment.holder

    @property
    def is_job(self) -> bool:
        """Whether the slice belongs to a training job."""
        return self.holder is Holder.JOB

    @property
    def cap_mib(self) -> int:
        """The memory that all its processes may hold; of a released slice, what was away then."""
        return self._cap_mib

    @property
    def processes(self) -> SliceProcesses:
        """The slice's processes that have, or had, something on the GPU."""
        return self._processes

    @property
    def activity(self) -> Activity | None:
        """The last judgement on the owner; ``None``: a job's slice, or not judged yet."""
        return self._activity

    @property
    def gate(self) -> Gate:
        """The gate before the slice's cells."""
        return self._gate

    @property
    def gate_open(self) -> bool:
        """Whether the slice's cells may run."""
        return self._gate.is_open

    @property
    def past_turns(self) -> PastTurns:
        """What of the slice's turns so far its next one hangs on."""
        return self._past_turns

    @property
    def requests(self) -> tuple[GateRequest, ...]:
        """The cells that wait at the gate, in the order in which they came."""
        return tuple(self._requests)

    @property
    def paused(self) -> bool:
        """Whether a job's processes, also new ones, are kept from the GPU."""
        return self._paused

    @property
    def state_since(self) -> datetime:
        """The time at which the slice was last moved, or first known."""
        return self._state_since

    @property
    def move_failures(self) -> MoveFailures:
        """The moves of the slice that did not work."""
        return self._move_failures

    @property
    def pause_failures(self) -> PauseFailures:
        """The pauses of a job that did not work."""
        return self._pause_failures

    @property
    def kernels(self) -> SliceKernels:
        """The kernels that have asked at the gate."""
        return self._kernels

    @property
    def over_cap(self) -> bool:
        """Whether the slice had more than its cap when that was last looked at."""
        return self._over_cap

    @property
    def cap_use(self) -> CapUse:
        """How much the slice has, on the GPU and in host memory, and its cap."""
        return CapUse(self._processes.held_mib() + self._processes.image_mib(), self._cap_mib)

    @property
    def cap_watch(self) -> CapWatch:
        """How the slice stands to its cap, and what its owner was told of that."""
        return self._cap_watch

    @property
    def gpu_busy_ms(self) -> int:
        """The time for which the slice's processes have used the GPU, in milliseconds."""
        return self._gpu_busy_ms

    @property
    def active(self) -> bool:
        """Whether the slice has work: an owner's by what was seen, a job's while it is assigned."""
        if self._assignment is None:
            # Released: what is still suspended gets its way back, the rest is nobody's work.
            return bool(self._processes.away())
        if self.is_job:
            return not self._evicting
        return self._activity is None or self._activity.active

    def state(self) -> SliceState:
        """Return where the slice's GPU state is, moves in flight left aside."""
        if self._processes.away():
            return SliceState.SUSPENDED
        if self._paused and self._processes.on_gpu():
            return SliceState.PAUSED
        return SliceState.RESIDENT

    def past_the_gate(self, now: datetime) -> bool:
        """Whether a cell may still run that was let through before the gate closed."""
        if self.is_job or self.gate_open:
            return False
        return self._activity_record.may_run_a_promised_cell(now)

    def rests_since(self, now: datetime) -> datetime | None:
        """Return since when an owner does nothing whose slice counts as active, as told on purpose.

        ``None``: work is under way, or that is not known, as where a program is no kernel's.
        """
        if self.is_job or not self.active or not self._is_all_kernels() or self._requests:
            return None
        return self._activity_record.rests_since(now)

    def unsuspendable(self) -> Unsuspendable | None:
        """Return why the slice can be paused but not suspended; ``None``: it can be suspended."""
        if self._pause_failures.unpausable is not None:
            return Unsuspendable(Obstacle.CANNOT_PAUSE, self._pause_failures.unpausable)
        if self._assignment is not None and self._assignment.never_suspended is not None:
            return Unsuspendable(Obstacle.ENGINE, self._assignment.never_suspended)
        return next((p.unsuspendable for p in self._processes if p.unsuspendable), None)

    def room_for(self, process: TrackedProcess) -> int:
        """Return how much room a process needs to come back, or would need, in MiB.

        Of one whose memory is not told, that is the slice's whole cap, or what was seen of it.
        """
        if process.image_mib is not None:
            return process.image_mib
        told = process.memory_mib
        return max(self._cap_mib, process.least_mib) if told is None else told

    def reckoned_mib(self) -> int:
        """Return how much the slice is to be taken to hold on the GPU, in MiB.

        Where the GPU does not tell all of it, that is its cap at least.
        """
        held_mib = self._processes.held_mib()
        return held_mib if self._processes.is_told() else max(held_mib, self._cap_mib)

    def targets(self, processes: Iterable[TrackedProcess]) -> tuple[Target, ...]:
        """Return these processes of the slice as the device's callers know them."""
        return tuple(
            Target(
                p.identity,
                self._gpu_id,
                self._slice_id,
                self.holder,
                self.room_for(p),
                p.left_gpu_id,
            )
            for p in processes
        )

    def may_change_card(self, now: datetime) -> bool:
        """Whether nothing of the slice is on its card, nor may come there by what was promised."""
        return not (self.gate_open or self._processes.on_gpu() or self.past_the_gate(now))

    def is_refused_on(self, gpu_id: GpuId) -> bool:
        """Whether these processes cannot come back on a card that is not the one they left."""
        return self._stays_noted(gpu_id) is not None

    def is_pausing_due(self, now: datetime) -> bool:
        """Whether pausing a job may be tried: not right after that did not work."""
        again_at = self._pause_failures.again_at
        return again_at is None or now >= again_at

    def _has_nothing_to_run(self, now: datetime) -> bool:
        return self._is_all_kernels() and self._activity_record.says_that_nothing_runs(now)

    def _is_all_kernels(self) -> bool:
        return all(self._kernels.has(p.identity) for p in self._processes)

    def _stays_noted(self, gpu_id: GpuId) -> Stays | None:
        stays, of = self._stays.get(gpu_id, (None, frozenset()))
        return stays if of == self._identities() else None

    def _identities(self) -> frozenset[ProcessIdentity]:
        return frozenset(p.identity for p in self._processes)
