"""The functions of ``libcuda``, over the machine of the simulated GPUs."""

import itertools
import math
import uuid
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sublet_agent.simulated.machine.card import CallerIdentity, Card, SimulatedProcess
from sublet_agent.simulated.machine.driver import OperationRequest
from sublet_agent.simulated.machine.machine import SimulatedMachine
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.errors import CudaCode, SimulatedGpuError
from sublet_agent.simulated.server.tenant_calls import Caller, TenantCalls

from tests.support.nvidia_stand_in.behaviours import Behaviours, CallerDies, ComputeMode, Meanwhile
from tests.support.nvidia_stand_in.door import Answer, Call, Handler, PhysicsReply

MIB = 1024 * 1024
INVALID_VALUE, NOT_INITIALIZED, DEVICE_UNAVAILABLE = 1, 3, 46
NO_DEVICE, INVALID_DEVICE = 100, 101
STATES = {"running": 0, "locked": 1, "checkpointed": 2, "failed": 3}
CHECKPOINTING, RESTORING, NEWER = 4, 5, 99
_NAMES = {
    0: "CUDA_SUCCESS",
    1: "CUDA_ERROR_INVALID_VALUE",
    2: "CUDA_ERROR_OUT_OF_MEMORY",
    3: "CUDA_ERROR_NOT_INITIALIZED",
    46: "CUDA_ERROR_DEVICE_UNAVAILABLE",
    100: "CUDA_ERROR_NO_DEVICE",
    101: "CUDA_ERROR_INVALID_DEVICE",
    201: "CUDA_ERROR_INVALID_CONTEXT",
    214: "CUDA_ERROR_ECC_UNCORRECTABLE",
    304: "CUDA_ERROR_OPERATING_SYSTEM",
    400: "CUDA_ERROR_INVALID_HANDLE",
    401: "CUDA_ERROR_ILLEGAL_STATE",
    500: "CUDA_ERROR_NOT_FOUND",
    600: "CUDA_ERROR_NOT_READY",
    700: "CUDA_ERROR_ILLEGAL_ADDRESS",
    800: "CUDA_ERROR_NOT_PERMITTED",
    801: "CUDA_ERROR_NOT_SUPPORTED",
    999: "CUDA_ERROR_UNKNOWN",
}
_FIRST_ADDRESS = 0x7F00_0000_0000
_ALIGNED = 2 * MIB
_ATTRIBUTES = {
    16: 132,  # multiprocessors
    75: 9,  # compute capability, major
    76: 0,  # compute capability, minor
}
_COMPUTE_MODE = 20
_PAIR_BYTES = 32
_UUID_BYTES = 16


def code_of(error: SimulatedGpuError) -> int:
    """Return the driver's number: a card that is gone is none, and exclusive use is another's."""
    return NO_DEVICE if error.code is CudaCode.DEVICE_UNAVAILABLE else int(error.code)


@dataclass(frozen=True)
class Allocation:
    """Memory of a program, at its address."""

    base: int
    handle: int
    mib: int


@dataclass
class Program:
    """A process that has called ``cuInit``."""

    visible: list[Card]
    handles: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    next_address: int = _FIRST_ADDRESS
    bases: list[int] = field(default_factory=list)
    allocations: dict[int, Allocation] = field(default_factory=dict)

    def add(self, handle: int, mib: int) -> int:
        """Give memory an address."""
        base = self.next_address
        self.next_address += -(-mib * MIB // _ALIGNED) * _ALIGNED
        self.bases.append(base)
        self.allocations[base] = Allocation(base, handle, mib)
        return base

    def drop(self, base: int) -> None:
        self.bases.remove(base)
        del self.allocations[base]

    def find(self, address: int) -> Allocation:
        """Return what lies at an address. ``SimulatedGpuError`` where nothing does."""
        index = bisect_right(self.bases, address) - 1
        if index >= 0:
            found = self.allocations[self.bases[index]]
            if address < found.base + found.mib * MIB:
                return found
        message = f"nothing lies at {address:#x}"
        raise SimulatedGpuError(message)


class CudaCalls:
    """The functions by their names."""

    def __init__(self, machine: SimulatedMachine, behaviours: Behaviours) -> None:
        self._machine = machine
        self._behaviours = behaviours
        self._calls = TenantCalls(machine)
        self._programs: dict[CallerIdentity, Program] = {}
        self._cards = list(machine.cards.values())
        self._half_way: set[CallerIdentity] = set()
        self.handlers: dict[str, Handler] = {
            "hidden": self._hidden,
            "cuInit": self._init,
            "cuDriverGetVersion": lambda _, answer: answer.send(results=[behaviours.cuda_version]),
            "cuGetErrorName": self._error_name,
            "cuDeviceGetCount": self._device_count,
            "cuDeviceGet": lambda call, answer: self._of_card(call, answer, lambda _: []),
            "cuDeviceGetName": self._device_name,
            "cuDeviceGetUuid": self._device_uuid,
            "cuDeviceTotalMem": lambda call, answer: self._of_card(
                call, answer, lambda card: [card.store.total_mib * MIB]
            ),
            "cuDeviceGetAttribute": self._attribute,
            "cuDevicePrimaryCtxRetain": self._retain,
            "cuDevicePrimaryCtxRelease": lambda call, answer: self._of_card(
                call, answer, lambda _: []
            ),
            "cuCtxSynchronize": self._synchronize,
            "cuLaunchKernel": self._launch,
            "cuMemGetInfo": self._memory_info,
            "cuMemAlloc": lambda call, answer: self._allocate(call, answer, managed=False),
            "cuMemAllocManaged": lambda call, answer: self._allocate(call, answer, managed=True),
            "cuMemFree": self._free,
            "cuMemcpyDtoH": self._read,
            "cuMemcpyHtoD": self._write,
            "cuIpcGetMemHandle": self._share,
            "cuIpcOpenMemHandle": self._open_shared,
            "cuIpcCloseMemHandle": self._free,
            "cuCheckpointProcessGetState": self._state,
            "cuCheckpointProcessGetRestoreThreadId": self._restore_thread,
            "cuCheckpointProcessLock": lambda call, answer: self._operate(
                call, answer, OperationKind.LOCK
            ),
            "cuCheckpointProcessCheckpoint": lambda call, answer: self._operate(
                call, answer, OperationKind.CHECKPOINT
            ),
            "cuCheckpointProcessRestore": self._restore,
            "cuCheckpointProcessUnlock": lambda call, answer: self._operate(
                call, answer, OperationKind.UNLOCK
            ),
        }

    def leave(self, answer: Answer) -> None:
        """Do what becomes of an operation whose caller is gone."""
        if self._behaviours.caller_dies is CallerDies.GOES_ON:
            return
        for process in self._machine.processes.values():
            operation = process.operation
            reply = operation.reply if operation is not None else None
            if operation is not None and isinstance(reply, PhysicsReply) and reply.answer is answer:
                operation.not_before_s = math.inf
                self._half_way.add(process.identity)
                while process.pending:
                    process.pending.popleft().reply.fail(_half_way_error(process))

    def _hidden(self, _: Call, answer: Answer) -> None:
        answer.send(data=f" {'  '.join(self._behaviours.hidden)} ".encode())

    def _init(self, call: Call, answer: Answer) -> None:
        visible = self._cards
        if call.numbers[1]:
            visible = _visible(self._cards, call.data.decode())
        if not visible:
            answer.send(NO_DEVICE)
            return
        self._programs.setdefault(call.peer, Program(visible))
        answer.send(results=[self._cards[0].store.bytes_per_mib])

    def _error_name(self, call: Call, answer: Answer) -> None:
        name = _NAMES.get(call.numbers[0])
        answer.send(INVALID_VALUE if name is None else 0, data=(name or "").encode())

    def _device_count(self, call: Call, answer: Answer) -> None:
        program = self._programs.get(call.peer)
        if program is None:
            answer.send(NOT_INITIALIZED)
        else:
            answer.send(results=[len(program.visible)])

    def _device_name(self, call: Call, answer: Answer) -> None:
        found = self._visible_card(call)
        if isinstance(found, Card):
            answer.send(data=found.type.encode())
        else:
            answer.send(found)

    def _device_uuid(self, call: Call, answer: Answer) -> None:
        found = self._visible_card(call)
        if isinstance(found, Card):
            answer.send(data=uuid.UUID(found.gpu_id.removeprefix("GPU-")).bytes)
        else:
            answer.send(found)

    def _attribute(self, call: Call, answer: Answer) -> None:
        attribute = call.numbers[1]

        def value(card: Card) -> list[int]:
            if attribute == _COMPUTE_MODE:
                return [int(self._behaviours.cards[card.index].compute_mode)]
            return [_ATTRIBUTES.get(attribute, 0)]

        self._of_card(call, answer, value)

    def _retain(self, call: Call, answer: Answer) -> None:
        card = self._visible_card(call)
        if not isinstance(card, Card):
            answer.send(card)
        elif self._is_taken(card, call.peer.pid):
            answer.send(DEVICE_UNAVAILABLE)
        else:
            self._calls.memory_info(self._caller(call), self._reply(answer))

    def _synchronize(self, call: Call, answer: Answer) -> None:
        self._calls.synchronize(self._caller(call), self._reply(answer))

    def _launch(self, call: Call, answer: Answer) -> None:
        seconds = call.numbers[1] / 1e9
        self._calls.compute(self._caller(call), self._reply(answer), seconds, math.inf, wait=False)

    def _memory_info(self, call: Call, answer: Answer) -> None:
        def tell(result: Mapping[str, Any], _: bytes) -> None:
            answer.send(results=[result["free_mib"] * MIB, result["total_mib"] * MIB])

        self._calls.memory_info(self._caller(call), PhysicsReply(answer, tell, code_of))

    def _allocate(self, call: Call, answer: Answer, *, managed: bool) -> None:
        program = self._programs[call.peer]
        handle, mib = next(program.handles), -(-call.numbers[1] // MIB)
        if not mib:
            answer.send(INVALID_VALUE)
            return

        def place(_: Mapping[str, Any], __: bytes) -> None:
            answer.send(results=[program.add(handle, mib)])

        reply = PhysicsReply(answer, place, code_of)
        self._calls.allocate(self._caller(call), reply, handle, mib, managed=managed)

    def _free(self, call: Call, answer: Answer) -> None:
        program = self._programs[call.peer]
        found = program.allocations.get(call.numbers[1])
        if found is None:
            answer.send(INVALID_VALUE)
            return

        def forget(_: Mapping[str, Any], __: bytes) -> None:
            program.drop(found.base)
            answer.send()

        reply = PhysicsReply(answer, forget, code_of)
        self._calls.free(self._caller(call), reply, found.handle)

    def _read(self, call: Call, answer: Answer) -> None:
        def found(_: Mapping[str, Any], payload: bytes) -> None:
            answer.send(data=payload)

        try:
            allocation, offset = self._place(call)
        except SimulatedGpuError as error:
            answer.send(code_of(error))
            return
        length = call.numbers[2] * self._kept
        reply = PhysicsReply(answer, found, code_of)
        self._calls.read(self._caller(call), reply, allocation.handle, offset, length)

    def _write(self, call: Call, answer: Answer) -> None:
        try:
            allocation, offset = self._place(call)
        except SimulatedGpuError as error:
            answer.send(code_of(error))
            return
        place = offset + call.numbers[2]
        self._calls.write(
            self._caller(call), self._reply(answer), allocation.handle, place, call.data
        )

    def _share(self, call: Call, answer: Answer) -> None:
        def tell(result: Mapping[str, Any], _: bytes) -> None:
            answer.send(data=result["token"].encode())

        try:
            allocation, _ = self._place(call)
        except SimulatedGpuError as error:
            answer.send(code_of(error))
            return
        reply = PhysicsReply(answer, tell, code_of)
        self._calls.share(self._caller(call), reply, allocation.handle)

    def _open_shared(self, call: Call, answer: Answer) -> None:
        program = self._programs[call.peer]
        handle = next(program.handles)

        def place(result: Mapping[str, Any], _: bytes) -> None:
            answer.send(results=[program.add(handle, result["mib"])])

        reply = PhysicsReply(answer, place, code_of)
        self._calls.open_shared(self._caller(call), reply, handle, call.data.decode())

    def _state(self, call: Call, answer: Answer) -> None:
        process = self._machine.processes.get(call.numbers[0])
        under_way = process.operation.kind if process and process.operation else None
        asked = process is not None and self._may_touch(call, process)
        if asked and under_way is not None and not self._machine.host.stands_still(process.pid):
            moving = {OperationKind.CHECKPOINT: CHECKPOINTING, OperationKind.RESTORE: RESTORING}
            meanwhile = self._behaviours.meanwhile
            if meanwhile is Meanwhile.TELLS_MOVING and under_way in moving:
                answer.send(results=[moving[under_way]])
                return
            if meanwhile is Meanwhile.TELLS_NEWER:
                answer.send(results=[NEWER])
                return
            if meanwhile is Meanwhile.TELLS_BEFORE or process.identity in self._half_way:
                answer.send(results=[STATES[process.state.value]])
                return

        def tell(result: Mapping[str, Any], _: bytes) -> None:
            answer.send(results=[STATES[result["state"]]])

        self._request(call, PhysicsReply(answer, tell, code_of), OperationKind.STATE)

    def _restore_thread(self, call: Call, answer: Answer) -> None:
        def tell(_: Mapping[str, Any], __: bytes) -> None:
            answer.send(results=[call.numbers[0]])

        self._request(call, PhysicsReply(answer, tell, code_of), OperationKind.STATE)

    def _restore(self, call: Call, answer: Answer) -> None:
        process = self._machine.processes.get(call.numbers[0])
        mapping = _mapping(call.data)
        everywhere = set(self._machine.cards)
        if mapping and not (set(mapping) == set(mapping.values()) == everywhere):
            answer.send(INVALID_VALUE)
        elif process is not None and not self._is_awake(call, process):
            answer.send(NOT_INITIALIZED)
        elif process is not None and any(
            self._is_taken(card, process.pid) for card in process.cards.values()
        ):
            answer.send(DEVICE_UNAVAILABLE)
        else:
            self._request(call, self._reply(answer), OperationKind.RESTORE, mapping)

    def _operate(self, call: Call, answer: Answer, kind: OperationKind) -> None:
        self._request(call, self._reply(answer), kind)

    def _request(
        self,
        call: Call,
        reply: PhysicsReply,
        kind: OperationKind,
        mapping: dict[str, str] | None = None,
    ) -> None:
        process = self._machine.processes.get(call.numbers[0])
        if process is not None and process.identity in self._half_way:
            reply.fail(_half_way_error(process))
            return
        timeout_ms = call.numbers[1] if kind is OperationKind.LOCK else 0
        asked = OperationRequest(kind, call.numbers[0], call.peer.uid, timeout_ms, mapping or {})
        self._machine.driver.request(asked, reply)

    @staticmethod
    def _may_touch(call: Call, process: SimulatedProcess) -> bool:
        return call.peer.uid in {0, process.identity.uid}

    def _is_awake(self, call: Call, process: SimulatedProcess) -> bool:
        """Whether the driver is alive for a restore, by its caller or by persistence mode."""
        if call.peer in self._programs:
            return True
        return all(
            self._behaviours.cards[card.index].persistence for card in process.cards.values()
        )

    def _is_taken(self, card: Card, pid: int) -> bool:
        """Whether the card's compute mode keeps a process out."""
        others = [p for p in card.processes.values() if p.pid != pid and p.on_card_mib]
        match self._behaviours.cards[card.index].compute_mode:
            case ComputeMode.PROHIBITED:
                return True
            case ComputeMode.EXCLUSIVE_PROCESS:
                return bool(others)
            case ComputeMode.DEFAULT:
                return False

    @property
    def _kept(self) -> int:
        return self._cards[0].store.bytes_per_mib

    @staticmethod
    def _reply(answer: Answer) -> PhysicsReply:
        return PhysicsReply(answer, lambda *_: answer.send(), code_of)

    def _caller(self, call: Call) -> Caller:
        card = self._programs[call.peer].visible[call.numbers[0]]
        return Caller(call.peer, card.gpu_id)

    def _place(self, call: Call) -> tuple[Allocation, int]:
        """Return what the second argument points into, and the real bytes before that place."""
        address = call.numbers[1]
        found = self._programs[call.peer].find(address)
        return found, (address - found.base) // MIB * self._kept

    def _visible_card(self, call: Call) -> Card | int:
        program = self._programs.get(call.peer)
        if program is None:
            return NOT_INITIALIZED
        if call.numbers[0] >= len(program.visible):
            return INVALID_DEVICE
        return program.visible[call.numbers[0]]

    def _of_card(self, call: Call, answer: Answer, tell: Any) -> None:
        found = self._visible_card(call)
        if isinstance(found, Card):
            answer.send(results=tell(found))
        else:
            answer.send(found)


def _half_way_error(process: SimulatedProcess) -> SimulatedGpuError:
    message = f"an operation on process {process.pid} was left half way"
    return SimulatedGpuError(message, CudaCode.ILLEGAL_STATE)


def _visible(cards: list[Card], text: str) -> list[Card]:
    """Return the cards that ``CUDA_VISIBLE_DEVICES`` names, up to the first that is not there."""
    chosen = []
    for name in filter(None, text.split(",")):
        by_name = [c for c in cards if name in {str(c.index), c.gpu_id}]
        if not by_name:
            break
        chosen += by_name
    return chosen


def _mapping(pairs: bytes) -> dict[str, str]:
    ids = [
        f"GPU-{uuid.UUID(bytes=pairs[start : start + _UUID_BYTES])}"
        for start in range(0, len(pairs), _UUID_BYTES)
    ]
    return dict(zip(ids[::2], ids[1::2], strict=True))
