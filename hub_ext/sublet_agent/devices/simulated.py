"""The simulated GPUs as a device: the daemon's answers in the interface's words."""

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.closed_gpus import GpuFault
from sublet_quota.reasons.fitness import Unfit, UnfitReason
from sublet_quota.reasons.obstacles import Unsuspendable
from sublet_quota.reasons.staying import Staying, Stays

from sublet_agent.cgroups.standing_still import StandingStill
from sublet_agent.devices import beforehand
from sublet_agent.devices.checkpoint_device import (
    ERROR_OF_CODE,
    CallTerms,
    DriverCall,
    DriverDevice,
    permutation_of,
)
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
from sublet_agent.devices.optional_figures import OptionalFigures
from sublet_agent.devices.simulated_memory_limits import SimulatedMemoryLimits
from sublet_agent.devices.xid import tells_of_the_card
from sublet_agent.simulated.protocol.connection import ThreadConnections
from sublet_agent.simulated.protocol.errors import SimulatedGpuError

_XID: Final = re.compile(r"^XID (\d+)")


class SimulatedDevice(DriverDevice):
    """The cards of one daemon. A connection is kept for each calling thread."""

    def __init__(self, socket_path: str, still: StandingStill | None = None) -> None:
        super().__init__(still)
        self._socket_path: Final = socket_path
        self._daemon: Final = ThreadConnections(socket_path)
        self._figures: Final = OptionalFigures()
        self._limits: Final = SimulatedMemoryLimits(self._ask)
        self._last_listed: Final[dict[GpuId, Mapping[int, Listed]]] = {}
        self._health_lock: Final = threading.Lock()
        self._health_seen: int | None = None

    @property
    def simulated(self) -> bool:
        """Whether the cards are simulated: always."""
        return True

    @property
    def memory_limits(self) -> MemoryLimits:
        """The limits that the simulated driver keeps of control groups."""
        return self._limits

    def gpus(self) -> Sequence[Gpu]:
        """Return the cards."""
        return [
            Gpu(
                gpu_id=GpuId(each["gpu_id"]),
                index=each["index"],
                type=each["type"],
                memory_mib=each["memory_mib"],
                simulated=True,
            )
            for each in self._ask("gpus")["gpus"]
            if not each["split"]
        ]

    def left_out(self) -> Sequence[LeftOutGpu]:
        """Return the cards that MIG splits."""
        return [
            LeftOutGpu(GpuId(each["gpu_id"]), each["index"], UnfitReason(Unfit.SPLIT))
            for each in self._ask("gpus")["gpus"]
            if each["split"]
        ]

    def setup(self, gpu_id: GpuId) -> GpuSetup:
        """Return how the card is set up, as it was told to pretend."""
        told = self._figures.ask(gpu_id, "setup", lambda: self._ask("setup", gpu_id=gpu_id))
        if told is None:
            return GpuSetup(None, None, initialised=False, compute_mode=None, mps=None)
        return GpuSetup(
            driver=told["driver"],
            persistent=told["persistent"],
            initialised=False,
            compute_mode=ComputeMode(told["compute_mode"]),
            mps="a simulated one" if told["mps"] else None,
        )

    def client_environment(self, gpu_id: GpuId) -> Mapping[str, str]:
        """Return what the client of simulated GPUs asks for."""
        return {"SUBLET_SIMULATED_SOCKET": self._socket_path, "SUBLET_GPU_ID": gpu_id}

    def memory(self, gpu_id: GpuId) -> GpuMemory:
        """Return the card's memory."""
        answer = self._ask("memory", gpu_id=gpu_id)
        return GpuMemory(answer["total_mib"], answer["used_mib"], answer["free_mib"])

    def processes(self, gpu_id: GpuId) -> Sequence[GpuProcess]:
        """Return the processes with something on the card."""
        return [
            GpuProcess(
                pid=each["pid"],
                memory_mib=each["memory_mib"],
                utilisation_percent=each["utilisation_percent"],
                busy_ms=each["busy_ms"],
            )
            for each in self._ask("processes", gpu_id=gpu_id)["processes"]
        ]

    def utilisation_percent(self, gpu_id: GpuId) -> int | None:
        """Return the share of the last second in which the card was busy, or ``None``."""
        return self._figures.ask(
            gpu_id, "utilisation", lambda: int(self._ask("utilisation", gpu_id=gpu_id)["percent"])
        )

    def energy_mj(self, gpu_id: GpuId) -> int | None:
        """Return the energy used since the daemon's start, in millijoules, or ``None``."""
        return self._figures.ask(
            gpu_id, "energy", lambda: int(self._ask("energy", gpu_id=gpu_id)["energy_mj"])
        )

    def temperature_c(self, gpu_id: GpuId) -> int | None:
        """Return the temperature that the card would have, in degrees Celsius, or ``None``."""
        return self._figures.ask(
            gpu_id, "temperature", lambda: int(self._ask("temperature", gpu_id=gpu_id)["celsius"])
        )

    def health(self) -> Sequence[HealthEvent]:
        """Return what has gone wrong since the last call; of before the first, nothing."""
        with self._health_lock:
            events = self._ask("health", after=self._health_seen or 0)["events"]
            newest = events[-1]["number"] if events else self._health_seen or 0
            if self._health_seen is None:
                events = []
            self._health_seen = newest
        return [
            HealthEvent(GpuId(each["gpu_id"]), GpuFault(each["kind"]), each["detail"])
            for each in events
            if (xid := _XID.match(each["detail"])) is None or tells_of_the_card(int(xid[1]))
        ]

    def away_mib(self, pid: int) -> int | None:
        """Return how much of a process's GPU memory is in host memory now."""
        return int(self._ask("away", pid=pid)["mib"])

    def why_not_suspendable(self, pid: int, whose: str | None = None) -> Unsuspendable | None:
        """Return why a process cannot be suspended, as far as can be seen, or ``None``."""
        seen = beforehand.why_not_suspendable(pid, whose)
        if seen is not None:
            return seen
        on: dict[int, Listed] = {}
        for gpu in self.gpus():
            listed = self._listed(gpu.gpu_id).get(pid)
            if listed is not None:
                on[gpu.index] = listed
        return why_listed_not_suspendable(pid, on)

    def why_not_movable(self, pid: int, to_gpu: GpuId, whose: str | None = None) -> Stays | None:  # noqa: ARG002 (the interface's)
        """Return why a process cannot be resumed on that card, or ``None``."""
        if to_gpu not in {gpu.gpu_id for gpu in self.gpus()}:
            return Stays(Staying.NO_SUCH_CARD)
        sees = self._ask("sees", pid=pid)["sees"]
        if sees is None:
            return None
        return Stays(Staying.SEES_SOME_CARDS, f"process {pid} sees {', '.join(sees)}")

    def close(self) -> None:
        """Close the calling thread's connection."""
        self._daemon.close()

    def _listed(self, gpu_id: GpuId) -> Mapping[int, Listed]:
        """Return the processes on a card, by pid; of one that is gone, those there last."""
        try:
            listed = self._ask("processes", gpu_id=gpu_id)["processes"]
        except GpuGoneError:
            return self._last_listed.get(gpu_id, {})
        found = {each["pid"]: Listed(each["memory_mib"], is_mps=each["mps"]) for each in listed}
        self._last_listed[gpu_id] = found
        return found

    def _operate(self, call: DriverCall, pid: int, terms: CallTerms) -> None:
        gpus = self._ask("gpus")["gpus"] if terms.mapping else []
        everywhere = permutation_of([GpuId(each["gpu_id"]) for each in gpus], terms.mapping)
        lease_s = {} if terms.lease_s is None else {"lease_s": terms.lease_s}
        self._ask(call.value, pid=pid, timeout_ms=terms.timeout_ms, mapping=everywhere, **lease_s)

    def _state_word(self, pid: int) -> str:
        return str(self._ask("state", pid=pid)["state"])

    def _ask(self, verb: str, **fields: object) -> Mapping[str, Any]:
        try:
            return self._daemon.ask(verb, **fields)
        except SimulatedGpuError as error:
            kind = ERROR_OF_CODE.get(error.code, DeviceError)
            raise kind(error.message) from error
