"""The simulated GPUs as a device: the daemon's answers in the interface's words."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sublet_quota.ids import GpuId

from sublet_agent.devices.interface import (
    DeviceError,
    Gpu,
    GpuGoneError,
    GpuMemory,
    GpuProcess,
    HealthEvent,
    NoGpuContextError,
    NoSuchProcessError,
    NotSupportedError,
    OutOfGpuMemoryError,
    PauseTimeoutError,
    ProcessState,
    ResumeRefusedError,
)
from sublet_agent.devices.shared_memory import why_not_suspendable
from sublet_agent.simulated.connection import ThreadConnections
from sublet_agent.simulated.errors import CudaCode, SimulatedGpuError

_STATES: Final = {
    "running": ProcessState.RUNNING,
    "locked": ProcessState.PAUSED,
    "checkpointed": ProcessState.SUSPENDED,
    "failed": ProcessState.FAILED,
}
_ERRORS: Final[Mapping[CudaCode, type[DeviceError]]] = {
    CudaCode.NOT_INITIALIZED: NoGpuContextError,
    CudaCode.OPERATING_SYSTEM: NoSuchProcessError,
    CudaCode.NOT_READY: PauseTimeoutError,
    CudaCode.NOT_SUPPORTED: NotSupportedError,
    CudaCode.OUT_OF_MEMORY: OutOfGpuMemoryError,
    CudaCode.DEVICE_UNAVAILABLE: GpuGoneError,
}


class SimulatedDevice:
    """The cards of one daemon. A connection is kept for each calling thread."""

    def __init__(self, socket_path: str) -> None:
        self._daemon: Final = ThreadConnections(socket_path)
        self._health_lock: Final = threading.Lock()
        self._health_seen = 0

    @property
    def simulated(self) -> bool:
        """Always."""
        return True

    def gpus(self) -> Sequence[Gpu]:
        """List the cards."""
        return [
            Gpu(
                gpu_id=GpuId(each["gpu_id"]),
                index=each["index"],
                type=each["type"],
                memory_mib=each["memory_mib"],
                simulated=True,
            )
            for each in self._ask("gpus")["gpus"]
        ]

    def memory(self, gpu_id: GpuId) -> GpuMemory:
        """Read the card's memory."""
        answer = self._ask("memory", gpu_id=gpu_id)
        return GpuMemory(answer["total_mib"], answer["used_mib"], answer["free_mib"])

    def processes(self, gpu_id: GpuId) -> Sequence[GpuProcess]:
        """List the processes with something on the card."""
        return [
            GpuProcess(
                pid=each["pid"],
                memory_mib=each["memory_mib"],
                utilisation_percent=each["utilisation_percent"],
                busy_ms=each["busy_ms"],
            )
            for each in self._ask("processes", gpu_id=gpu_id)["processes"]
        ]

    def utilisation_percent(self, gpu_id: GpuId) -> int:
        """Read how busy the card was."""
        return int(self._ask("utilisation", gpu_id=gpu_id)["percent"])

    def energy_mj(self, gpu_id: GpuId) -> int | None:
        """Read the energy counter."""
        return int(self._ask("energy", gpu_id=gpu_id)["energy_mj"])

    def health(self) -> Sequence[HealthEvent]:
        """Return what has gone wrong since the last call."""
        with self._health_lock:
            events = self._ask("health", after=self._health_seen)["events"]
            if events:
                self._health_seen = events[-1]["number"]
        return [HealthEvent(GpuId(each["gpu_id"]), each["kind"], each["detail"]) for each in events]

    def state(self, pid: int) -> ProcessState | None:
        """Return the process's state; waits for an operation on it that is under way."""
        try:
            return _STATES[self._ask("state", pid=pid)["state"]]
        except (NoGpuContextError, NoSuchProcessError):
            return None

    def may_be_suspended(self, pid: int) -> str | None:
        """Return why it cannot be suspended, as far as can be seen beforehand."""
        shared = why_not_suspendable(pid)
        if shared is not None:
            return shared
        for gpu in self.gpus():
            listed = self._ask("processes", gpu_id=gpu.gpu_id)["processes"]
            if any(each["pid"] == pid and each["mps"] for each in listed):
                return "it is an MPS client"
        return None

    def pause(self, pid: int, timeout_ms: int) -> None:
        """Let submitted work drain, then block its calls."""
        if timeout_ms < 1:
            message = f"timeout_ms is {timeout_ms}: give 1 or more (0 would wait for ever)"
            raise ValueError(message)
        self._ask("lock", pid=pid, timeout_ms=timeout_ms)

    def suspend(self, pid: int) -> None:
        """Move its bytes to host memory."""
        self._ask("checkpoint", pid=pid)

    def resume(self, pid: int, gpu_mapping: dict[GpuId, GpuId] | None = None) -> None:
        """Bring its bytes back. Never without room."""
        try:
            self._ask("restore", pid=pid, mapping=gpu_mapping or {})
        except NoSuchProcessError as error:
            if self.state(pid) is None:
                raise
            raise ResumeRefusedError(str(error)) from error
        except (OutOfGpuMemoryError, GpuGoneError):
            raise
        except DeviceError as error:
            if self.state(pid) is ProcessState.SUSPENDED:
                raise ResumeRefusedError(str(error)) from error
            raise

    def unpause(self, pid: int) -> None:
        """Let it run on; nothing happens where it runs already."""
        try:
            self._ask("unlock", pid=pid)
        except DeviceError:
            if self.state(pid) is not ProcessState.RUNNING:
                raise

    def close(self) -> None:
        """Close the calling thread's connection."""
        self._daemon.close()

    def _ask(self, verb: str, **fields: object) -> Mapping[str, Any]:
        try:
            return self._daemon.ask(verb, **fields)
        except SimulatedGpuError as error:
            kind = _ERRORS.get(error.code, DeviceError)
            raise kind(error.message) from error
