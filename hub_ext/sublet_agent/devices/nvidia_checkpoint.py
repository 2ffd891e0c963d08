"""The checkpoint API of NVIDIA's driver, by the node's driver helper; translates its answers."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sublet_quota.names.ids import GpuId

from sublet_agent.devices.checkpoint_device import (
    ERROR_OF_CODE,
    CallTerms,
    DriverCall,
    permutation_of,
)
from sublet_agent.devices.interface import (
    DeviceError,
    NoAnswerError,
    NoSuchProcessError,
    StandsStillError,
)
from sublet_agent.driver_helper.client import DriverHelper, NoHelperError
from sublet_agent.driver_helper.messages import DriverAnswer, DriverRequest, Operation, Outcome
from sublet_agent.processes.process_table import LinuxProcessTable

_STATE_WORDS: Final[dict[int | None, str]] = {
    0: "running",
    1: "locked",
    2: "checkpointed",
    3: "failed",
}
_OPERATION: Final = {
    DriverCall.LOCK: Operation.LOCK,
    DriverCall.CHECKPOINT: Operation.CHECKPOINT,
    DriverCall.RESTORE: Operation.RESTORE,
    DriverCall.UNLOCK: Operation.UNLOCK,
}
_LOOK_AGAIN_S: Final = 0.02
_SHORT_WITHIN_S: Final = 10.0
"""The time for a call that was measured to take milliseconds."""
_MOVE_WITHIN_S: Final = 600.0
"""The time for a checkpoint or restore: 192 GiB at a fifth of the slowest speed measured."""
_UNDER_WAY_WITHIN_S: Final = 120.0
"""How long to wait for the end of an earlier call before a state is not to be had."""
_UUID_PREFIX: Final = "GPU-"


class NvidiaCheckpoint:
    """The checkpoint API of this node's driver."""

    def __init__(self, helper: DriverHelper, gpu_ids: Callable[[], Sequence[GpuId]]) -> None:
        self._helper: Final = helper
        self._gpu_ids: Final = gpu_ids
        self._table: Final = LinuxProcessTable()
        try:
            first = helper.first_word()
        except (NoHelperError, OSError) as error:
            raise DeviceError(str(error)) from error
        self.init_code: Final = first.code
        """The ``CUresult`` of ``cuInit`` in the helper: 0 where it worked."""

    def operate(self, call: DriverCall, pid: int, terms: CallTerms) -> None:
        """Make one call of the checkpoint API; raise the error of ``ERROR_OF_CODE``."""
        moves = call in {DriverCall.CHECKPOINT, DriverCall.RESTORE}
        request = DriverRequest(
            operation=_OPERATION[call],
            pid=pid,
            start_ticks=self._start_ticks(pid),
            within_s=_MOVE_WITHIN_S if moves else _SHORT_WITHIN_S + terms.timeout_ms / 1000,
            timeout_ms=terms.timeout_ms,
            lease_s=terms.lease_s,
            mapping=self._all_uuids(terms.mapping) if terms.mapping else {},
        )
        self._ask(request)

    def state_word(self, pid: int) -> str:
        """Return the process's state in the driver's words, after the end of a call under way."""
        deadline = time.monotonic() + _UNDER_WAY_WITHIN_S
        start_ticks = self._start_ticks(pid)
        while True:
            left_s = deadline - time.monotonic()
            request = DriverRequest(
                operation=Operation.STATE,
                pid=pid,
                start_ticks=start_ticks,
                within_s=max(left_s, _LOOK_AGAIN_S),
            )
            # A state that is none of these: somebody moves the process, and not by this helper.
            word = _STATE_WORDS.get(self._ask(request).state)
            if word is not None:
                return word
            if left_s <= _LOOK_AGAIN_S:
                message = (
                    f"process {pid} has been moved for {_UNDER_WAY_WITHIN_S:g} s, and still is"
                )
                raise NoAnswerError(message)
            time.sleep(_LOOK_AGAIN_S)

    def _start_ticks(self, pid: int) -> int:
        identity = self._table.identify(pid)
        if identity is None:
            message = f"process {pid} has ended"
            raise NoSuchProcessError(message)
        return identity.start_ticks

    def _ask(self, request: DriverRequest) -> DriverAnswer:
        try:
            answer = self._helper.ask(request)
        except (NoHelperError, OSError) as error:
            message = f"the driver cannot be called: {error}"
            raise DeviceError(message) from error
        match answer.outcome:
            case Outcome.DONE:
                return answer
            case Outcome.FAILED:
                raise ERROR_OF_CODE.get(answer.code, DeviceError)(answer.detail)
            case Outcome.STANDS_STILL:
                raise StandsStillError(answer.detail)
            case Outcome.GONE:
                raise NoSuchProcessError(answer.detail)
            case Outcome.NO_ANSWER | Outcome.WORKER_DIED:
                raise NoAnswerError(answer.detail)

    def _all_uuids(self, mapping: Mapping[GpuId, GpuId]) -> dict[str, str]:
        """Return where every card goes: the driver asks that of those that stay, too."""
        everywhere = permutation_of(self._gpu_ids(), mapping)
        return {_uuid(old): _uuid(new) for old, new in everywhere.items()}


def _uuid(gpu_id: GpuId) -> str:
    return gpu_id.removeprefix(_UUID_PREFIX)
