"""Hand-written stand-ins for the foreign module ``pynvml`` and for the driver helper.

The first answers in the words of nvidia-ml-py 13.615, whose sources were read for it.
"""

# The names are NVML's and the driver's own.
# ruff: noqa: N802, N815

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from types import ModuleType, SimpleNamespace
from typing import Any

from sublet_agent.driver_helper.client import NoHelperError
from sublet_agent.driver_helper.messages import DriverAnswer, DriverRequest, Operation, Outcome

MIB = 1024 * 1024


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"NVML error {value}")
        self.value = value


class NVMLLibraryMismatchError(Exception):
    """A function that the driver's library lacks: no ``NVMLError``, as in nvidia-ml-py."""


class CardHandle(ctypes.Structure):
    """What NVML's handles point to. Two handles of one card are two objects, and not equal."""


_Handle = ctypes.POINTER(CardHandle)


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
    temperature_c: int = 41
    persistent: bool = True
    compute_mode: int = 0
    events: list[Any] = field(default_factory=list)
    limits: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The soft and hard limits of control groups, in bytes, by the groups' folders."""
    used_of_limits: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    """The error with which a call answers, by the end of the call's name, for ever."""


class SetMemoryLimits(ctypes.Structure):
    """As in nvidia-ml-py 13.615."""

    _fields_ = (
        ("nameSpace", ctypes.c_char_p),
        ("softLimit", ctypes.c_ulonglong),
        ("hardLimit", ctypes.c_ulonglong),
    )


class GetMemoryLimits(ctypes.Structure):
    """As in nvidia-ml-py 13.615."""

    _fields_ = (*SetMemoryLimits._fields_, ("currentUsed", ctypes.c_ulonglong))


class FakeNvml(ModuleType):
    """The module ``pynvml``."""

    NVML_DEVICE_MEMORY_LIMIT_MAX = 2**64 - 1
    c_nvmlSetMemoryLimits_v1_t = SetMemoryLimits
    c_nvmlGetMemoryLimits_v1_t = GetMemoryLimits
    NVML_TEMPERATURE_GPU = 0
    NVML_ERROR_NOT_SUPPORTED = 3
    NVML_ERROR_NO_PERMISSION = 4
    NVML_ERROR_NOT_FOUND = 6
    NVML_ERROR_INSUFFICIENT_SIZE = 7
    NVML_ERROR_TIMEOUT = 10
    NVML_ERROR_FUNCTION_NOT_FOUND = 13
    NVML_ERROR_GPU_IS_LOST = 15
    NVML_ERROR_RESET_REQUIRED = 16
    NVML_ERROR_UNKNOWN = 999
    NVML_DEVICE_MIG_ENABLE = 1
    NVML_COMPUTEMODE_DEFAULT = 0
    NVML_COMPUTEMODE_PROHIBITED = 2
    NVML_COMPUTEMODE_EXCLUSIVE_PROCESS = 3
    nvmlEventTypeDoubleBitEccError = 2
    nvmlEventTypeXidCriticalError = 8
    NVMLError = NVMLError
    NVMLLibraryMismatchError = NVMLLibraryMismatchError

    def __init__(self, cards: list[FakeCard], driver: str = "580.159.04") -> None:
        super().__init__("pynvml")
        self.cards = cards
        self.driver = driver
        self.event_error = self.NVML_ERROR_TIMEOUT

    def nvmlInit(self) -> None:
        pass

    def nvmlShutdown(self) -> None:
        pass

    def nvmlSystemGetDriverVersion(self) -> str:
        return self.driver

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:
        return ctypes.cast(ctypes.c_void_p(_FIRST_PLACE + index), _Handle)

    def nvmlDeviceGetUUID(self, handle: object) -> str:
        return self._card(handle, "UUID").uuid

    def nvmlDeviceGetName(self, handle: object) -> bytes:
        self._card(handle, "Name")
        return b"NVIDIA H100 80GB HBM3"

    def nvmlDeviceGetMigMode(self, handle: object) -> list[int]:
        mig = self._card(handle, "MigMode").mig
        return [int(mig), int(mig)]

    def nvmlDeviceGetPersistenceMode(self, handle: object) -> int:
        return int(self._card(handle, "PersistenceMode").persistent)

    def nvmlDeviceGetComputeMode(self, handle: object) -> int:
        return self._card(handle, "ComputeMode").compute_mode

    def nvmlDeviceGetMemoryInfo(self, handle: object) -> SimpleNamespace:
        card = self._card(handle, "MemoryInfo")
        used = (card.total_mib - card.free_mib) * MIB
        return SimpleNamespace(total=card.total_mib * MIB, free=card.free_mib * MIB, used=used)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: object) -> list[SimpleNamespace]:
        return _processes(_or_mismatch(lambda: self._card(handle, "ComputeRunning")).compute)

    def nvmlDeviceGetMPSComputeRunningProcesses(self, handle: object) -> list[SimpleNamespace]:
        return _processes(self._card(handle, "MPSRunning").mps)

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: object) -> list[SimpleNamespace]:
        _or_mismatch(lambda: self._card(handle, "GraphicsRunning"))
        raise NVMLError(self.NVML_ERROR_NOT_SUPPORTED)

    def nvmlDeviceGetProcessUtilization(self, handle: object, since: int) -> list[Any]:
        del since
        samples = self._card(handle, "ProcessUtilization").samples
        if not samples:
            raise NVMLError(self.NVML_ERROR_NOT_FOUND)
        return samples

    def nvmlDeviceGetUtilizationRates(self, handle: object) -> SimpleNamespace:
        _or_mismatch(lambda: self._card(handle, "UtilizationRates"))
        return SimpleNamespace(gpu=37, memory=5)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: object) -> int:
        energy_mj = self._card(handle, "Energy").energy_mj
        if energy_mj is None:
            raise NVMLError(self.NVML_ERROR_NOT_SUPPORTED)
        return energy_mj

    def nvmlDeviceSetMemoryLimits_v1(self, handle: object, limits: SetMemoryLimits) -> None:
        card = self._card(handle, "SetMemoryLimits")
        card.limits[limits.nameSpace.decode()] = (limits.softLimit, limits.hardLimit)

    def nvmlDeviceGetMemoryLimits_v1(self, handle: object, limits: GetMemoryLimits) -> None:
        card = self._card(handle, "GetMemoryLimits")
        none = (0, self.NVML_DEVICE_MEMORY_LIMIT_MAX)
        limits.softLimit, limits.hardLimit = card.limits.get(limits.nameSpace.decode(), none)
        limits.currentUsed = card.used_of_limits

    def nvmlDeviceGetTemperature(self, handle: object, sensor: int) -> int:
        assert sensor == self.NVML_TEMPERATURE_GPU
        return self._card(handle, "Temperature").temperature_c

    def nvmlEventSetCreate(self) -> list[FakeCard]:
        return []

    def nvmlEventSetFree(self, events: object) -> None:
        pass

    def nvmlDeviceGetSupportedEventTypes(self, handle: object) -> int:
        self._card(handle, "EventTypes")
        return 0xFF

    def nvmlDeviceRegisterEvents(self, handle: object, kinds: int, events: list[FakeCard]) -> None:
        del kinds
        events.append(self._card(handle, "RegisterEvents"))

    def nvmlEventSetWait(self, events: list[FakeCard], timeout_ms: int) -> SimpleNamespace:
        del timeout_ms
        for card in events:
            if card.events:
                return card.events.pop(0)
        raise NVMLError(
            self.NVML_ERROR_GPU_IS_LOST if any(c.lost for c in events) else self.event_error
        )

    def event(self, card: FakeCard, kind: int, data: int) -> None:
        """Let something happen to a card."""
        card.events.append(SimpleNamespace(eventType=kind, eventData=data))

    def _card(self, handle: object, call: str) -> FakeCard:
        """Return the card of a handle; a lost one tells nothing, also not who it is."""
        place = ctypes.cast(handle, ctypes.c_void_p).value  # type: ignore[arg-type]
        card = self.cards[(place or 0) - _FIRST_PLACE]
        if card.lost:
            raise NVMLError(self.NVML_ERROR_GPU_IS_LOST)
        if call in card.errors:
            raise NVMLError(card.errors[call])
        return card


_FIRST_PLACE = 0x1000


def _or_mismatch(ask: Callable[[], FakeCard]) -> FakeCard:
    """Raise what nvidia-ml-py's unversioned functions raise where the driver lacks them."""
    try:
        return ask()
    except NVMLError as error:
        if error.value == FakeNvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            message = "Unversioned function called and the pyNVML version does not match"
            raise NVMLLibraryMismatchError(message) from error
        raise


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
    CUDA_ERROR_DEVICE_UNAVAILABLE = 46
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_ECC_UNCORRECTABLE = 214
    CUDA_ERROR_OPERATING_SYSTEM = 304
    CUDA_ERROR_ILLEGAL_STATE = 401
    CUDA_ERROR_NOT_READY = 600
    CUDA_ERROR_NOT_SUPPORTED = 801


_STATES = {"running": 0, "locked": 1, "checkpointed": 2, "failed": 3}
_LEAVES = {
    Operation.LOCK: "locked",
    Operation.CHECKPOINT: "checkpointed",
    Operation.RESTORE: "locked",
    Operation.UNLOCK: "running",
}


@dataclass
class FakeDriver:
    """A driver helper whose driver knows these processes, and what it answers next."""

    states: dict[int, str | int] = field(default_factory=dict)
    answers: dict[str, list[CUresult]] = field(default_factory=dict)
    """Errors to come, by the operation's name."""
    after: dict[str, str] = field(default_factory=dict)
    """The state that a failing call leaves, by the operation's name."""
    calls: list[tuple[str, int, object]] = field(default_factory=list)
    problem: str = ""
    """Why the driver cannot be used."""

    def first_word(self) -> DriverAnswer:
        if self.problem:
            raise NoHelperError(self.problem)
        return DriverAnswer(outcome=Outcome.DONE)

    def ask(self, request: DriverRequest) -> DriverAnswer:
        argument = request.mapping or request.timeout_ms or None
        self.calls.append((request.operation, request.pid, argument))
        code = self._code(request)
        if code is not CUresult.CUDA_SUCCESS:
            return DriverAnswer(outcome=Outcome.FAILED, code=code, detail=code.name)
        if request.operation is Operation.STATE:
            return DriverAnswer(outcome=Outcome.DONE, state=self._state(request.pid))
        self.states[request.pid] = _LEAVES[request.operation]
        return DriverAnswer(outcome=Outcome.DONE)

    def _code(self, request: DriverRequest) -> CUresult:
        if request.pid not in self.states:
            return CUresult.CUDA_ERROR_OPERATING_SYSTEM
        answers = self.answers.get(request.operation, [])
        if not answers:
            return CUresult.CUDA_SUCCESS
        if request.operation in self.after:
            self.states[request.pid] = self.after[request.operation]
        return answers.pop(0)

    def _state(self, pid: int) -> int:
        state = self.states[pid]
        if isinstance(state, str):
            return _STATES[state]
        self.states[pid] = "checkpointed"
        return state
