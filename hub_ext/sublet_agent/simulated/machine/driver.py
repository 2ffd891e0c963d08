"""The checkpoint API of the simulated driver, with every hazard that was seen on a real card.

Operations on one process are done one after the other, each whole: one that has begun goes on
when its caller dies, and whoever asks for the state meanwhile waits until it is settled. Only a
lock without a time-out is dropped with its caller, or nobody could ever ask again.

The driver does its work by a thread of the process itself. So while a process stands still, nothing
that is asked of it begins or ends, not even the question for its state, and no time-out counts.

A lock may have a lease: the driver undoes it when that is over, unless anything else was asked for
by then. A real driver knows of none; there the process that makes its calls keeps it.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from sublet_quota.names.ids import GpuId

from sublet_agent.simulated.machine.byte_queue import ByteQueue, ByteWork
from sublet_agent.simulated.machine.card import Card, DriverState, SimulatedProcess
from sublet_agent.simulated.machine.fault_plan import FaultPlan
from sublet_agent.simulated.machine.group_limits import Groups
from sublet_agent.simulated.machine.leases import end_lease, lease_anew, unlock_when_over
from sublet_agent.simulated.machine.operations import Operation, OperationKind, OperationRequest
from sublet_agent.simulated.machine.replies import Reply
from sublet_agent.simulated.machine.restore_targets import (
    check_names_all,
    fits,
    move_to,
    targets_of,
)
from sublet_agent.simulated.machine.speeds import EPSILON_S, Speeds
from sublet_agent.simulated.protocol.errors import CudaCode, OutOfMemoryError, SimulatedGpuError

_NEEDS: Final = {
    OperationKind.LOCK: DriverState.RUNNING,
    OperationKind.CHECKPOINT: DriverState.LOCKED,
    OperationKind.RESTORE: DriverState.CHECKPOINTED,
    OperationKind.UNLOCK: DriverState.LOCKED,
}
_LOOK_AGAIN_S: Final = 0.01
NO_ROOM: Final = "a restore found no room on the card"
SEES_SOME: Final = "it sees only some of the cards, and a mapping was tried"
SHARED: Final = "it imported memory by CUDA IPC, and was suspended"


class Host(Groups, Protocol):
    """The operating system around the machine."""

    def uid_of(self, pid: int) -> int | None:
        """Return the account of a process; ``None`` where there is none."""
        ...

    def kill(self, pid: int) -> None:
        """End a process at once, as the kernel does when memory is short."""
        ...

    def stands_still(self, pid: int) -> bool:
        """Whether a process is stopped or frozen: none of its threads runs."""
        ...


class DrivenMachine(Protocol):
    """The machine that a driver belongs to, as the driver sees it."""

    @property
    def processes(self) -> Mapping[int, SimulatedProcess]:
        """All processes that use a card, by pid."""
        ...

    @property
    def cards(self) -> Mapping[GpuId, Card]:
        """All cards, by id."""
        ...

    @property
    def host(self) -> Host:
        """The operating system around the machine."""
        ...

    @property
    def speeds(self) -> Speeds:
        """The speeds of the driver's operations."""
        ...

    @property
    def faults(self) -> FaultPlan:
        """The faults that were asked for."""
        ...

    @property
    def bytes(self) -> ByteQueue:
        """The copying of real bytes that is due."""
        ...

    @property
    def time_s(self) -> float:
        """The machine's time, in seconds."""
        ...

    def card(self, gpu_id: str) -> Card:
        """Return a card by its id. ``SimulatedGpuError`` where there is none."""
        ...

    def settle(self) -> None:
        """Let everything happen that is due now."""
        ...

    def end(self, pid: int, how: str) -> None:
        """Forget a process that has ended."""
        ...


class Driver:
    """The checkpoint API of the simulated driver."""

    def __init__(self, machine: DrivenMachine) -> None:
        self._machine = machine

    def request(self, request: OperationRequest, reply: Reply) -> None:
        """Begin an operation, or put it behind the one under way."""
        pid = request.pid
        process = self._machine.processes.get(pid)
        uid = self._machine.host.uid_of(pid) if process is None else process.identity.uid
        if uid is None or request.caller_uid not in {0, uid}:
            message = f"there is no process {pid}, or it is not yours (error 304)"
            reply.fail(SimulatedGpuError(message, CudaCode.OPERATING_SYSTEM))
            return
        if process is None:
            message = f"process {pid} has no CUDA context (error 3)"
            reply.fail(SimulatedGpuError(message, CudaCode.NOT_INITIALIZED))
            return
        timeout_s = request.timeout_ms / 1000 if request.timeout_ms else None
        operation = Operation(request.kind, reply, timeout_s, request.mapping, request.lease_s)
        process.pending.append(operation)
        self._begin_next(process)
        self._machine.settle()

    def forget_callers(self) -> None:
        """Drop what was asked for by callers that are gone and has not begun."""
        for process in list(self._machine.processes.values()):
            operation = process.operation
            if operation and operation.waits_for_ever and operation.reply.abandoned:
                process.operation = None
                self._run_waiting(process)
            self._begin_next(process)
        self._machine.settle()

    def give_up(self, process: SimulatedProcess, error: SimulatedGpuError) -> None:
        """Fail what is asked for a process that has ended, or whose card has."""
        operation, process.operation = process.operation, None
        pending = [*process.pending]
        process.pending.clear()
        for each in [operation, *pending]:
            if each is not None:
                each.reply.fail(error)

    def settle(self, process: SimulatedProcess) -> bool:
        """Take a process's operation as far as possible now; return whether anything changed."""
        operation = process.operation
        process.look_again_s = math.inf
        if operation is None:
            unlock_when_over(process, self._machine.time_s)
            return self._begin_next(process)
        ripe = self._machine.time_s >= operation.not_before_s - EPSILON_S
        if operation.fails_with is not None:
            if not ripe or self._stands_still(process):
                return False
            process.poisoned = process.poisoned or operation.poisons
            self._fail(process, operation.fails_with)
            return True
        match operation.kind:
            case OperationKind.LOCK:
                return self._settle_lock(process, operation, ripe=ripe)
            case OperationKind.CHECKPOINT:
                return self._settle_checkpoint(process, operation, ripe=ripe)
            case OperationKind.RESTORE:
                return self._settle_restore(process, operation, ripe=ripe)
            case OperationKind.UNLOCK | OperationKind.STATE:
                if not ripe or self._stands_still(process):
                    return False
                self._finish(process, DriverState.RUNNING)
                return True

    def _stands_still(self, process: SimulatedProcess) -> bool:
        """Whether a process does not answer now; then it is looked at again in a moment."""
        still = self._machine.host.stands_still(process.pid)
        process.look_again_s = self._machine.time_s + _LOOK_AGAIN_S if still else math.inf
        return still

    def _begin_next(self, process: SimulatedProcess) -> bool:
        """Begin what was asked for next, and tell whether anything was, or was dropped."""
        before = len(process.pending)
        while process.operation is None and process.pending:
            operation = process.pending[0]
            if operation.reply.abandoned:
                process.pending.popleft()
                continue
            if self._stands_still(process):
                break
            process.pending.popleft()
            if operation.kind is OperationKind.STATE:
                operation.reply.succeed({"state": process.state.value})
                continue
            end_lease(process, operation)
            try:
                self._begin(process, operation)
            except SimulatedGpuError as error:
                lease_anew(process, operation, self._machine.time_s, done=False)
                operation.reply.fail(error)
        return len(process.pending) < before

    def _begin(self, process: SimulatedProcess, operation: Operation) -> None:
        machine, kind = self._machine, operation.kind
        if process.mps and kind in {OperationKind.LOCK, OperationKind.CHECKPOINT}:
            message = f"process {process.pid} is an MPS client: {kind} is not supported"
            raise SimulatedGpuError(message, CudaCode.NOT_SUPPORTED)
        if process.state is not _NEEDS[kind]:
            message = f"process {process.pid} is {process.state}: {kind} needs {_NEEDS[kind]}"
            raise SimulatedGpuError(message, CudaCode.ILLEGAL_STATE)
        operation.begun = True
        operation.not_before_s = machine.time_s
        fault = machine.faults.take(kind, process.pid)
        if fault is not None:
            operation.delay_s = fault.delay_s
            operation.not_before_s += fault.delay_s
            operation.corrupts = fault.corrupts
            if fault.poisons:
                operation.fails_with = OutOfMemoryError("out of memory (a fault asked for)")
                operation.poisons = NO_ROOM
            elif fault.code is not None:
                message = f"{kind} of process {process.pid} failed (a fault asked for)"
                operation.fails_with = SimulatedGpuError(message, fault.code)
        if operation.fails_with is None:
            self._start(process, operation)
        process.operation = operation

    def _start(self, process: SimulatedProcess, operation: Operation) -> None:
        speeds = self._machine.speeds
        match operation.kind:
            case OperationKind.LOCK:
                operation.not_before_s += speeds.lock_s
                if operation.timeout_s is not None:
                    operation.deadline_s = self._machine.time_s + operation.timeout_s
            case OperationKind.CHECKPOINT:
                self._start_checkpoint(process, operation)
            case OperationKind.RESTORE:
                self._start_restore(process, operation)
            case OperationKind.UNLOCK | OperationKind.STATE:
                operation.not_before_s += speeds.unlock_s

    def _start_checkpoint(self, process: SimulatedProcess, operation: Operation) -> None:
        speeds = self._machine.speeds
        if process.has_managed_memory:
            message = f"process {process.pid} has managed memory: checkpoint is not supported"
            raise SimulatedGpuError(message, CudaCode.NOT_SUPPORTED)
        operation.not_before_s += speeds.least_move_s
        operation.total_mib = process.held_mib
        if math.isinf(speeds.out_mib_s):
            operation.moved_mib = operation.total_mib
        for buffer in process.buffers.values():
            self._move(process, operation, buffer.moving_out())

    def _start_restore(self, process: SimulatedProcess, operation: Operation) -> None:
        speeds = self._machine.speeds
        if process.poisoned is not None:
            message = f"process {process.pid} cannot be restored (error 304): {process.poisoned}"
            raise SimulatedGpuError(message, CudaCode.OPERATING_SYSTEM)
        if operation.mapping and process.sees is not None:
            message = f"process {process.pid} cannot be restored (invalid value): {SEES_SOME}"
            self._refuse_restore(operation, SimulatedGpuError(message), SEES_SOME)
            return
        check_names_all(operation.mapping, self._machine.cards)
        targets = targets_of(process, operation.mapping, self._machine.card)
        operation.total_mib = process.held_mib
        if process.imported_ever:
            message = f"process {process.pid} cannot be restored (invalid value): {SHARED}"
            self._refuse_restore(operation, SimulatedGpuError(message), SHARED)
        elif full := [card for old, card in targets if not fits(process, old, card)]:
            self._refuse_restore(operation, self._no_room(process, full[0]), NO_ROOM)
        else:
            move_to(process, targets, operation.mapping)
            operation.not_before_s += speeds.least_move_s
            operation.unclaimed.extend(process.all_buffers())
            if math.isinf(speeds.back_mib_s):
                operation.moved_mib = operation.total_mib

    def _refuse_restore(self, operation: Operation, error: SimulatedGpuError, poisons: str) -> None:
        operation.not_before_s += self._machine.speeds.failed_restore_s
        operation.fails_with = error
        operation.poisons = poisons

    def _settle_lock(self, process: SimulatedProcess, operation: Operation, *, ripe: bool) -> bool:
        late = self._machine.time_s >= operation.deadline_s - EPSILON_S
        drained = ripe and process.card.due(process)
        if not (late or drained) or self._stands_still(process):
            return False
        if drained:
            self._finish(process, DriverState.LOCKED)
            return True
        message = f"the work of process {process.pid} did not drain in {operation.timeout_s} s"
        self._fail(process, SimulatedGpuError(message, CudaCode.NOT_READY))
        return True

    def _settle_checkpoint(
        self, process: SimulatedProcess, operation: Operation, *, ripe: bool
    ) -> bool:
        limit = process.host_limit_mib
        if limit is not None and operation.total_mib > limit and operation.moved_mib >= limit:
            self._machine.host.kill(process.pid)
            self._machine.end(process.pid, f"killed: its host memory limit is {limit} MiB")
            return True
        moving = not ripe or operation.left_mib > 0 or operation.slices_left
        if moving or self._stands_still(process):
            return False
        for buffer in process.all_buffers():
            buffer.leave_card()
        self._finish(process, DriverState.CHECKPOINTED)
        return True

    def _settle_restore(
        self, process: SimulatedProcess, operation: Operation, *, ripe: bool
    ) -> bool:
        claimed = False
        while operation.unclaimed and operation.moved_mib >= operation.claimed_mib:
            buffer = operation.unclaimed.popleft()
            place = buffer.store.take(buffer.mib)
            if place is None:
                self._machine.bytes.drop_moves(process)
                for each in process.all_buffers():
                    each.leave_card()
                process.poisoned = NO_ROOM
                full = next(c for c in process.cards.values() if c.store is buffer.store)
                self._fail(process, self._no_room(process, full))
                return True
            claimed = True
            operation.claimed_mib += buffer.mib
            buffer.place = place
            self._move(process, operation, buffer.moving_back(place))
        moving = operation.left_mib > 0 or operation.slices_left or operation.unclaimed
        if not ripe or moving or self._stands_still(process):
            return claimed
        for each in process.all_buffers():
            each.image = None
        if operation.corrupts:
            for each in process.buffers.values():
                each.decay()
        self._finish(process, DriverState.LOCKED)
        return True

    def _move(self, process: SimulatedProcess, operation: Operation, steps: Iterator[None]) -> None:
        def moving() -> Iterator[None]:
            yield from steps
            operation.slices_left -= 1

        operation.slices_left += 1
        self._machine.bytes.add(ByteWork(moving(), process, by_driver=True))

    @staticmethod
    def _no_room(process: SimulatedProcess, card: Card) -> SimulatedGpuError:
        return OutOfMemoryError(
            f"restoring process {process.pid} needs {process.held_mib} MiB, and "
            f"{card.store.free_mib} MiB are free on {card.gpu_id}: it is lost"
        )

    def _finish(self, process: SimulatedProcess, state: DriverState) -> None:
        operation, process.operation = process.operation, None
        process.state = state
        if operation is not None:
            lease_anew(process, operation, self._machine.time_s, done=True)
            operation.reply.succeed({})
        if state is DriverState.RUNNING:
            self._run_waiting(process)
        self._begin_next(process)

    def _fail(self, process: SimulatedProcess, error: SimulatedGpuError) -> None:
        operation, process.operation = process.operation, None
        if operation is not None:
            lease_anew(process, operation, self._machine.time_s, done=False)
            operation.reply.fail(error)
        if process.state is DriverState.RUNNING:
            self._run_waiting(process)
        self._begin_next(process)

    @staticmethod
    def _run_waiting(process: SimulatedProcess) -> None:
        while process.waiting and process.submits:
            process.waiting.popleft().run()
