"""The simulated machine: its cards and the processes on them, moved on by an injected clock.

Nothing here reads a clock or does I/O: ``advance`` says what time it is, ``next_event_s`` when it
must be called next, ``bytes.run_slice`` does a slice of the copying that is due. Everything
happens between two events at constant rates, so the order and time of events are exact.
"""

import math
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sublet_quota.names.ids import GpuId

from sublet_agent.simulated.machine.byte_queue import ByteQueue
from sublet_agent.simulated.machine.card import (
    CallerIdentity,
    Card,
    ComputeMode,
    DriverState,
    SimulatedProcess,
)
from sublet_agent.simulated.machine.driver import Driver, Host
from sublet_agent.simulated.machine.fault_plan import FaultPlan
from sublet_agent.simulated.machine.memory.buffers import Buffer, BufferKind
from sublet_agent.simulated.machine.speeds import EPSILON_S, Speeds
from sublet_agent.simulated.protocol.errors import (
    ContextLostError,
    CudaCode,
    DeviceGoneError,
    OutOfMemoryError,
    SimulatedGpuError,
)

CONTEXT_MIB: Final = 512
DRIVER_VERSION: Final = "580.159.04"
"""The driver that the physics was measured with."""
_REMEMBERED: Final = 1000


@dataclass(frozen=True, slots=True)
class Ended:
    """The record of a process that has ended."""

    identity: CallerIdentity
    state: DriverState
    lost: str | None
    how: str


@dataclass(frozen=True, slots=True)
class HealthRecord:
    """Something that went wrong with a card, numbered in order."""

    number: int
    gpu_id: GpuId
    kind: str
    detail: str


class SimulatedMachine:
    """Cards, processes, and what the driver is doing to them."""

    def __init__(
        self, cards: Sequence[Card], speeds: Speeds, host: Host, context_mib: int = CONTEXT_MIB
    ) -> None:
        self.cards: Final[dict[GpuId, Card]] = {card.gpu_id: card for card in cards}
        for card in cards:
            card.limits.groups = host
        self.speeds: Final = speeds
        self.host: Final = host
        self.context_mib: Final = context_mib
        self.processes: Final[dict[int, SimulatedProcess]] = {}
        self.bytes: Final = ByteQueue()
        self.faults: Final = FaultPlan()
        self.ended: Final[deque[Ended]] = deque(maxlen=_REMEMBERED)
        self.health: Final[deque[HealthRecord]] = deque(maxlen=_REMEMBERED)
        self.driver_version = DRIVER_VERSION
        self._reported = 0
        self.driver: Final = Driver(self)
        self.time_s = 0.0

    def advance(self, now_s: float) -> None:
        """Let time pass until ``now_s``; every event on the way happens at its own time."""
        self.settle()
        while (due := self.next_event_s()) <= now_s:
            self._progress(max(due, self.time_s + EPSILON_S))
            self.settle()
        if now_s > self.time_s:
            self._progress(now_s)
            self.settle()

    def next_event_s(self) -> float:
        """Return when something will happen by itself; infinity where nothing will."""
        return min(
            (card.next_event_s(self.time_s, self.speeds) for card in self.cards.values()),
            default=math.inf,
        )

    def settle(self) -> None:
        """Let everything happen that is due now. Call it after each request."""
        changed = True
        while changed:
            changed = False
            for process in list(self.processes.values()):
                changed |= process.work.finish_due()
                changed |= self.driver.settle(process)

    def clear_faults(self) -> None:
        """Forget the faults that have not come yet, and let go on what one delays."""
        self.faults.faults.clear()
        for process in self.processes.values():
            if process.operation is not None:
                process.operation.not_before_s -= process.operation.delay_s
                process.operation.delay_s = 0.0
        self.settle()

    def card(self, gpu_id: str) -> Card:
        """Return a card by its id."""
        found = self.cards.get(GpuId(gpu_id))
        if found is None:
            known = ", ".join(self.cards)
            message = f"there is no simulated GPU {gpu_id!r}; there are {known}"
            raise SimulatedGpuError(message, CudaCode.INVALID_DEVICE)
        return found

    def process_of(
        self, identity: CallerIdentity, gpu_id: str | None, sees: Collection[str] | None = None
    ) -> SimulatedProcess:
        """Return the process, making its context with its first CUDA call.

        It sees these cards from then on; ``None``: all.
        """
        known = self.processes.get(identity.pid)
        if known is not None and known.identity.start_time != identity.start_time:
            self.end(identity.pid, "its pid was taken by another process")
            known = None
        if known is not None:
            return known
        process = SimulatedProcess(identity, sees=None if sees is None else frozenset(sees))
        self.join_card(process, gpu_id if gpu_id is not None else next(iter(self.cards)))
        self.processes[identity.pid] = process
        return process

    def join_card(self, process: SimulatedProcess, gpu_id: str | None) -> None:
        """Make the process's context on a card, unless it has one there, or names none."""
        if gpu_id is None or gpu_id in process.cards:
            return
        card = self.card(process.moved_to.get(gpu_id, gpu_id))
        if card.gone is not None:
            message = f"the simulated GPU {card.gpu_id} is gone: {card.gone}"
            raise DeviceGoneError(message)
        mode = card.setup.compute_mode
        taken = mode is ComputeMode.EXCLUSIVE and card.processes
        if taken or mode is ComputeMode.PROHIBITED:
            message = f"the simulated GPU {card.gpu_id} is unavailable: its mode is {mode}"
            raise SimulatedGpuError(message, CudaCode.DEVICE_UNAVAILABLE)
        card.check_limits(process.pid, self.context_mib)
        place = card.store.take(self.context_mib)
        if place is None:
            message = (
                f"no room for a CUDA context of {self.context_mib} MiB: "
                f"{card.store.free_mib} MiB are free on {card.gpu_id}"
            )
            raise OutOfMemoryError(message)
        process.contexts.append(Buffer(0, self.context_mib, BufferKind.CONTEXT, place))
        process.cards[GpuId(gpu_id)] = card
        card.processes[process.pid] = process

    def release(self, buffers: Iterable[Buffer]) -> None:
        """Give back the memory of buffers, wherever it is."""
        for buffer in buffers:
            buffer.leave_card()
            buffer.image = None

    def end(self, pid: int, how: str) -> None:
        """Forget a process that has ended: its memory is free at once, in whatever state."""
        process = self.processes.pop(pid, None)
        if process is None:
            return
        process.ended = True
        error = SimulatedGpuError(f"process {pid} has ended: {how}", CudaCode.OPERATING_SYSTEM)
        self.bytes.drop(process, error)
        self.driver.give_up(process, error)
        process.work.give_up(error)
        while process.waiting:
            process.waiting.popleft().reply.fail(error)
        self.release(process.all_buffers())
        for card in process.cards.values():
            card.processes.pop(pid, None)
        lost = process.poisoned or process.context_lost
        self.ended.append(Ended(process.identity, process.state, lost, how))
        self.settle()

    def lose_context(self, process: SimulatedProcess, why: str) -> None:
        """Let every CUDA call of a process fail from now on."""
        if process.context_lost is None:
            process.context_lost = why
        error = ContextLostError(f"illegal memory access: {why}")
        process.work.give_up(error)
        self.bytes.drop(process, error)
        while process.waiting:
            process.waiting.popleft().reply.fail(error)

    def report(self, gpu_id: GpuId, kind: str, detail: str) -> None:
        """Note something wrong with a card."""
        self._reported += 1
        self.health.append(HealthRecord(self._reported, gpu_id, kind, detail))

    def lose_card(self, card: Card, why: str) -> None:
        """Let a card vanish: what is on it is lost, what is suspended can go to another card."""
        card.gone = why
        self.report(card.gpu_id, "gone", why)
        error = DeviceGoneError(f"the simulated GPU {card.gpu_id} is gone: {why}")
        for process in list(card.processes.values()):
            moving_back = process.operation is not None and process.operation.moves_back
            if process.state is not DriverState.CHECKPOINTED or moving_back:
                self.driver.give_up(process, error)
                self.lose_context(process, f"its card is gone: {why}")
                process.state = DriverState.FAILED
        self.settle()

    def _progress(self, until_s: float) -> None:
        for card in self.cards.values():
            card.progress(self.time_s, until_s, self.speeds)
        self.time_s = until_s
