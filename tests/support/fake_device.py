"""A GPU and its processes in memory, for tests of the agent's steps one by one."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from signal import Signals

from sublet_agent.devices.interface import (
    ComputeMode,
    DeviceError,
    Gpu,
    GpuMemory,
    GpuProcess,
    GpuSetup,
    HealthEvent,
    LeftOutGpu,
    NoSuchProcessError,
    OutOfGpuMemoryError,
    PauseTimeoutError,
    ProcessState,
    StandsStillError,
)
from sublet_agent.devices.memory_limits import MemoryLimits, NoMemoryLimits
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.obstacles import Unsuspendable
from sublet_quota.reasons.staying import Stays

GPU = GpuId("FAKE-0")
BOOT = "boot-1"


@dataclass
class FakeProcess:
    """A process with GPU memory."""

    pid: int
    memory_mib: int
    state: ProcessState = ProcessState.RUNNING
    unsuspendable: Unsuspendable | None = None
    endless: bool = False
    busy_ms: int = 0
    utilisation_percent: int | None = 0
    poisoned: bool = False
    stopped: bool = False
    """Whether it could not answer, as by Ctrl-Z."""
    told: bool = True
    """Whether the card tells how much it holds."""
    gpu_id: GpuId = GPU
    """The card that it is on, or was when it was suspended."""
    stays: Stays | None = None
    """Why it cannot be resumed on another card."""


@dataclass
class FakeDevice:
    """One card, or two; every call that changes a process is kept in ``calls``."""

    total_mib: int = 80 * 1024
    processes_here: dict[int, FakeProcess] = field(default_factory=dict)
    calls: list[tuple[str, int]] = field(default_factory=list)
    mapped: list[tuple[int, dict[GpuId, GpuId] | None]] = field(default_factory=list)
    """The mappings of all resumes."""
    failures: dict[tuple[str, int], list[DeviceError]] = field(default_factory=dict)
    before: dict[tuple[str, int], Callable[[], None]] = field(default_factory=dict)
    before_listing: list[Callable[[], None]] = field(default_factory=list)
    simulated: bool = True
    memory_limits: MemoryLimits = field(default_factory=NoMemoryLimits)
    cards: tuple[GpuId, ...] = (GPU,)
    health_events: list[HealthEvent] = field(default_factory=list)
    leased: set[int] = field(default_factory=set)
    """Who was paused last for a while only."""
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, pid: int, memory_mib: int, **fields: object) -> FakeProcess:
        process = FakeProcess(pid, memory_mib, **fields)  # type: ignore[arg-type]
        self.processes_here[pid] = process
        return process

    def fail(self, call: str, pid: int, *errors: DeviceError) -> None:
        """Let the next calls of this kind on this process fail, without any effect."""
        self.failures.setdefault((call, pid), []).extend(errors)

    def counted(self) -> Counter[str]:
        return Counter(name for name, _ in self.calls)

    def gpus(self) -> Sequence[Gpu]:
        return [
            Gpu(gpu_id, index, "Fake GPU", self.total_mib, simulated=True)
            for index, gpu_id in enumerate(self.cards)
        ]

    def left_out(self) -> Sequence[LeftOutGpu]:
        return []

    def setup(self, _gpu_id: GpuId) -> GpuSetup:
        return GpuSetup(
            driver="580.159.04",
            persistent=True,
            initialised=False,
            compute_mode=ComputeMode.DEFAULT,
            mps=None,
        )

    def client_environment(self, gpu_id: GpuId) -> dict[str, str]:
        return {"FAKE_GPU": gpu_id}

    def memory(self, gpu_id: GpuId) -> GpuMemory:
        used = sum(p.memory_mib for p in self._listed(gpu_id))
        return GpuMemory(self.total_mib, used, self.total_mib - used)

    def processes(self, gpu_id: GpuId) -> Sequence[GpuProcess]:
        while self.before_listing:
            self.before_listing.pop(0)()
        return [
            GpuProcess(p.pid, p.memory_mib if p.told else None, p.utilisation_percent, p.busy_ms)
            for p in self._listed(gpu_id)
        ]

    def utilisation_percent(self, _gpu_id: GpuId) -> int:
        return 0

    def energy_mj(self, _gpu_id: GpuId) -> int | None:
        return None

    def temperature_c(self, _gpu_id: GpuId) -> int | None:
        return None

    def health(self) -> Sequence[HealthEvent]:
        events, self.health_events = self.health_events, []
        return events

    def state(self, pid: int) -> ProcessState | None:
        process = self.processes_here.get(pid)
        _expect_an_answer(process)
        return None if process is None else process.state

    def away_mib(self, pid: int) -> int | None:
        process = self.processes_here.get(pid)
        away = process is not None and process.state is ProcessState.SUSPENDED
        return process.memory_mib if process is not None and away else 0

    def why_not_suspendable(self, pid: int, _whose: str | None = None) -> Unsuspendable | None:
        process = self.processes_here.get(pid)
        return None if process is None else process.unsuspendable

    def why_not_movable(self, pid: int, _to: GpuId, _whose: str | None = None) -> Stays | None:
        process = self.processes_here.get(pid)
        return None if process is None else process.stays

    def pause(self, pid: int, _timeout_ms: int, lease_s: float | None = None) -> None:
        if lease_s is None:
            self.leased.discard(pid)
        else:
            self.leased.add(pid)
        process = self._called("pause", pid, ProcessState.RUNNING)
        if process.endless:
            message = "its work does not drain"
            raise PauseTimeoutError(message)
        process.state = ProcessState.PAUSED

    def suspend(self, pid: int) -> None:
        self._called("suspend", pid, ProcessState.PAUSED).state = ProcessState.SUSPENDED

    def resume(self, pid: int, gpu_mapping: dict[GpuId, GpuId] | None = None) -> None:
        process = self._called("resume", pid, ProcessState.SUSPENDED)
        goes_to = (gpu_mapping or {}).get(process.gpu_id, process.gpu_id)
        self.mapped.append((pid, gpu_mapping))
        untold = goes_to != process.gpu_id and process.stays is not None
        process.poisoned |= untold or process.memory_mib > self.memory(goes_to).free_mib
        if process.poisoned:
            process.poisoned = True
            message = "no room: the process is lost"
            raise OutOfGpuMemoryError(message)
        process.gpu_id, process.state = goes_to, ProcessState.PAUSED

    def unpause(self, pid: int) -> None:
        self._called("unpause", pid, ProcessState.PAUSED).state = ProcessState.RUNNING

    def _listed(self, gpu_id: GpuId) -> list[FakeProcess]:
        here = (p for p in self.processes_here.values() if p.gpu_id == gpu_id)
        return [p for p in here if p.state is not ProcessState.SUSPENDED]

    def _called(self, name: str, pid: int, needs: ProcessState) -> FakeProcess:
        hook = self.before.pop((name, pid), None)
        if hook is not None:
            hook()
        with self._lock:
            _expect_an_answer(self.processes_here.get(pid))
            self.calls.append((name, pid))
            failures = self.failures.get((name, pid))
            if failures:
                raise failures.pop(0)
            process = self.processes_here.get(pid)
            if process is None:
                message = f"no process {pid}"
                raise NoSuchProcessError(message)
            if process.state is not needs:
                message = f"process {pid} is {process.state}, and {name} needs {needs}"
                raise DeviceError(message)
            return process


def _expect_an_answer(process: FakeProcess | None) -> None:
    if process is not None and process.stopped:
        message = f"process {process.pid} is stopped: let it go on, or end it"
        raise StandsStillError(message)


@dataclass
class FakeTable:
    """Processes that live as long as the test says."""

    alive: dict[int, ProcessIdentity] = field(default_factory=dict)
    uids: dict[int, int] = field(default_factory=dict)
    parents: dict[int, int] = field(default_factory=dict)
    environments: dict[int, dict[str, str]] = field(default_factory=dict)
    cpu: dict[int, float] = field(default_factory=dict)
    signals: list[tuple[int, Signals]] = field(default_factory=list)
    stopped: set[int] = field(default_factory=set)
    after_signal: Callable[[int, Signals], None] = lambda _pid, _number: None
    boot_id: str = BOOT

    def add(self, pid: int, *, uid: int = 1000, start: int = 0, parent: int = 1) -> ProcessIdentity:
        identity = ProcessIdentity(BOOT, pid, start or pid * 10)
        self.alive[pid] = identity
        self.uids[pid] = uid
        self.parents[pid] = parent
        return identity

    def kill(self, pid: int) -> None:
        self.alive.pop(pid, None)

    def identify(self, pid: int) -> ProcessIdentity | None:
        return self.alive.get(pid)

    def is_alive(self, identity: ProcessIdentity) -> bool:
        return self.alive.get(identity.pid) == identity

    def started_at(self, identity: ProcessIdentity) -> float:
        return float(identity.start_ticks)

    def uid(self, pid: int) -> int | None:
        return self.uids.get(pid) if pid in self.alive else None

    def parent(self, pid: int) -> int | None:
        return self.parents.get(pid)

    def environment(self, pid: int, name: str) -> str | None:
        return self.environments.get(pid, {}).get(name)

    def cpu_s(self, pid: int) -> float | None:
        return self.cpu.get(pid, 0.0) if pid in self.alive else None

    def pids(self) -> list[int]:
        return list(self.alive)

    def is_stopped(self, identity: ProcessIdentity) -> bool:
        return self.is_alive(identity) and identity.pid in self.stopped

    def send_signal(self, identity: ProcessIdentity, number: Signals) -> bool:
        if not self.is_alive(identity):
            return False
        self.signals.append((identity.pid, number))
        self.after_signal(identity.pid, number)
        return True
