"""The checkpoint functions of ``libcuda``, over the machine of the simulated GPUs."""

import math
import uuid
from collections.abc import Mapping
from typing import Any

from sublet_agent.simulated.machine.card import CallerIdentity, SimulatedProcess
from sublet_agent.simulated.machine.machine import SimulatedMachine
from sublet_agent.simulated.machine.operations import OperationKind, OperationRequest
from sublet_agent.simulated.protocol.errors import CudaCode, SimulatedGpuError

from tests.support.nvidia_stand_in.behaviours import Behaviours, CallerDies, Meanwhile
from tests.support.nvidia_stand_in.door import Answer, Call, Handler, PhysicsReply
from tests.support.nvidia_stand_in.programs import (
    DEVICE_UNAVAILABLE,
    INVALID_VALUE,
    NOT_INITIALIZED,
    Programs,
    code_of,
    is_taken,
)

STATES = {"running": 0, "locked": 1, "checkpointed": 2, "failed": 3}
CHECKPOINTING, RESTORING, NEWER = 4, 5, 99
_UUID_BYTES = 16


class CheckpointCalls:
    """The functions by their names."""

    def __init__(
        self, machine: SimulatedMachine, behaviours: Behaviours, programs: Programs
    ) -> None:
        self._machine = machine
        self._behaviours = behaviours
        self._programs = programs
        self._half_way: set[CallerIdentity] = set()
        self.handlers: dict[str, Handler] = {
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
            is_taken(self._behaviours.cards[card.index].compute_mode, card, process.pid)
            for card in process.cards.values()
        ):
            answer.send(DEVICE_UNAVAILABLE)
        else:
            self._request(call, plain_reply(answer), OperationKind.RESTORE, mapping)

    def _operate(self, call: Call, answer: Answer, kind: OperationKind) -> None:
        self._request(call, plain_reply(answer), kind)

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


def plain_reply(answer: Answer) -> PhysicsReply:
    """Return an answer that tells nothing but success or the error."""
    return PhysicsReply(answer, lambda *_: answer.send(), code_of)


def _half_way_error(process: SimulatedProcess) -> SimulatedGpuError:
    message = f"an operation on process {process.pid} was left half way"
    return SimulatedGpuError(message, CudaCode.ILLEGAL_STATE)


def _mapping(pairs: bytes) -> dict[str, str]:
    ids = [
        f"GPU-{uuid.UUID(bytes=pairs[start : start + _UUID_BYTES])}"
        for start in range(0, len(pairs), _UUID_BYTES)
    ]
    return dict(zip(ids[::2], ids[1::2], strict=True))
