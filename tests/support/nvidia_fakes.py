"""Hand-written stand-ins for the foreign module ``pynvml`` and for the driver helper.

The first answers in the words of nvidia-ml-py 13.615, whose sources were read for it.
"""

# The names are NVML's and the driver's own.
# ruff: noqa: N802, N815

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
