"""One simulated card: its memory, who computes on it, what it draws, whether it still answers."""

import math
from typing import Final

from sublet_quota.ids import GpuId

from sublet_agent.simulated.process import DriverState, SimulatedProcess
from sublet_agent.simulated.speeds import EPSILON_S, Speeds
from sublet_agent.simulated.store import CardStore
from sublet_agent.simulated.usage import UsageMeter

LEAST_MIB: Final = 1e-6
"""Less than this still to move is nothing."""


class Card:
    """The physics of one card between two events: everything goes on at a constant rate."""

    def __init__(self, gpu_id: GpuId, index: int, kind: str, store: CardStore) -> None:
        self.gpu_id: Final = gpu_id
        self.index: Final = index
        self.type: Final = kind
        self.store: Final = store
        self.processes: dict[int, SimulatedProcess] = {}
        """By pid, suspended ones too."""
        self.usage: Final = UsageMeter()
        self.energy_j = 0.0
        self.gone: str | None = None

    @property
    def used_mib(self) -> int:
        """Memory in use."""
        return self.store.total_mib - self.store.free_mib

    def next_event_s(self, now_s: float, speeds: Speeds) -> float:
        """Return when the first of the things under way here is due."""
        due = math.inf
        computing = [left for p in self.processes.values() if (left := p.computing_s) is not None]
        if computing:
            due = now_s + min(computing) * len(computing)
        outward, back = self._rates(speeds)
        for process in self.processes.values():
            operation = process.operation
            if operation is None or not operation.begun:
                continue
            if operation.not_before_s > now_s:
                due = min(due, operation.not_before_s)
            due = min(due, operation.deadline_s)
            if operation.moves_out:
                left = operation.left_mib
                if process.host_limit_mib is not None:
                    left = min(left, max(0.0, process.host_limit_mib - operation.moved_mib))
                due = min(due, now_s + left / outward)
            elif operation.moves_back:
                left = operation.left_mib
                if operation.unclaimed:
                    left = max(0.0, operation.claimed_mib - operation.moved_mib)
                due = min(due, now_s + left / back)
        return due

    def progress(self, start_s: float, end_s: float, speeds: Speeds) -> None:
        """Let time pass. No event lies within."""
        seconds = end_s - start_s
        computing = [p for p in self.processes.values() if p.computing_s is not None]
        self.energy_j += seconds * self._power_w(speeds, computing=bool(computing))
        for process in computing:
            process.work.progress(seconds / len(computing))
            process.usage.add(start_s, end_s, 1 / len(computing))
        if computing:
            self.usage.add(start_s, end_s, 1.0)
        outward, back = self._rates(speeds)
        for process in self.processes.values():
            operation = process.operation
            if operation is not None and (operation.moves_out or operation.moves_back):
                moved = seconds * (outward if operation.moves_out else back)
                operation.moved_mib = min(operation.total_mib, operation.moved_mib + moved)
                if operation.left_mib < LEAST_MIB:
                    operation.moved_mib = operation.total_mib

    def _rates(self, speeds: Speeds) -> tuple[float, float]:
        """Return the rates of each move out and each move back, in MiB a second."""
        operations = [p.operation for p in self.processes.values() if p.operation is not None]
        outward = sum(1 for operation in operations if operation.moves_out)
        back = sum(1 for operation in operations if operation.moves_back)
        return (
            min(speeds.out_mib_s, speeds.out_total_mib_s / max(1, outward)),
            min(speeds.back_mib_s, speeds.back_total_mib_s / max(1, back)),
        )

    def _power_w(self, speeds: Speeds, *, computing: bool) -> float:
        if self.gone is not None:
            return 0.0
        if computing:
            return speeds.busy_w
        ready = any(
            process.has_computed and process.state is not DriverState.CHECKPOINTED
            for process in self.processes.values()
        )
        return speeds.ready_w if ready else speeds.quiet_w

    def due(self, process: SimulatedProcess) -> bool:
        """Whether the kernels of a process that is being locked have drained."""
        left = process.computing_s
        return left is None or left <= EPSILON_S
