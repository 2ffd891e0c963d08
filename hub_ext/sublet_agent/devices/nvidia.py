"""NVIDIA cards as a device: NVML tells what is on them, the checkpoint API moves processes.

What NVML does not tell is ``None``, never 0; a list of processes that it cannot give is an error,
never an empty one.
"""

import importlib
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.fitness import Unfit, UnfitReason
from sublet_quota.reasons.obstacles import Unsuspendable
from sublet_quota.reasons.staying import Staying, Stays

from sublet_agent.cgroups.standing_still import StandingStill
from sublet_agent.devices import beforehand, visible_cards
from sublet_agent.devices.checkpoint_device import CallTerms, DriverCall, DriverDevice
from sublet_agent.devices.interface import (
    ComputeMode,
    DeviceError,
    Gpu,
    GpuGoneError,
    GpuMemory,
    GpuProcess,
    GpuSetup,
    HealthEvent,
    LeftOutGpu,
)
from sublet_agent.devices.listed import Listed, why_listed_not_suspendable
from sublet_agent.devices.memory_limits import MemoryLimits
from sublet_agent.devices.mps import mps_process
from sublet_agent.devices.nvidia_checkpoint import NvidiaCheckpoint
from sublet_agent.devices.nvidia_health import NvidiaHealth
from sublet_agent.devices.nvidia_memory_limits import NvidiaMemoryLimits
from sublet_agent.devices.nvml import Nvml, text_of
from sublet_agent.devices.optional_figures import OptionalFigures
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
        self._nvml: Final = Nvml()
        self._gpus: Final[list[Gpu]] = []
        self._left_out: Final[list[LeftOutGpu]] = []
        self._find_gpus()
        self._checkpoint: Final = NvidiaCheckpoint(
            helper, lambda: [each.gpu_id for each in self._gpus]
        )
        self._figures: Final = OptionalFigures()
        self._limits: Final = NvidiaMemoryLimits(self._nvml)
        self._health: Final = NvidiaHealth(self._nvml, self.memory)
        self._last_listed: Final[dict[GpuId, Mapping[int, Listed]]] = {}

    @property
    def simulated(self) -> bool:
        """Whether the cards are simulated: never."""
        return False

    @property
    def memory_limits(self) -> MemoryLimits:
        """The limits that the driver keeps of control groups."""
        return self._limits

    def gpus(self) -> Sequence[Gpu]:
        """Return the cards, in the driver's order."""
        return list(self._gpus)

    def left_out(self) -> Sequence[LeftOutGpu]:
        """Return the cards that are split by MIG, or do not tell their memory."""
        return list(self._left_out)

    def setup(self, gpu_id: GpuId) -> GpuSetup:
        """Return how a card and its driver are set up, as far as they tell."""
        nvml, figures = self._nvml.module, self._figures
        persistent = figures.ask(
            gpu_id,
            "persistence mode",
            lambda: bool(self._nvml.ask(gpu_id, nvml.nvmlDeviceGetPersistenceMode)),
        )
        return GpuSetup(
            driver=figures.ask(
                gpu_id,
                "driver's version",
                lambda: text_of(
                    self._nvml.ask(gpu_id, lambda _: nvml.nvmlSystemGetDriverVersion())
                ),
            ),
            persistent=persistent,
            initialised=self._checkpoint.init_code == 0,
            compute_mode=figures.ask(gpu_id, "compute mode", lambda: self._compute_mode(gpu_id)),
            mps=mps_process(),
        )

    def client_environment(self, gpu_id: GpuId) -> Mapping[str, str]:
        """Return the variable by which CUDA shows a program this card alone."""
        return {"CUDA_VISIBLE_DEVICES": gpu_id}

    def memory(self, gpu_id: GpuId) -> GpuMemory:
        """Return the card's memory; what the driver keeps for itself counts as used."""
        info = self._nvml.ask(gpu_id, self._nvml.module.nvmlDeviceGetMemoryInfo)
        total, free = info.total // _MIB, info.free // _MIB
        return GpuMemory(total_mib=total, used_mib=total - free, free_mib=free)

    def processes(self, gpu_id: GpuId) -> Sequence[GpuProcess]:
        """Return the processes on the card, those of MPS and graphics too."""
        listed = self._listed(gpu_id)
        busy = self._figures.ask(
            gpu_id, "utilisation by process", lambda: self._busy_percents(gpu_id)
        )
        return [
            GpuProcess(
                pid=pid,
                memory_mib=listed[pid].memory_mib,
                utilisation_percent=None if busy is None else busy.get(pid, 0),
            )
            for pid in sorted(listed)
        ]

    def utilisation_percent(self, gpu_id: GpuId) -> int | None:
        """Return the share of the last sampling period in which the card was busy."""
        ask = self._nvml.module.nvmlDeviceGetUtilizationRates
        return self._figures.ask(
            gpu_id, "utilisation", lambda: int(self._nvml.ask(gpu_id, ask).gpu)
        )

    def energy_mj(self, gpu_id: GpuId) -> int | None:
        """Return the energy used since the driver was loaded, in mJ, or ``None``: not told."""
        ask = self._nvml.module.nvmlDeviceGetTotalEnergyConsumption
        return self._figures.ask(gpu_id, "energy", lambda: int(self._nvml.ask(gpu_id, ask)))

    def temperature_c(self, gpu_id: GpuId) -> int | None:
        """Return the temperature of the card's GPU, in degrees Celsius, or ``None``: not told."""
        nvml = self._nvml.module
        return self._figures.ask(
            gpu_id,
            "temperature",
            lambda: int(
                self._nvml.ask(
                    gpu_id,
                    lambda card: nvml.nvmlDeviceGetTemperature(card, nvml.NVML_TEMPERATURE_GPU),
                )
            ),
        )

    def health(self) -> Sequence[HealthEvent]:
        """Return what has gone wrong with cards since the last call."""
        return self._health.news()

    def away_mib(self, pid: int) -> None:  # noqa: ARG002 (the interface's)
        """Return ``None``: neither NVML nor the checkpoint API tells how far a move has come."""
        return

    def why_not_suspendable(self, pid: int, whose: str | None = None) -> Unsuspendable | None:
        """Return why a process cannot be suspended, as far as can be seen, or ``None``."""
        seen = beforehand.why_not_suspendable(pid, whose)
        if seen is not None:
            return seen
        on = {gpu.index: self._listed_or_last(gpu.gpu_id).get(pid) for gpu in self._gpus}
        return why_listed_not_suspendable(
            pid, {index: listed for index, listed in on.items() if listed is not None}
        )

    def why_not_movable(self, pid: int, to_gpu: GpuId, whose: str | None = None) -> Stays | None:
        """Return why a process cannot be resumed on that card, as far as can be seen, or ``None``.

        Where cards of the node are left out, no mapping could name them all.
        """
        if to_gpu not in {gpu.gpu_id for gpu in self._gpus}:
            return Stays(Staying.NO_SUCH_CARD)
        if self._left_out:
            named = ", ".join(str(each.index) for each in self._left_out)
            return Stays(Staying.UNREADABLE, f"GPU {named} of this node is not used")
        return visible_cards.why_not_all(pid, len(self._gpus), whose)

    def close(self) -> None:
        """Let NVML go."""
        self._health.close()
        with self._nvml.translated("NVML does not stop"):
            self._nvml.module.nvmlShutdown()

    def _operate(self, call: DriverCall, pid: int, terms: CallTerms) -> None:
        self._checkpoint.operate(call, pid, terms)

    def _state_word(self, pid: int) -> str:
        return self._checkpoint.state_word(pid)

    def _compute_mode(self, gpu_id: GpuId) -> ComputeMode:
        nvml = self._nvml.module
        mode = self._nvml.ask(gpu_id, nvml.nvmlDeviceGetComputeMode)
        if mode == nvml.NVML_COMPUTEMODE_DEFAULT:
            return ComputeMode.DEFAULT
        if mode == nvml.NVML_COMPUTEMODE_PROHIBITED:
            return ComputeMode.PROHIBITED
        return ComputeMode.EXCLUSIVE

    def _find_gpus(self) -> None:
        with self._nvml.translated("the cards cannot be counted"):
            count = self._nvml.module.nvmlDeviceGetCount()
        for index in range(count):
            try:
                self._find_gpu(index)
            except DeviceError as error:
                # Lost, say, or without memory of its own to tell of: the others are served.
                gpu_id = GpuId(f"number-{index}")
                self._leave_out(gpu_id, index, UnfitReason(Unfit.UNREADABLE, str(error)))

    def _find_gpu(self, index: int) -> None:
        nvml = self._nvml.module
        with self._nvml.translated(f"card number {index} does not answer"):
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            gpu_id = GpuId(text_of(nvml.nvmlDeviceGetUUID(handle)))
            if self._is_split(handle):
                self._leave_out(gpu_id, index, UnfitReason(Unfit.SPLIT))
                return
            name = text_of(nvml.nvmlDeviceGetName(handle))
            total_mib = nvml.nvmlDeviceGetMemoryInfo(handle).total // _MIB
        self._nvml.add(gpu_id, handle)
        self._gpus.append(Gpu(gpu_id, index, name, total_mib, simulated=False))

    def _leave_out(self, gpu_id: GpuId, index: int, reason: UnfitReason) -> None:
        _log.warning("card %s is not used: %s", gpu_id, reason.clause)
        self._left_out.append(LeftOutGpu(gpu_id, index, reason))

    def _is_split(self, handle: Any) -> bool:
        nvml = self._nvml.module
        try:
            current, _ = nvml.nvmlDeviceGetMigMode(handle)
        except nvml.NVMLError as error:
            if error.value != nvml.NVML_ERROR_NOT_SUPPORTED:
                raise
            return False
        return bool(current == nvml.NVML_DEVICE_MIG_ENABLE)

    def _listed(self, gpu_id: GpuId) -> Mapping[int, Listed]:
        """Return the processes on a card, by pid; ``DeviceError`` where it cannot list them."""
        nvml = self._nvml.module
        found: dict[int, Listed] = {}
        for ask, is_mps, may_lack in (
            (nvml.nvmlDeviceGetComputeRunningProcesses, False, False),
            # NVML has this list for Volta and newer. On older cards, clients of MPS have no
            # context of their own: its server has, and is among those that compute.
            (nvml.nvmlDeviceGetMPSComputeRunningProcesses, True, True),
            # A card without graphics lists none, and nobody draws there.
            (nvml.nvmlDeviceGetGraphicsRunningProcesses, False, True),
        ):
            codes = {nvml.NVML_ERROR_NOT_SUPPORTED} if may_lack else ()
            for each in self._nvml.ask_or(gpu_id, ask, codes, ()):
                listed = Listed(_mib(each.usedGpuMemory), is_mps=is_mps)
                known = found.get(each.pid)
                found[each.pid] = listed if known is None else known.with_more(listed)
        self._last_listed[gpu_id] = found
        return found

    def _listed_or_last(self, gpu_id: GpuId) -> Mapping[int, Listed]:
        """Return the processes on a card; of one that is gone, those that were there last."""
        try:
            return self._listed(gpu_id)
        except GpuGoneError:
            return self._last_listed.get(gpu_id, {})

    def _busy_percents(self, gpu_id: GpuId) -> dict[int, int]:
        """Return, by pid, the average of each process's samples of the last second, in percent."""
        nvml = self._nvml.module
        since = int((time.time() - _SAMPLED_S) * 1e6)

        def ask(handle: Any) -> Any:
            return nvml.nvmlDeviceGetProcessUtilization(handle, since)

        # "Not found" says that there is no sample since then: nobody computed.
        samples = self._nvml.ask_or(gpu_id, ask, {nvml.NVML_ERROR_NOT_FOUND}, ())
        found: dict[int, list[int]] = {}
        for sample in samples:
            if sample.timeStamp >= since:
                found.setdefault(sample.pid, []).append(min(sample.smUtil, _WHOLE_PERCENT))
        return {pid: round(sum(each) / len(each)) for pid, each in found.items()}


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


def _mib(used: int | None) -> int | None:
    return None if used is None else -(-used // _MIB)
