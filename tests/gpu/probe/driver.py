"""The checkpoint calls and the figures that the probe needs, by ``libcuda`` and NVML alone.

The same words for simulated GPUs, so that the probe itself can be tried where no card is. Results
are the driver's numbers, untranslated: what they mean is what the probe asks.
"""

import ctypes
import importlib
import os
from dataclasses import dataclass
from typing import Any, Final, Protocol

CUDA_WORDS: Final = {0: "running", 1: "locked", 2: "checkpointed", 3: "failed"}
"""``CUprocessState``; newer drivers have more, which are told as numbers."""
_MIB: Final = 1024 * 1024
_UNKNOWN: Final = 2**64 - 1
_ARGUMENT_BYTES: Final = 64
_OK: Final = 0


class ProbeError(Exception):
    """The driver or NVML cannot be asked at all."""


class Driver(Protocol):
    """The checkpoint API, its results as numbers of ``CUresult``."""

    def initialise(self) -> int:
        """Call ``cuInit(0)``."""
        ...

    def state(self, pid: int) -> tuple[int, str]:
        """Return the result, and the state's word where there is one."""
        ...

    def lock(self, pid: int, timeout_ms: int) -> int: ...

    def checkpoint(self, pid: int) -> int: ...

    def restore(self, pid: int) -> int: ...

    def unlock(self, pid: int) -> int: ...


class Monitor(Protocol):
    """What NVML tells of the first card."""

    def free_mib(self) -> int: ...

    def process_mib(self, pid: int) -> int | str | None:
        """Return what NVML says that a process holds; ``None``: it does not list the process."""
        ...

    def facts(self) -> dict[str, Any]: ...

    def put_back(self, facts: dict[str, Any]) -> dict[str, int]:
        """Put the settings back that are no longer as in these facts; returns the results."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """A setting of the card, as a number of NVML's."""

    persistence: int | str
    compute_mode: int | str


class CudaDriver:
    """``libcuda.so.1``, as the ordinary loader finds it."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise ProbeError(str(error)) from error

    def initialise(self) -> int:
        return int(self._library.cuInit(0))

    def state(self, pid: int) -> tuple[int, str]:
        state = ctypes.c_int(-1)
        code = int(self._call("GetState", pid, ctypes.byref(state)))
        return code, "" if code else CUDA_WORDS.get(state.value, f"state {state.value}")

    def lock(self, pid: int, timeout_ms: int) -> int:
        arguments = (ctypes.c_uint * (_ARGUMENT_BYTES // 4))()
        arguments[0] = timeout_ms
        return self._call("Lock", pid, ctypes.byref(arguments))

    def checkpoint(self, pid: int) -> int:
        return self._call("Checkpoint", pid, self._nothing())

    def restore(self, pid: int) -> int:
        return self._call("Restore", pid, self._nothing())

    def unlock(self, pid: int) -> int:
        return self._call("Unlock", pid, self._nothing())

    @staticmethod
    def _nothing() -> Any:
        return ctypes.byref((ctypes.c_char * _ARGUMENT_BYTES)())

    def _call(self, name: str, pid: int, argument: Any) -> int:
        try:
            function = getattr(self._library, f"cuCheckpointProcess{name}")
        except AttributeError as error:
            message = f"this driver has no cuCheckpointProcess{name}"
            raise ProbeError(message) from error
        return int(function(ctypes.c_int(pid), argument))


class SimulatedDriver:
    """The daemon of simulated GPUs that ``SUBLET_SIMULATED_SOCKET`` names."""

    def __init__(self) -> None:
        connection = importlib.import_module("sublet_agent.simulated.protocol.connection")
        errors = importlib.import_module("sublet_agent.simulated.protocol.errors")
        self._error = errors.SimulatedGpuError
        self._daemon = connection.ThreadConnections(os.environ["SUBLET_SIMULATED_SOCKET"])

    def initialise(self) -> int:
        return _OK

    def state(self, pid: int) -> tuple[int, str]:
        try:
            return _OK, str(self._daemon.ask("state", pid=pid)["state"])
        except self._error as error:
            return int(error.code), ""

    def lock(self, pid: int, timeout_ms: int) -> int:
        return self._operate("lock", pid, timeout_ms)

    def checkpoint(self, pid: int) -> int:
        return self._operate("checkpoint", pid)

    def restore(self, pid: int) -> int:
        return self._operate("restore", pid)

    def unlock(self, pid: int) -> int:
        return self._operate("unlock", pid)

    def _operate(self, verb: str, pid: int, timeout_ms: int = 0) -> int:
        try:
            self._daemon.ask(verb, pid=pid, timeout_ms=timeout_ms, mapping={})
        except self._error as error:
            return int(error.code)
        return _OK


class _Memory(ctypes.Structure):
    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


class _Process(ctypes.Structure):
    _fields_ = (
        ("pid", ctypes.c_uint),
        ("used", ctypes.c_ulonglong),
        ("gpu_instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    )


class NvmlMonitor:
    """``libnvidia-ml.so.1`` for the first card."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError as error:
            raise ProbeError(str(error)) from error
        self._ask("nvmlInit_v2")
        self._card = ctypes.c_void_p()
        self._ask("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(0), ctypes.byref(self._card))

    def free_mib(self) -> int:
        memory = _Memory()
        self._ask("nvmlDeviceGetMemoryInfo", self._card, ctypes.byref(memory))
        return int(memory.free) // _MIB

    def process_mib(self, pid: int) -> int | str | None:
        count = ctypes.c_uint(256)
        listed = (_Process * count.value)()
        self._ask(
            "nvmlDeviceGetComputeRunningProcesses_v3", self._card, ctypes.byref(count), listed
        )
        for each in listed[: count.value]:
            if each.pid == pid:
                return "unknown" if each.used == _UNKNOWN else int(each.used) // _MIB
        return None

    def facts(self) -> dict[str, Any]:
        version = ctypes.create_string_buffer(96)
        self._ask("nvmlSystemGetDriverVersion", version, ctypes.c_uint(len(version)))
        name = ctypes.create_string_buffer(96)
        self._ask("nvmlDeviceGetName", self._card, name, ctypes.c_uint(len(name)))
        count = ctypes.c_uint()
        self._ask("nvmlDeviceGetCount_v2", ctypes.byref(count))
        cuda = ctypes.c_int()
        self._ask("nvmlSystemGetCudaDriverVersion_v2", ctypes.byref(cuda))
        settings = self.settings()
        return {
            "driver": version.value.decode(),
            "cuda": f"{cuda.value // 1000}.{cuda.value % 1000 // 10}",
            "card": name.value.decode(),
            "cards": count.value,
            "persistence_mode": settings.persistence,
            "compute_mode": settings.compute_mode,
        }

    def settings(self) -> Settings:
        """Return the settings that questions depend on."""
        found: list[int | str] = []
        for function in ("nvmlDeviceGetPersistenceMode", "nvmlDeviceGetComputeMode"):
            value = ctypes.c_uint()
            code = getattr(self._library, function)(self._card, ctypes.byref(value))
            found.append(f"not told: NVML error {code}" if code else value.value)
        return Settings(*found)

    def set_persistence(self, value: int) -> int:
        """Change the card's persistence mode; returns NVML's result."""
        return int(self._library.nvmlDeviceSetPersistenceMode(self._card, ctypes.c_uint(value)))

    def set_compute_mode(self, value: int) -> int:
        """Change the card's compute mode; returns NVML's result."""
        return int(self._library.nvmlDeviceSetComputeMode(self._card, ctypes.c_uint(value)))

    def put_back(self, facts: dict[str, Any]) -> dict[str, int]:
        now = self.settings()
        results = {}
        for name, value, put in (
            ("persistence_mode", now.persistence, self.set_persistence),
            ("compute_mode", now.compute_mode, self.set_compute_mode),
        ):
            before = facts[name]
            if isinstance(before, int) and before != value:
                results[name] = put(before)
        return results

    def close(self) -> None:
        """Let NVML go."""
        self._library.nvmlShutdown()

    def _ask(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            message = f"{name}: NVML error {code}"
            raise ProbeError(message)


class SimulatedMonitor:
    """What the daemon tells of its first card."""

    def __init__(self) -> None:
        devices = importlib.import_module("sublet_agent.devices.simulated")
        self._device = devices.SimulatedDevice(os.environ["SUBLET_SIMULATED_SOCKET"])
        self._gpus = self._device.gpus()

    def free_mib(self) -> int:
        return int(self._device.memory(self._gpus[0].gpu_id).free_mib)

    def process_mib(self, pid: int) -> int | str | None:
        listed = self._device.processes(self._gpus[0].gpu_id)
        return next((int(each.memory_mib) for each in listed if each.pid == pid), None)

    def facts(self) -> dict[str, Any]:
        told = {"driver": "SIMULATED", "card": self._gpus[0].type, "cards": len(self._gpus)}
        return {**told, "persistence_mode": "none", "compute_mode": "none"}

    def put_back(self, facts: dict[str, Any]) -> dict[str, int]:
        del facts  # simulated cards have no settings
        return {}


def open_driver(kind: str) -> Driver:
    """Return the driver of this kind: ``cuda`` or ``simulated``."""
    return CudaDriver() if kind == "cuda" else SimulatedDriver()


def open_monitor(kind: str) -> Monitor:
    """Return what tells about the first card."""
    return NvmlMonitor() if kind == "cuda" else SimulatedMonitor()
