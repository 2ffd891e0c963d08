"""NVIDIA cards as a device: NVML tells what is on them, the checkpoint API moves processes.

NVML's own errors are translated here. Where NVML cannot tell something on a card, the answer is
``None`` or zero where the interface allows it, never a guess.
"""

import importlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.closed_gpus import GpuFault
from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable

from sublet_agent.cgroups.standing_still import StandingStill
from sublet_agent.devices.checkpoint_device import DriverCall, DriverDevice
from sublet_agent.devices.cuda_ipc import why_not_suspendable
from sublet_agent.devices.interface import (
    DeviceError,
    Gpu,
    GpuGoneError,
    GpuMemory,
    GpuProcess,
    HealthEvent,
)
from sublet_agent.devices.nvidia_checkpoint import NvidiaCheckpoint
from sublet_agent.devices.xid import tells_of_the_card
from sublet_agent.driver_helper.client import DriverHelper

_log: Final = logging.getLogger(__name__)
_MIB: Final = 1024 * 1024
_SAMPLED_S: Final = 1.0
_DRIVER_FILE: Final = Path("/proc/driver/nvidia/version")
_WHOLE_PERCENT: Final = 100


class NvidiaDevice(DriverDevice):
    """The cards that NVML finds, but for those that are split by MIG."""

    def __init__(self, helper: DriverHelper, still: StandingStill | None = None) -> None:
        super().__init__(still)
        try:
            pynvml: Any = importlib.import_module("pynvml")
        except ImportError as error:
            message = "NVIDIA cards need the packages of `sublet[nvidia]`: nvidia-ml-py is missing"
            raise DeviceError(message) from error
        self._nvml: Final[Any] = pynvml
        with self._translated("NVML does not start"):
            pynvml.nvmlInit()
        self._handles: Final[dict[GpuId, Any]] = {}
        self._gpus: Final[list[Gpu]] = []
        self._find_gpus()
        self._checkpoint: Final = NvidiaCheckpoint(
            helper, lambda: [each.gpu_id for each in self._gpus]
        )
        self._health_lock: Final = threading.Lock()
        self._gone: Final[set[GpuId]] = set()
        self._events: Final = self._watch_events()

    @property
    def simulated(self) -> bool:
        """Whether the cards are simulated: never."""
        return False

    def gpus(self) -> Sequence[Gpu]:
        """Return the cards, in the driver's order."""
        return list(self._gpus)

    def memory(self, gpu_id: GpuId) -> GpuMemory:
        """Return the card's memory; what the driver keeps for itself counts as used."""
        info = self._ask(gpu_id, self._nvml.nvmlDeviceGetMemoryInfo)
        total, free = info.total // _MIB, info.free // _MIB
        return GpuMemory(total_mib=total, used_mib=total - free, free_mib=free)

    def processes(self, gpu_id: GpuId) -> Sequence[GpuProcess]:
        """Return the processes on the card, those of MPS and graphics too."""
        held: dict[int, int] = {}
        for listing in (
            self._nvml.nvmlDeviceGetComputeRunningProcesses,
            self._nvml.nvmlDeviceGetMPSComputeRunningProcesses,
            self._nvml.nvmlDeviceGetGraphicsRunningProcesses,
        ):
            for each in self._ask_or(gpu_id, listing, ()):
                used = -(-(each.usedGpuMemory or 0) // _MIB)
                held[each.pid] = max(held.get(each.pid, 0), used)
        busy = self._busy_percents(gpu_id)
        return [
            GpuProcess(pid=pid, memory_mib=mib, utilisation_percent=busy.get(pid, 0))
            for pid, mib in sorted(held.items())
        ]

    def utilisation_percent(self, gpu_id: GpuId) -> int:
        """Return the share of the last sampling period in which the card was busy."""
        return int(self._ask(gpu_id, self._nvml.nvmlDeviceGetUtilizationRates).gpu)

    def energy_mj(self, gpu_id: GpuId) -> int | None:
        """Return the energy used since the driver was loaded, in mJ, or ``None``: not told."""
        answer = self._ask_or(gpu_id, self._nvml.nvmlDeviceGetTotalEnergyConsumption, None)
        return None if answer is None else int(answer)

    def health(self) -> Sequence[HealthEvent]:
        """Return what has gone wrong with cards since the last call."""
        with self._health_lock:
            return [*self._new_events(), *self._newly_gone()]

    def away_mib(self, pid: int) -> None:  # noqa: ARG002 (the interface's)
        """Return ``None``: neither NVML nor the checkpoint API tells how far a move has come."""
        return

    def why_not_suspendable(self, pid: int) -> Unsuspendable | None:
        """Return why a process cannot be suspended, as far as can be seen, or ``None``."""
        shared = why_not_suspendable(pid)
        if shared is not None:
            return shared
        listing = self._nvml.nvmlDeviceGetMPSComputeRunningProcesses
        for gpu in self._gpus:
            if any(each.pid == pid for each in self._ask_or(gpu.gpu_id, listing, ())):
                return Unsuspendable(Obstacle.MPS, "it is an MPS client")
        return None

    def close(self) -> None:
        """Let NVML go."""
        with self._translated("NVML does not stop"):
            if self._events is not None:
                self._nvml.nvmlEventSetFree(self._events)
            self._nvml.nvmlShutdown()

    def _operate(
        self, call: DriverCall, pid: int, timeout_ms: int, mapping: Mapping[GpuId, GpuId]
    ) -> None:
        self._checkpoint.operate(call, pid, timeout_ms, mapping)

    def _state_word(self, pid: int) -> str:
        return self._checkpoint.state_word(pid)

    def _find_gpus(self) -> None:
        nvml = self._nvml
        with self._translated("the cards cannot be listed"):
            for index in range(nvml.nvmlDeviceGetCount()):
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                gpu_id = GpuId(_text(nvml.nvmlDeviceGetUUID(handle)))
                if self._is_split(handle):
                    _log.warning("card %s is split by MIG, which cannot be lent: left out", gpu_id)
                    continue
                self._handles[gpu_id] = handle
                self._gpus.append(
                    Gpu(
                        gpu_id=gpu_id,
                        index=index,
                        type=_text(nvml.nvmlDeviceGetName(handle)),
                        memory_mib=nvml.nvmlDeviceGetMemoryInfo(handle).total // _MIB,
                        simulated=False,
                    )
                )

    def _is_split(self, handle: Any) -> bool:
        try:
            current, _ = self._nvml.nvmlDeviceGetMigMode(handle)
        except self._nvml.NVMLError:
            return False
        return bool(current == self._nvml.NVML_DEVICE_MIG_ENABLE)

    def _busy_percents(self, gpu_id: GpuId) -> dict[int, int]:
        """Return, by pid, the average of each process's samples of the last second, in percent."""
        since = int((time.time() - _SAMPLED_S) * 1e6)
        samples = self._ask_or(
            gpu_id, lambda handle: self._nvml.nvmlDeviceGetProcessUtilization(handle, since), ()
        )
        found: dict[int, list[int]] = {}
        for sample in samples:
            if sample.timeStamp >= since:
                found.setdefault(sample.pid, []).append(min(sample.smUtil, _WHOLE_PERCENT))
        return {pid: round(sum(each) / len(each)) for pid, each in found.items()}

    def _watch_events(self) -> Any | None:
        nvml = self._nvml
        wanted = nvml.nvmlEventTypeXidCriticalError | nvml.nvmlEventTypeDoubleBitEccError
        watched = False
        with self._translated("the cards' events cannot be watched"):
            events = nvml.nvmlEventSetCreate()
            for gpu_id, handle in self._handles.items():
                try:
                    known = wanted & nvml.nvmlDeviceGetSupportedEventTypes(handle)
                    if known:
                        nvml.nvmlDeviceRegisterEvents(handle, known, events)
                        watched = True
                except nvml.NVMLError as error:
                    _log.warning("card %s does not report its errors: %s", gpu_id, error)
            if not watched:
                nvml.nvmlEventSetFree(events)
                return None
        return events

    def _new_events(self) -> Iterator[HealthEvent]:
        nvml = self._nvml
        while self._events is not None:
            try:
                event = nvml.nvmlEventSetWait(self._events, 0)
                gpu_id = GpuId(_text(nvml.nvmlDeviceGetUUID(event.device)))
            except nvml.NVMLError as error:
                if error.value != nvml.NVML_ERROR_TIMEOUT:
                    _log.warning("the cards' events cannot be read: %s", error)
                return
            if event.eventType == nvml.nvmlEventTypeDoubleBitEccError:
                yield HealthEvent(gpu_id, GpuFault.ECC, "uncorrectable memory error")
            elif tells_of_the_card(event.eventData):
                yield HealthEvent(gpu_id, GpuFault.XID, f"XID {event.eventData}")
            else:
                _log.info("card %s: XID %d, a program's own mistake", gpu_id, event.eventData)

    def _newly_gone(self) -> Iterator[HealthEvent]:
        for gpu in self._gpus:
            if gpu.gpu_id in self._gone:
                continue
            try:
                self.memory(gpu.gpu_id)
            except GpuGoneError as error:
                self._gone.add(gpu.gpu_id)
                yield HealthEvent(gpu.gpu_id, GpuFault.GONE, str(error))

    def _ask(self, gpu_id: GpuId, ask: Callable[[Any], Any]) -> Any:
        handle = self._handles.get(gpu_id)
        if handle is None:
            known = ", ".join(self._handles) or "none"
            message = f"there is no card {gpu_id}; there are {known}"
            raise DeviceError(message)
        with self._translated(f"card {gpu_id} does not answer"):
            return ask(handle)

    def _ask_or(self, gpu_id: GpuId, ask: Callable[[Any], Any], otherwise: Any) -> Any:
        """Return what NVML answers of a card; ``otherwise`` where the card cannot tell that."""
        nvml = self._nvml
        missing = {
            nvml.NVML_ERROR_NOT_SUPPORTED,
            nvml.NVML_ERROR_NOT_FOUND,
            nvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        }

        def attempt(handle: Any) -> Any:
            try:
                return ask(handle)
            except nvml.NVMLError as error:
                if error.value in missing:
                    return otherwise
                raise

        return self._ask(gpu_id, attempt)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        nvml = self._nvml
        try:
            yield
        except nvml.NVMLError as error:
            gone = {nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED}
            kind = GpuGoneError if error.value in gone else DeviceError
            message = f"{what}: {error}"
            raise kind(message) from error


def nvidia_gpus_found() -> int:
    """Return the number of cards that NVML finds: none without a driver or NVML."""
    try:
        pynvml: Any = importlib.import_module("pynvml")
    except ImportError:
        if _DRIVER_FILE.exists():
            _log.warning("there is an NVIDIA driver here, but not the packages of `sublet[nvidia]`")
        return 0
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return 0
    try:
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return 0
    finally:
        pynvml.nvmlShutdown()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
