"""The CUDA calls of a program on a simulated card: memory, kernels, sharing.

Every call of a locked or suspended process waits, and is done when the process runs again.
A process reaches its own buffers only, by handles that it chose itself, and those that another
process of the same user shared with it.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from sublet_agent.simulated.machine.byte_queue import ByteWork
from sublet_agent.simulated.machine.card import CallerIdentity, DriverState, SimulatedProcess
from sublet_agent.simulated.machine.compute import Kernels, Work
from sublet_agent.simulated.machine.machine import SimulatedMachine
from sublet_agent.simulated.machine.memory.buffers import Buffer, BufferKind
from sublet_agent.simulated.machine.memory.pattern import pattern
from sublet_agent.simulated.machine.replies import Reply, WaitingCall
from sublet_agent.simulated.protocol.errors import (
    ContextLostError,
    CudaCode,
    DeviceGoneError,
    OutOfMemoryError,
    SimulatedGpuError,
)

MOST_BUFFERS: Final = 8192
MOST_QUEUED: Final = 65536


@dataclass(frozen=True, slots=True)
class Caller:
    """The process that calls, and the card on which its context is to be."""

    identity: CallerIdentity
    gpu_id: str | None
    sees: tuple[str, ...] | None = None
    """The cards that are visible to the process; ``None``: all."""


class TenantCalls:
    """The calls that any process may make."""

    def __init__(self, machine: SimulatedMachine) -> None:
        self._machine = machine

    def _call(self, caller: Caller, reply: Reply, run: Callable[[SimulatedProcess], None]) -> None:
        """Make a call now, or when the process runs again."""
        try:
            process = self._machine.process_of(caller.identity, caller.gpu_id, caller.sees)
        except SimulatedGpuError as error:
            reply.fail(error)
            return

        def attempt() -> None:
            if reply.abandoned:
                return
            try:
                _check_alive(process)
                self._machine.join_card(process, caller.gpu_id)
                run(process)
            except SimulatedGpuError as error:
                reply.fail(error)

        if process.submits or process.context_lost is not None:
            attempt()
        else:
            process.waiting.append(WaitingCall(reply, attempt))
        self._machine.settle()

    def forget_callers(self, pid: int) -> None:
        """Drop the waiting calls that nobody waits for any more."""
        process = self._machine.processes.get(pid)
        if process is not None:
            kept = [call for call in process.waiting if not call.reply.abandoned]
            process.waiting.clear()
            process.waiting.extend(kept)

    def allocate(
        self, caller: Caller, reply: Reply, handle: int, mib: int, *, managed: bool
    ) -> None:
        """Allocate memory under a handle of the caller's choice."""

        def run(process: SimulatedProcess) -> None:
            self._check_handle(process, handle)
            limit, card = process.mps_limit_mib, process.card_known_as(caller.gpu_id)
            if limit is not None and process.held_mib + mib > limit:
                message = f"out of memory: {mib} MiB asked for, the MPS limit is {limit} MiB"
                raise OutOfMemoryError(message)
            card.check_limits(process.pid, mib)
            place = card.store.take(mib)
            if place is None:
                message = (
                    f"out of memory: {mib} MiB asked for, {card.store.free_mib} MiB of "
                    f"{card.store.total_mib} MiB are free on {card.gpu_id}"
                )
                raise OutOfMemoryError(message)
            kind = BufferKind.MANAGED if managed else BufferKind.PLAIN
            buffer = Buffer(handle, mib, kind, place)
            process.buffers[handle] = buffer
            self._work_on_bytes(process, reply, self._fresh(buffer, reply))

        self._call(caller, reply, run)

    def free(self, caller: Caller, reply: Reply, handle: int) -> None:
        """Free a buffer, or close one that another process shared."""

        def run(process: SimulatedProcess) -> None:
            if process.imported.pop(handle, None) is None:
                buffer = process.buffers.pop(handle, None)
                if buffer is None:
                    message = f"there is no buffer {handle} of process {process.pid}"
                    raise SimulatedGpuError(message, CudaCode.INVALID_VALUE)
                self._machine.release([buffer])
            reply.succeed({})

        self._call(caller, reply, run)

    def reset(self, caller: Caller, reply: Reply) -> None:
        """Free everything and end the context."""

        def run(process: SimulatedProcess) -> None:
            self._machine.end(process.pid, "it gave its context up")
            reply.succeed({})

        self._call(caller, reply, run)

    def memory_info(self, caller: Caller, reply: Reply) -> None:
        """Tell the card's free and total memory, and what this process holds."""

        def run(process: SimulatedProcess) -> None:
            card = process.card_known_as(caller.gpu_id)
            store = card.store
            reply.succeed(
                {
                    "free_mib": store.free_mib,
                    "total_mib": store.total_mib,
                    "held_mib": process.held_mib,
                    "gpu_id": card.gpu_id,
                }
            )

        self._call(caller, reply, run)

    def fill(self, caller: Caller, reply: Reply, handle: int, seed: int) -> None:
        """Fill a buffer with the pattern of a seed."""

        def run(process: SimulatedProcess) -> None:
            buffer = self._buffer(process, handle)
            process.has_computed = True

            def steps() -> Iterator[None]:
                for offset, length in buffer.slices():
                    buffer.write(offset, pattern(seed, offset, length))
                    yield
                found = yield from buffer.hashing()
                reply.succeed({"sha256": found})

            self._work_on_bytes(process, reply, steps())

        self._call(caller, reply, run)

    def sha256(self, caller: Caller, reply: Reply, handle: int) -> None:
        """Hash the bytes where they are."""

        def run(process: SimulatedProcess) -> None:
            buffer = self._buffer(process, handle)
            process.has_computed = True

            def steps() -> Iterator[None]:
                found = yield from buffer.hashing()
                reply.succeed({"sha256": found})

            self._work_on_bytes(process, reply, steps())

        self._call(caller, reply, run)

    def read(self, caller: Caller, reply: Reply, handle: int, offset: int, length: int) -> None:
        """Copy bytes to the caller."""

        def run(process: SimulatedProcess) -> None:
            buffer = self._buffer(process, handle)
            self._check_range(buffer, offset, length)
            reply.succeed({}, buffer.read(offset, length))

        self._call(caller, reply, run)

    def write(self, caller: Caller, reply: Reply, handle: int, offset: int, data: bytes) -> None:
        """Copy bytes from the caller."""

        def run(process: SimulatedProcess) -> None:
            buffer = self._buffer(process, handle)
            self._check_range(buffer, offset, len(data))
            buffer.write(offset, data)
            reply.succeed({})

        self._call(caller, reply, run)

    def compute(
        self, caller: Caller, reply: Reply, seconds: float, kernels: Kernels, *, wait: bool
    ) -> None:
        """Submit a computation; the answer comes at its end, or at once."""

        def run(process: SimulatedProcess) -> None:
            if len(process.work) >= MOST_QUEUED:
                message = f"{MOST_QUEUED} computations are queued already"
                raise SimulatedGpuError(message, CudaCode.INVALID_VALUE)
            process.has_computed = True
            process.work.submit(Work(seconds, kernels, [reply] if wait else []))
            if not wait:
                reply.succeed({})

        self._call(caller, reply, run)

    def synchronize(self, caller: Caller, reply: Reply) -> None:
        """Answer when everything submitted so far is done."""

        def run(process: SimulatedProcess) -> None:
            last = process.work.last
            if last is None:
                reply.succeed({})
            else:
                last.replies.append(reply)

        self._call(caller, reply, run)

    def share(self, caller: Caller, reply: Reply, handle: int) -> None:
        """Make a buffer available to other processes of the same user (CUDA IPC)."""

        def run(process: SimulatedProcess) -> None:
            buffer = process.buffers.get(handle)
            if buffer is None or buffer.kind is BufferKind.MANAGED:
                message = f"buffer {handle} is not one that can be shared"
                raise SimulatedGpuError(message, CudaCode.INVALID_VALUE)
            buffer.share_token = buffer.share_token or secrets.token_hex(16)
            reply.succeed({"token": buffer.share_token, "mib": buffer.mib})

        self._call(caller, reply, run)

    def open_shared(self, caller: Caller, reply: Reply, handle: int, token: str) -> None:
        """Open another process's buffer under a handle of the caller's choice."""

        def run(process: SimulatedProcess) -> None:
            self._check_handle(process, handle)
            for owner in self._machine.processes.values():
                if owner is process or owner.identity.uid != process.identity.uid:
                    continue
                for buffer in owner.buffers.values():
                    known = buffer.share_token
                    if known is not None and secrets.compare_digest(known, token):
                        process.imported[handle] = (owner, buffer)
                        process.imported_ever = True
                        reply.succeed({"mib": buffer.mib, "length": buffer.length})
                        return
            message = "no process of yours shares memory under this handle"
            raise SimulatedGpuError(message, CudaCode.INVALID_HANDLE)

        self._call(caller, reply, run)

    def join_mps(self, caller: Caller, reply: Reply, limit_mib: int | None) -> None:
        """Become an MPS client, which can be neither locked nor checkpointed."""

        def run(process: SimulatedProcess) -> None:
            process.mps = True
            process.mps_limit_mib = limit_mib
            reply.succeed({})

        self._call(caller, reply, run)

    def _work_on_bytes(
        self, process: SimulatedProcess, reply: Reply, steps: Iterator[None]
    ) -> None:
        self._machine.bytes.add(ByteWork(steps, process, reply))

    @staticmethod
    def _fresh(buffer: Buffer, reply: Reply) -> Iterator[None]:
        yield from buffer.scrambling()
        reply.succeed({"length": buffer.length})

    @staticmethod
    def _check_handle(process: SimulatedProcess, handle: int) -> None:
        if handle in process.buffers or handle in process.imported:
            message = f"process {process.pid} has a buffer {handle} already"
            raise SimulatedGpuError(message, CudaCode.INVALID_VALUE)
        if len(process.buffers) + len(process.imported) >= MOST_BUFFERS:
            message = f"process {process.pid} has {MOST_BUFFERS} buffers: free some first"
            raise SimulatedGpuError(message, CudaCode.INVALID_VALUE)

    def _buffer(self, process: SimulatedProcess, handle: int) -> Buffer:
        shared = process.imported.get(handle)
        if shared is not None:
            owner, buffer = shared
            if owner.ended or owner.state is DriverState.CHECKPOINTED or buffer.place is None:
                why = f"the memory shared by process {owner.pid} is no longer on the card"
                self._machine.lose_context(process, why)
                _check_alive(process)
            return buffer
        own = process.buffers.get(handle)
        if own is None:
            message = f"there is no buffer {handle} of process {process.pid}"
            raise SimulatedGpuError(message, CudaCode.INVALID_VALUE)
        return own

    @staticmethod
    def _check_range(buffer: Buffer, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > buffer.length:
            message = (
                f"{length} bytes at {offset} are outside of buffer {buffer.handle}, "
                f"which has {buffer.length} real bytes"
            )
            raise SimulatedGpuError(message, CudaCode.INVALID_VALUE)


def _check_alive(process: SimulatedProcess) -> None:
    if process.state is DriverState.FAILED:
        message = f"the simulated GPU {process.card.gpu_id} is gone: {process.context_lost}"
        raise DeviceGoneError(message)
    if process.context_lost is not None:
        message = f"illegal memory access: {process.context_lost}"
        raise ContextLostError(message)
