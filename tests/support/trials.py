"""Trials of simulated cards, with neighbours that may be paused."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sublet_agent.clock import SystemClock
from sublet_agent.fitness.trial import Trial, TrialLimits, try_card
from sublet_agent.moves.host_memory import HostMemory
from sublet_agent.moves.pausing import PausedProcesses
from sublet_agent.moves.plan import MoveSettings, MoveTools
from sublet_agent.processes.process_table import LinuxProcessTable, ProcessIdentity
from sublet_agent.state_files.journal import Journal, Target
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.fitness import UnfitReason
from sublet_quota.residency.snapshot import Holder

from tests.support.simulated_gpus import SimulatedGpus
from tests.support.tenants import Tenant

LIMITS = TrialLimits(start_s=60, move_s=30)


@dataclass
class TrialBench:
    """Everything that a trial needs, on the first card of a daemon."""

    gpus: SimulatedGpus
    folder: Path
    canaries: list[ProcessIdentity] = field(default_factory=list)
    owners: dict[int, Target] = field(default_factory=dict)
    when_started: Callable[[int], object] = lambda _: None
    """Told the number of each canary, before it uses the card."""

    def __post_init__(self) -> None:
        self.table = LinuxProcessTable()
        self.pool = ThreadPoolExecutor(4)
        self.clock = SystemClock()
        self.journal = Journal(self.folder / "journal.jsonl")
        device = self.gpus.device
        self.tools = MoveTools(
            device=device,
            journal=self.journal,
            paused_processes=PausedProcesses(device, self.journal, self.table, self.pool),
            table=self.table,
            host=HostMemory(10**6, lambda: None),
            whose=lambda pid, _gpu_id: self.owners.get(pid),
            own_limit_mib=lambda _: None,
            monotonic=time.monotonic,
            settings=MoveSettings(),
        )

    @property
    def gpu_id(self) -> GpuId:
        return self.gpus.device.gpus()[0].gpu_id

    def neighbour(self) -> Tenant:
        """Start a process of a slice on the card."""
        tenant = self.gpus.tenant(SUBLET_GPU_ID=self.gpu_id)
        identity = self.table.identify(tenant.pid)
        assert identity is not None
        self.owners[tenant.pid] = Target(identity, self.gpu_id, SliceId("n"), Holder.NOTEBOOK)
        return tenant

    def try_card(self, limits: TrialLimits = LIMITS) -> UnfitReason | None:
        return try_card(self.trial(limits))

    def trial(self, limits: TrialLimits = LIMITS) -> Trial:
        return Trial(self.tools, self.gpu_id, limits, self._started)

    def _started(self, canary: ProcessIdentity) -> None:
        self.canaries.append(canary)
        self.when_started(len(self.canaries))

    def close(self) -> None:
        self.journal.close()
        self.pool.shutdown()
