"""Builders for tests of the agent's parts over the fake device."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.moves.host_memory import HostMemory
from sublet_agent.moves.pausing import PausedProcesses
from sublet_agent.moves.plan import MovePlan, MoveSettings, MoveTools
from sublet_agent.state_files.journal import Journal, Target
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.tenant_socket import KernelActivity

from tests.support.fake_device import GPU, FakeDevice, FakeTable

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@dataclass
class FakeClock:
    """Time that passes when the test says so."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - START).total_seconds()

    def ahead(self) -> timedelta:
        return timedelta(0)

    def passes(self, seconds: float) -> datetime:
        self.at += timedelta(seconds=seconds)
        return self.at


def level(kernel: str, sequence: int, *cells: str | None) -> KernelActivity:
    """What a kernel says while these cells run; ``None``: none does."""
    running = [cell for cell in cells if cell is not None]
    return KernelActivity(
        kernel=kernel,
        sequence=sequence,
        busy=bool(running),
        cell=running[-1] if running else None,
        cells=tuple(running) if len(running) > 1 else (),
    )


@dataclass
class Bench:
    """Everything a move needs, with slices whose processes the test adds."""

    folder: Path
    settings: MoveSettings = field(default_factory=MoveSettings)
    host_mib: int = 10**6
    own_limit_mib: int | None = None
    device: FakeDevice = field(default_factory=FakeDevice)
    table: FakeTable = field(default_factory=FakeTable)
    clock: FakeClock = field(default_factory=FakeClock)
    owners: dict[int, Target] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pool = ThreadPoolExecutor(8)
        self.journal = Journal(self.folder / "journal.jsonl")
        self.attribution = Attribution(self.table)
        self.paused_processes = PausedProcesses(self.device, self.journal, self.table, self.pool)
        self.host = HostMemory(self.host_mib, lambda: None)
        self.tools = MoveTools(
            device=self.device,
            journal=self.journal,
            paused_processes=self.paused_processes,
            table=self.table,
            host=self.host,
            whose=self.whose,
            own_limit_mib=lambda _: self.own_limit_mib,
            monotonic=self.clock.monotonic,
            settings=self.settings,
        )

    def close(self) -> None:
        self.journal.close()
        self.pool.shutdown()

    def whose(self, pid: int, _gpu_id: GpuId) -> Target | None:
        return self.owners.get(pid)

    def process(
        self, slice_id: str, pid: int, memory_mib: int, holder: Holder = Holder.NOTEBOOK, **fields
    ) -> Target:
        """Add a process of a slice; returns it as the device's callers name it."""
        identity = self.table.add(pid)
        self.device.add(pid, memory_mib, **fields)
        target = Target(identity, GPU, SliceId(slice_id), holder, memory_mib)
        self.owners[pid] = target
        return target

    def end(self, pid: int) -> None:
        """The process ends, and its memory is free."""
        self.table.kill(pid)
        self.device.processes_here.pop(pid, None)

    def plan(self, *targets: Target) -> MovePlan:
        return MovePlan(targets[0].slice_id, GPU, targets)

    def states(self) -> dict[int, str]:
        return {p.pid: p.state.value for p in self.device.processes_here.values()}
