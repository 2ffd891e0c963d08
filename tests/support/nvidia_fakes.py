"""Hand-written stand-ins for the foreign modules ``pynvml`` and ``cuda.core``, errors included.

They answer in the words of nvidia-ml-py 13.615 and cuda-core 1.2, whose sources were read for it.
"""

# The names are NVML's and the driver's own.
# ruff: noqa: N802, N815

from dataclasses import dataclass, field
from enum import IntEnum
from types import ModuleType, SimpleNamespace
from typing import Any

MIB = 1024 * 1024


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"NVML error {value}")
        self.value = value


@dataclass
class FakeCard:
    """One card as NVML tells it."""

    uuid: str = "GPU-00000000-0000-0000-0000-000000000001"
    total_mib: int = 81559
    free_mib: int = 80000
    mig: bool = False
    lost: bool = False
    compute: dict[int, int | None] = field(default_factory=dict)
    mps: dict[int, int | None] = field(default_factory=dict)
    samples: list[Any] = field(default_factory=list)
    energy_mj: int | None = 1000


class FakeNvml(ModuleType):
    """The module ``pynvml``."""

    NVML_ERROR_NOT_SUPPORTED = 3
    NVML_ERROR_NOT_FOUND = 6
    NVML_ERROR_TIMEOUT = 10
    NVML_ERROR_FUNCTION_NOT_FOUND = 13
    NVML_ERROR_GPU_IS_LOST = 15
    NVML_ERROR_RESET_REQUIRED = 16
    NVML_DEVICE_MIG_ENABLE = 1
    nvmlEventTypeDoubleBitEccError = 2
    nvmlEventTypeXidCriticalError = 8
    NVMLError = NVMLError

    def __init__(self, cards: list[FakeCard]) -> None:
        super().__init__("pynvml")
        self.cards = cards
        self.events: list[Any] = []

    def nvmlInit(self) -> None:
        pass

    def nvmlShutdown(self) -> None:
        pass

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeCard:
        return self.cards[index]

    def nvmlDeviceGetUUID(self, card: FakeCard) -> str:
        return card.uuid

    def nvmlDeviceGetName(self, _: FakeCard) -> bytes:
        return b"NVIDIA H100 80GB HBM3"

    def nvmlDeviceGetMigMode(self, card: FakeCard) -> list[int]:
        return [int(card.mig), int(card.mig)]

    def nvmlDeviceGetMemoryInfo(self, card: FakeCard) -> SimpleNamespace:
        if card.lost:
            raise NVMLError(self.NVML_ERROR_GPU_IS_LOST)
        used = (card.total_mib - card.free_mib) * MIB
        return SimpleNamespace(total=card.total_mib * MIB, free=card.free_mib * MIB, used=used)

    def nvmlDeviceGetComputeRunningProcesses(self, card: FakeCard) -> list[SimpleNamespace]:
        return _processes(card.compute)

    def nvmlDeviceGetMPSComputeRunningProcesses(self, card: FakeCard) -> list[SimpleNamespace]:
        return _processes(card.mps)

    def nvmlDeviceGetGraphicsRunningProcesses(self, _: FakeCard) -> list[SimpleNamespace]:
        raise NVMLError(self.NVML_ERROR_NOT_SUPPORTED)

    def nvmlDeviceGetProcessUtilization(self, card: FakeCard, since: int) -> list[Any]:
        del since
        if not card.samples:
            raise NVMLError(self.NVML_ERROR_NOT_FOUND)
        return card.samples

    def nvmlDeviceGetUtilizationRates(self, _: FakeCard) -> SimpleNamespace:
        return SimpleNamespace(gpu=37, memory=5)

    def nvmlDeviceGetTotalEnergyConsumption(self, card: FakeCard) -> int:
        if card.energy_mj is None:
            raise NVMLError(self.NVML_ERROR_NOT_SUPPORTED)
        return card.energy_mj

    def nvmlEventSetCreate(self) -> object:
        return object()

    def nvmlEventSetFree(self, events: object) -> None:
        pass

    def nvmlDeviceGetSupportedEventTypes(self, _: FakeCard) -> int:
        return 0xFF

    def nvmlDeviceRegisterEvents(self, card: FakeCard, kinds: int, events: object) -> None:
        pass

    def nvmlEventSetWait(self, events: object, timeout_ms: int) -> SimpleNamespace:
        del events, timeout_ms
        if not self.events:
            raise NVMLError(self.NVML_ERROR_TIMEOUT)
        return self.events.pop(0)

    def event(self, card: FakeCard, kind: int, data: int) -> None:
        """Let something happen to a card."""
        self.events.append(SimpleNamespace(device=card, eventType=kind, eventData=data))


def _processes(held: dict[int, int | None]) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(pid=pid, usedGpuMemory=None if mib is None else mib * MIB)
        for pid, mib in held.items()
    ]


class CUresult(IntEnum):
    """The names that the driver gives its errors."""

    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_NOT_INITIALIZED = 3
    CUDA_ERROR_OPERATING_SYSTEM = 304
    CUDA_ERROR_ILLEGAL_STATE = 401
    CUDA_ERROR_NOT_READY = 600
    CUDA_ERROR_NOT_SUPPORTED = 801


class CUDAError(Exception):
    """What ``cuda.core`` raises: ``CUDA_ERROR_NAME: explanation``."""


@dataclass
class FakeDriver:
    """The driver's states of processes, and what it answers next."""

    version: int = 13000
    states: dict[int, str | int] = field(default_factory=dict)
    answers: dict[str, list[CUresult]] = field(default_factory=dict)
    """Errors to come, by the method's name."""
    after: dict[str, str] = field(default_factory=dict)
    """The state that a failing call leaves, by the method's name."""
    calls: list[tuple[str, int, object]] = field(default_factory=list)

    def modules(self) -> dict[str, ModuleType]:
        """Return the modules as ``sys.modules`` would have them."""
        bindings = ModuleType("cuda.bindings.driver")
        vars(bindings).update(
            CUresult=CUresult, cuDriverGetVersion=lambda: (CUresult.CUDA_SUCCESS, self.version)
        )
        core = ModuleType("cuda.core")
        vars(core)["checkpoint"] = SimpleNamespace(Process=lambda pid: FakeProcess(self, pid))
        return {"cuda.bindings.driver": bindings, "cuda.core": core}


@dataclass
class FakeProcess:
    """``cuda.core.checkpoint.Process``."""

    driver: FakeDriver
    pid: int

    @property
    def state(self) -> str:
        self._answer("state", None)
        state = self.driver.states[self.pid]
        if isinstance(state, int):
            self.driver.states[self.pid] = "checkpointed"
            message = f"Unknown CUDA checkpoint process state: {state}"
            raise RuntimeError(message)  # noqa: TRY004 - as cuda.core does
        return state

    def lock(self, timeout_ms: int = 0) -> None:
        self._move("lock", timeout_ms, "locked")

    def checkpoint(self) -> None:
        self._move("checkpoint", None, "checkpointed")

    def restore(self, gpu_mapping: dict[str, str] | None = None) -> None:
        self._move("restore", gpu_mapping, "locked")

    def unlock(self) -> None:
        self._move("unlock", None, "running")

    def _move(self, name: str, argument: object, state: str) -> None:
        self._answer(name, argument)
        self.driver.states[self.pid] = state

    def _answer(self, name: str, argument: object) -> None:
        self.driver.calls.append((name, self.pid, argument))
        if self.pid not in self.driver.states:
            message = "CUDA_ERROR_OPERATING_SYSTEM: An OS call failed."
            raise CUDAError(message)
        answers = self.driver.answers.get(name, [])
        if not answers:
            return
        code = answers.pop(0)
        if name in self.driver.after:
            self.driver.states[self.pid] = self.driver.after[name]
        if code is CUresult.CUDA_ERROR_NOT_SUPPORTED:
            message = (
                "CUDA checkpointing is not supported by the installed NVIDIA driver. "
                "Upgrade to a driver version with CUDA checkpoint API support."
            )
            raise RuntimeError(message)
        message = f"{code.name}: explained"
        raise CUDAError(message)
