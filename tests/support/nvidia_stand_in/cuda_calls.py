"""The functions of ``libcuda`` for programs, over the machine of the simulated GPUs."""

import math
import uuid
from collections.abc import Mapping
from typing import Any

from sublet_agent.simulated.machine.card import Card
from sublet_agent.simulated.machine.compute import Kernels
from sublet_agent.simulated.machine.machine import SimulatedMachine
from sublet_agent.simulated.protocol.errors import SimulatedGpuError
from sublet_agent.simulated.server.tenant_calls import Caller, TenantCalls

from tests.support.nvidia_stand_in.behaviours import Behaviours
from tests.support.nvidia_stand_in.checkpoint_calls import plain_reply
from tests.support.nvidia_stand_in.door import Answer, Call, Handler, PhysicsReply
from tests.support.nvidia_stand_in.programs import (
    DEVICE_UNAVAILABLE,
    INVALID_DEVICE,
    INVALID_VALUE,
    MIB,
    NO_DEVICE,
    NOT_INITIALIZED,
    Allocation,
    Program,
    Programs,
    code_of,
    is_taken,
    visible_cards,
)

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
_ATTRIBUTES = {
    16: 132,  # multiprocessors
    75: 9,  # compute capability, major
    76: 0,  # compute capability, minor
}
_COMPUTE_MODE = 20


class CudaCalls:
    """The functions by their names."""

    def __init__(
        self, machine: SimulatedMachine, behaviours: Behaviours, programs: Programs
    ) -> None:
        self._behaviours = behaviours
        self._calls = TenantCalls(machine)
        self._programs = programs
        self._cards = list(machine.cards.values())
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
        }

    def _hidden(self, _: Call, answer: Answer) -> None:
        answer.send(data=f" {'  '.join(self._behaviours.hidden)} ".encode())

    def _init(self, call: Call, answer: Answer) -> None:
        visible = self._cards
        if call.numbers[1]:
            visible = visible_cards(self._cards, call.data.decode())
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
        elif is_taken(self._behaviours.cards[card.index].compute_mode, card, call.peer.pid):
            answer.send(DEVICE_UNAVAILABLE)
        else:
            self._calls.memory_info(self._caller(call), plain_reply(answer))

    def _synchronize(self, call: Call, answer: Answer) -> None:
        self._calls.synchronize(self._caller(call), plain_reply(answer))

    def _launch(self, call: Call, answer: Answer) -> None:
        seconds = call.numbers[1] / 1e9
        one_kernel = Kernels(math.inf)
        self._calls.compute(
            self._caller(call), plain_reply(answer), seconds, one_kernel, wait=False
        )

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
            self._caller(call), plain_reply(answer), allocation.handle, place, call.data
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

    @property
    def _kept(self) -> int:
        return self._cards[0].store.bytes_per_mib

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
