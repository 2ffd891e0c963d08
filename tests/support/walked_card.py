"""The card under a fault walk, and what the walk may ask of it and do to it.

A simulated one tells all and can be made to fail. Of a real one only the driver's states are known:
what is lost there is found by the programs themselves, which look at their bytes in every cell.
"""

import random
from typing import Protocol

from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.errors import CudaCode

from tests.support.agent_world import Gpus
from tests.support.nvidia_stand_in.cards import NvidiaGpus
from tests.support.simulated_gpus import SimulatedGpus

OPERATIONS = (
    OperationKind.LOCK,
    OperationKind.CHECKPOINT,
    OperationKind.RESTORE,
    OperationKind.UNLOCK,
)
_MOVES = frozenset({OperationKind.CHECKPOINT.value, OperationKind.RESTORE.value})


class WalkedCard(Protocol):
    """What a walk needs of its card."""

    held_share: float
    """The part of its cap that a program holds: a real card moves real memory."""
    slowness: float
    """How much longer things may take, and rest, than on a simulated card."""

    def lost(self, *, verify: bool) -> str | None:
        """Return what is lost, as far as the card itself tells."""
        ...

    def states(self, pids: set[int]) -> dict[int, str | None]: ...

    def turn_that_meets_a_move(self) -> str | None:
        """Return who is paused for a turn while memory moves; ``None``: nobody, or not told."""
        ...

    def worked(self, pids: set[int]) -> dict[int, float]:
        """Return a number for each process that grows while it computes."""
        ...

    def plan_a_fault(self, rng: random.Random) -> None: ...

    def hold_an_operation(self, rng: random.Random, seconds: float) -> str | None:
        """Let the next operation of a kind take so long; ``None`` where that cannot be done."""
        ...

    def is_under_way(self, operation: str) -> bool: ...

    def no_more_faults(self) -> None: ...

    def in_words(self) -> str: ...


class SimulatedCard:
    """The first card of a daemon, or of the stand-in for NVIDIA's driver."""

    held_share = 1.0
    slowness = 1.0

    def __init__(self, gpus: SimulatedGpus | NvidiaGpus) -> None:
        self._administration = gpus.administration

    def lost(self, *, verify: bool) -> str | None:
        truth = self._administration.inspect(verify=verify)
        if truth.lost:
            return f"lost: {truth.lost}"
        for process in truth.processes:
            if any(b.intact is False for b in process.buffers):
                return f"lost: bytes are not what they were: {process}"
        return None

    def states(self, pids: set[int]) -> dict[int, str | None]:
        listed = self._administration.inspect().processes
        return {p.pid: p.state for p in listed if p.pid in pids}

    def turn_that_meets_a_move(self) -> str | None:
        listed = self._administration.inspect().processes
        moves = any(p.operation in _MOVES for p in listed)
        return self.in_words() if moves and any(p.leased for p in listed) else None

    def worked(self, pids: set[int]) -> dict[int, float]:
        listed = self._administration.inspect().processes
        return {p.pid: p.busy_ms for p in listed if p.pid in pids}

    def plan_a_fault(self, rng: random.Random) -> None:
        kind = rng.choice(OPERATIONS)
        if rng.random() < 0.5:
            self._administration.fail(kind, CudaCode.ILLEGAL_STATE, nth=rng.randrange(1, 4))
        else:
            self._administration.delay(kind, rng.random() * 0.05)

    def hold_an_operation(self, rng: random.Random, seconds: float) -> str | None:
        kind = rng.choice(OPERATIONS)
        self._administration.delay(kind, seconds)
        return kind.value

    def is_under_way(self, operation: str) -> bool:
        return operation in {p.operation for p in self._administration.inspect().processes}

    def no_more_faults(self) -> None:
        self._administration.clear_faults()

    def in_words(self) -> str:
        return "\n".join(
            f"  {p.pid} {p.state}{' for a while' * p.leased} {p.operation} {p.held_mib} MiB, "
            f"{p.waiting_calls} wait"
            for p in self._administration.inspect().processes
        )


class RealCard:
    """The first card of this machine."""

    held_share = 0.05
    slowness = 8.0

    def __init__(self, gpus: Gpus) -> None:
        self._gpus = gpus
        self._worked: dict[int, float] = {}

    def lost(self, *, verify: bool) -> str | None:
        del verify
        return None

    def turn_that_meets_a_move(self) -> str | None:
        return None

    def states(self, pids: set[int]) -> dict[int, str | None]:
        return {pid: self._gpus.state_word(pid) for pid in pids}

    def worked(self, pids: set[int]) -> dict[int, float]:
        for each in self._gpus.device.processes(self._gpus.gpu_id):
            if each.pid in pids and each.utilisation_percent:
                self._worked[each.pid] = self._worked.get(each.pid, 0.0) + 1.0
        return dict(self._worked)

    def plan_a_fault(self, rng: random.Random) -> None:
        del rng

    def hold_an_operation(self, rng: random.Random, seconds: float) -> str | None:
        del rng, seconds

    def is_under_way(self, operation: str) -> bool:
        del operation
        return False

    def no_more_faults(self) -> None:
        pass

    def in_words(self) -> str:
        listed = self._gpus.device.processes(self._gpus.gpu_id)
        return "\n".join(f"  {p.pid} {p.memory_mib} MiB" for p in listed)


def card_of(gpus: Gpus) -> WalkedCard:
    """Return the card of these GPUs as a walk sees it."""
    told_all = isinstance(gpus, SimulatedGpus | NvidiaGpus)
    return SimulatedCard(gpus) if told_all else RealCard(gpus)
