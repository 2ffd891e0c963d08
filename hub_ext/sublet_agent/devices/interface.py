"""The interface between the agent and GPUs, whoever makes them.

All calls block (some for seconds) and may be made from any thread; calls for different processes
may run at the same time. Amounts are MiB. ``pause``, ``suspend``, ``resume`` and ``unpause`` are
the driver's lock, checkpoint, restore and unlock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.closed_gpus import GpuFault
from sublet_quota.reasons.fitness import UnfitReason
from sublet_quota.reasons.obstacles import Unsuspendable
from sublet_quota.reasons.staying import Stays

from sublet_agent.devices.memory_limits import MemoryLimits


class ProcessState(StrEnum):
    """The place of one process's GPU state, as the driver says."""

    RUNNING = "running"
    PAUSED = "paused"
    """Locked: submitted work has drained, later CUDA calls block."""
    SUSPENDED = "suspended"
    """Checkpointed: nothing of the process is on the GPU, and NVML does not list it."""
    FAILED = "failed"
    """The driver gave the process up: its GPU state is lost."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A card: its id, place among the node's cards, type, and memory."""

    gpu_id: GpuId
    index: int
    type: str
    memory_mib: int
    simulated: bool


class ComputeMode(StrEnum):
    """How many processes a card takes."""

    DEFAULT = "default"
    EXCLUSIVE = "exclusive-process"
    PROHIBITED = "prohibited"


@dataclass(frozen=True, slots=True)
class GpuSetup:
    """How a card and its driver are set up; ``None`` for what they do not tell."""

    driver: str | None
    """The driver's version, such as ``580.159.04``."""
    persistent: bool | None
    """Whether the driver stays loaded on the card when no process uses it."""
    initialised: bool
    """Whether a process of the agent's has initialised the driver, and lives."""
    compute_mode: ComputeMode | None
    mps: str | None
    """The control daemon or server of MPS that runs, in words; ``None``: none does."""


@dataclass(frozen=True, slots=True)
class LeftOutGpu:
    """A card of the node that is not used, by its id and place among the node's, and why."""

    gpu_id: GpuId
    index: int
    reason: UnfitReason


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """The card's own account of its memory."""

    total_mib: int
    used_mib: int
    free_mib: int


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process with something on the card (a suspended one has nothing, and is not listed)."""

    pid: int
    memory_mib: int | None
    """What the process holds on this card; ``None``: the card does not tell."""
    utilisation_percent: int | None
    """The share of the card's time that the process used over the last sampling period, about a
    second; ``None``: the card does not tell.
    """
    busy_ms: int | None = None
    """GPU time since the process began, where the device counts it."""


@dataclass(frozen=True, slots=True)
class HealthEvent:
    """Something wrong with a card."""

    gpu_id: GpuId
    fault: GpuFault
    detail: str
    """The driver's own words."""


class DeviceError(Exception):
    """Root of what a device raises. The process is as it was, unless a subclass says more."""


class NoGpuContextError(DeviceError):
    """The process has no CUDA context (error 3), so there is nothing to move."""


class NoSuchProcessError(DeviceError):
    """No process has this pid."""


class SystemRefusedError(DeviceError):
    """The operating system said no (error 304) of a process that lives: nothing is known of it."""


class StandsStillError(DeviceError):
    """The process is stopped or frozen, and could not answer: nothing was asked of the driver."""


class NoAnswerError(DeviceError):
    """The driver did not answer in time: what was asked may still be done, or half done.

    Until that has ended, nothing else is asked of it about the process. A pause that was not
    answered is taken back when it comes.
    """


class PauseTimeoutError(DeviceError):
    """The submitted work did not drain in time; the process runs on."""


class NotSupportedError(DeviceError):
    """The process cannot be moved (managed memory, MPS). A suspend leaves it paused."""


class OutOfGpuMemoryError(DeviceError):
    """A resume without room. The process is poisoned: no later resume will work."""


class ResumeRefusedError(DeviceError):
    """The driver will not resume the process (poisoned before, or shared memory by CUDA IPC)."""


class NoControllerError(DeviceError):
    """A control group can have no limit, as it lacks what the driver needs in it."""


class GpuUnavailableError(DeviceError):
    """The card is in exclusive or prohibited mode (error 46), and takes nobody more."""


class GpuGoneError(DeviceError):
    """The card does not answer, is there no more (error 100), or its memory failed (error 214)."""


class Device(Protocol):
    """The GPUs of one node."""

    @property
    def simulated(self) -> bool:
        """Whether the GPUs are simulated; shown wherever they are."""
        ...

    @property
    def memory_limits(self) -> MemoryLimits:
        """The limits that the cards' driver itself keeps of control groups."""
        ...

    def gpus(self) -> Sequence[Gpu]:
        """Return the cards, in the driver's order."""
        ...

    def left_out(self) -> Sequence[LeftOutGpu]:
        """Return the cards of the node that are not among ``gpus``, and why each is not."""
        ...

    def setup(self, gpu_id: GpuId) -> GpuSetup:
        """Return how a card and its driver are set up, as far as they tell; never an error."""
        ...

    def client_environment(self, gpu_id: GpuId) -> Mapping[str, str]:
        """Return the variables by which a program that is started uses this card, and no other."""
        ...

    def memory(self, gpu_id: GpuId) -> GpuMemory:
        """Return the card's memory.

        ``GpuGoneError`` where the card does not answer, ``DeviceError`` where it cannot tell.
        """
        ...

    def processes(self, gpu_id: GpuId) -> Sequence[GpuProcess]:
        """Return the processes with something on the card.

        ``DeviceError`` where the card cannot list them: an empty list says that nobody is there.
        """
        ...

    def utilisation_percent(self, gpu_id: GpuId) -> int | None:
        """Return the share of the last sampling period in which the card was busy.

        ``None`` where the card does not tell, or not this time; never an error.
        """
        ...

    def energy_mj(self, gpu_id: GpuId) -> int | None:
        """Return the energy used since the driver was loaded, in mJ.

        ``None`` where the card does not tell, or not this time; never an error.
        """
        ...

    def temperature_c(self, gpu_id: GpuId) -> int | None:
        """Return the temperature of the card's GPU, in degrees Celsius.

        ``None`` where the card does not tell, or not this time; never an error.
        """
        ...

    def health(self) -> Sequence[HealthEvent]:
        """Return what has gone wrong with cards since the last call."""
        ...

    def state(self, pid: int) -> ProcessState | None:
        """Return the process's state; ``None`` where it has no CUDA context, or is gone.

        ``SystemRefusedError``, ``StandsStillError``, ``NoAnswerError``: nobody knows.
        """
        ...

    def away_mib(self, pid: int) -> int | None:
        """Return how much of a process's GPU memory is in host memory now, also while it moves.

        ``None`` where the device does not tell before a move is over.
        """
        ...

    def why_not_suspendable(self, pid: int, whose: str | None = None) -> Unsuspendable | None:
        """Return why a process cannot be suspended, as far as can be seen beforehand, or ``None``.

        ``whose`` it is, as whoever reads tenants' memory counts them; ``None``: its account's.

        CUDA IPC and profilers show in ``/proc``; MPS, a second card and memory that is not told, in
        what the cards list. Look right before each suspend. ``DeviceError`` where a card cannot
        list its processes: it may be there, too.
        """
        ...

    def why_not_movable(self, pid: int, to_gpu: GpuId, whose: str | None = None) -> Stays | None:
        """Return why a process cannot be resumed on another card of its type, or ``None``.

        The driver must be told where every card goes that the process sees: one that does not see
        them all is never tried. ``whose`` as above. Look right before it is resumed there;
        ``DeviceError`` where the device does not answer.
        """
        ...

    def pause(self, pid: int, timeout_ms: int, lease_s: float | None = None) -> None:
        """Let a process's submitted work drain, then block its CUDA calls.

        ``lease_s``: after so long the process is let run again where something outlives this
        program that can do so, unless anything else was asked for it by then; ``None``: never. A
        pause of a paused process, whatever it raises, ends a lease. ``timeout_ms`` is 1 or more.
        ``PauseTimeoutError``, ``NotSupportedError``, ``NoGpuContextError``, ``NoSuchProcessError``.
        """
        ...

    def suspend(self, pid: int) -> None:
        """Move a paused process's bytes to its own host memory.

        ``NotSupportedError`` leaves it paused.
        """
        ...

    def resume(self, pid: int, gpu_mapping: dict[GpuId, GpuId] | None = None) -> None:
        """Bring a suspended process's bytes back; it is paused then.

        ``gpu_mapping``: to another card than they left, by both ids; what is not named takes the
        other's place, or stays. Only for who is not ``why_not_movable``. Never call this without
        room: ``OutOfGpuMemoryError`` means that the process is lost.
        """
        ...

    def unpause(self, pid: int) -> None:
        """Let a paused process run on. Always safe."""
        ...
