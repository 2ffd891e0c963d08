"""What the agent asks of a GPU, whoever makes it.

All calls block (some for seconds) and may be made from any thread; calls for different
processes may run at the same time. Amounts are MiB. ``pause``, ``suspend``, ``resume`` and
``unpause`` are the driver's lock, checkpoint, restore and unlock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.closed_gpus import GpuFault
from sublet_quota.reasons.obstacles import Unsuspendable


class ProcessState(StrEnum):
    """Where one process's GPU state is, as the driver says."""

    RUNNING = "running"
    PAUSED = "paused"
    """Locked: submitted work has drained, later CUDA calls block."""
    SUSPENDED = "suspended"
    """Checkpointed: nothing of it is on the GPU, and NVML does not list it."""
    FAILED = "failed"
    """The driver gave it up: its GPU state is lost."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card."""

    gpu_id: GpuId
    index: int
    type: str
    memory_mib: int
    simulated: bool


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
    memory_mib: int
    utilisation_percent: int
    """Over the last sampling period, about a second."""
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
    """There is no such process, or it is not ours to touch (error 304)."""


class PauseTimeoutError(DeviceError):
    """The submitted work did not drain in time; the process runs on."""


class NotSupportedError(DeviceError):
    """This process cannot be moved (managed memory, MPS). A suspend leaves it paused."""


class OutOfGpuMemoryError(DeviceError):
    """A resume without room. The process is poisoned: no later resume will work."""


class ResumeRefusedError(DeviceError):
    """The driver will not resume it (poisoned before, or it shared memory by CUDA IPC)."""


class GpuGoneError(DeviceError):
    """The card does not answer."""


class Device(Protocol):
    """The GPUs of one node."""

    @property
    def simulated(self) -> bool:
        """Whether these are simulated GPUs; shown wherever they are."""
        ...

    def gpus(self) -> Sequence[Gpu]:
        """List the cards, in the driver's order."""
        ...

    def memory(self, gpu_id: GpuId) -> GpuMemory:
        """Read the card's memory. ``GpuGoneError`` where it does not answer."""
        ...

    def processes(self, gpu_id: GpuId) -> Sequence[GpuProcess]:
        """List the processes with something on the card."""
        ...

    def utilisation_percent(self, gpu_id: GpuId) -> int:
        """How busy the card was over the last sampling period."""
        ...

    def energy_mj(self, gpu_id: GpuId) -> int | None:
        """Energy used since the driver was loaded, in millijoules."""
        ...

    def health(self) -> Sequence[HealthEvent]:
        """Return what has gone wrong since the last call."""
        ...

    def state(self, pid: int) -> ProcessState | None:
        """Return the process's state; ``None`` where it has no CUDA context, or is gone."""
        ...

    def away_mib(self, pid: int) -> int | None:
        """How much of its GPU memory is in host memory now, also while it moves.

        ``None`` where the device does not tell before a move is over.
        """
        ...

    def why_not_suspendable(self, pid: int) -> Unsuspendable | None:
        """Return why it cannot be suspended, as far as can be seen beforehand, or ``None``.

        CUDA IPC shows as ``/dev/shm/cuda.shm.*`` in its maps. Look right before each suspend.
        """
        ...

    def pause(self, pid: int, timeout_ms: int) -> None:
        """Let submitted work drain, then block CUDA calls. ``timeout_ms`` is 1 or more.

        ``PauseTimeoutError``, ``NotSupportedError``, ``NoGpuContextError``,
        ``NoSuchProcessError``.
        """
        ...

    def suspend(self, pid: int) -> None:
        """Move a paused process's bytes to host memory (its own).

        ``NotSupportedError`` leaves it paused.
        """
        ...

    def resume(self, pid: int, gpu_mapping: dict[GpuId, GpuId] | None = None) -> None:
        """Bring a suspended process's bytes back; it is paused then.

        Never call this without room: ``OutOfGpuMemoryError`` means that the process is lost.
        """
        ...

    def unpause(self, pid: int) -> None:
        """Let a paused process run on. Always safe."""
        ...
