"""The move of one process that stands still: written down, made, then looked at.

Its CUDA calls are blocked; its threads run, or the driver would wait for them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sublet_quota.reasons.obstacles import Obstacle
from sublet_quota.reasons.staying import Staying, Stays

from sublet_agent.devices.interface import (
    DeviceError,
    NoAnswerError,
    NotSupportedError,
    OutOfGpuMemoryError,
    ProcessState,
    ResumeRefusedError,
)
from sublet_agent.moves.pausing import PauseReason
from sublet_agent.moves.plan import MoveEnd, MoveOutcome, MoveTools
from sublet_agent.moves.watches import kept_going
from sublet_agent.state_files.journal import Step, Target

_STATE_TRIES: Final = 5
_STATE_AGAIN_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a move cannot go on, how it therefore ends, and whom that is to be blamed on."""

    end: MoveEnd
    detail: str
    blame: Target | None = None
    obstacle: Obstacle | None = None
    """What forbids a move that is refused; ``None`` for one that is only put off."""


def why_not_suspend(tools: MoveTools, target: Target) -> Objection | None:
    """Return what is known to lose a process or to make its suspend fail, or ``None``.

    Nothing is touched.
    """
    reason = tools.device.why_not_suspendable(target.identity.pid, tools.tenant_of(target.slice_id))
    if reason is not None:
        return Objection(MoveEnd.REFUSED, reason.detail, target, reason.obstacle)
    room = tools.own_limit_mib(target.identity.pid)
    if room is not None and room < target.image_mib:
        detail = f"its memory limit leaves {room} MiB for the {target.image_mib} MiB it holds"
        # For now: what it holds in its host memory comes and goes.
        return Objection(MoveEnd.PUT_OFF, detail, target)
    return None


def suspend_one(tools: MoveTools, target: Target, outcome: MoveOutcome) -> Objection | None:
    """Move one paused process out; return why the slice's move cannot go on, or ``None``.

    What became of the process is in ``outcome``.
    """
    if not tools.table.is_alive(target.identity):
        outcome.gone.add(target.identity)
        return None
    target = target.on_its_card
    # CUDA IPC may have begun since the first look, and would cost it its memory.
    objection = why_not_suspend(tools, target)
    if objection is not None:
        return objection
    tools.journal.write(Step.SUSPENDING, [target])
    try:
        failure, state = _moved(tools, target, tools.device.suspend)
    except DeviceError as error:
        # As if it were suspended: nothing is lost by that, and much by the contrary.
        _note_suspended(tools, target, outcome)
        outcome.unknown.add(target.identity)
        detail = f"what became of process {target.identity.pid} cannot be read: {error}"
        return Objection(MoveEnd.PUT_OFF, detail, target)
    if state is ProcessState.SUSPENDED:
        _note_suspended(tools, target, outcome)
        tools.journal.write(Step.SUSPENDED, [target])
        return None
    if not tools.table.is_alive(target.identity):
        outcome.gone.add(target.identity)
        return None
    if state is ProcessState.FAILED:
        outcome.lost[target.identity] = str(failure or "the driver gave it up")
    if isinstance(failure, NotSupportedError):
        return Objection(MoveEnd.REFUSED, str(failure), target, Obstacle.NOT_SUPPORTED)
    detail = f"it is {state} after its suspend: {failure or 'no error was told'}"
    return Objection(MoveEnd.PUT_OFF, detail, target)


def _note_suspended(tools: MoveTools, target: Target, outcome: MoveOutcome) -> None:
    tools.paused_processes.exchange(target, PauseReason.MOVE, PauseReason.SUSPENDED)
    tools.host.settle(target.identity, target.image_mib)
    outcome.suspended[target.identity] = target


def _moved(
    tools: MoveTools, target: Target, move: Callable[[int], None]
) -> tuple[DeviceError | None, ProcessState | None]:
    """Let the driver move a process; return what it says against that, and the state then.

    ``DeviceError`` where that cannot be read.
    """
    failure: DeviceError | None = None
    # Also while its state is asked: a call that was given up may still be under way.
    with kept_going(tools.table, target.identity):
        try:
            move(target.identity.pid)
        except DeviceError as error:
            failure = error
        return failure, _state_after(tools, target)


def _state_after(tools: MoveTools, target: Target) -> ProcessState | None:
    """Return a process's state after its move; ``None`` where it is gone.

    Asked again and again, since everything depends on it; ``DeviceError`` where that is in vain.
    """
    for _ in range(_STATE_TRIES):
        try:
            return tools.device.state(target.identity.pid)
        except NoAnswerError:
            # It was waited for, and longer than all tries would take.
            raise
        except DeviceError:
            if not tools.table.is_alive(target.identity):
                return None
            time.sleep(_STATE_AGAIN_S)
    return tools.device.state(target.identity.pid)


def _answer(why_not_now: Callable[[], str]) -> str:
    try:
        return why_not_now()
    except DeviceError as error:
        return str(error)


def why_not_there(tools: MoveTools, target: Target) -> Stays | None:
    """Return why a process that left another card must not be brought back on this one.

    May take seconds: to be asked before anybody stands still for that.
    """
    if target.mapping is None:
        return None
    whose = tools.tenant_of(target.slice_id)
    return tools.device.why_not_movable(target.identity.pid, target.gpu_id, whose)


def _let_come_back(
    tools: MoveTools, target: Target, outcome: MoveOutcome, why_not_now: Callable[[], str]
) -> tuple[Objection | None, ProcessState | None]:
    """Let the driver bring a suspended process back; return why it is not, and its state."""
    tools.journal.write(Step.RESUMING, [target])
    obstacle = "what is on its GPU is not known"
    try:
        obstacle = _answer(why_not_now)
    finally:
        # Whatever it was: nobody who finds it in the journal has to wait for its arrival.
        if obstacle:
            tools.journal.write(Step.SUSPENDED, [target])
    if obstacle:
        return Objection(MoveEnd.PUT_OFF, obstacle, target), ProcessState.SUSPENDED
    failure, state = _moved(tools, target, lambda pid: tools.device.resume(pid, target.mapping))
    if state is not ProcessState.SUSPENDED:
        return None, state
    if target.mapping is not None and isinstance(failure, ResumeRefusedError):
        # Not there: where it was it may come back all the same.
        outcome.stays = Stays(Staying.REFUSED, str(failure))
    elif isinstance(failure, OutOfGpuMemoryError | ResumeRefusedError):
        # It may be poisoned; an error that passes looks the same, so it is tried again.
        outcome.refused[target.identity] = str(failure)
    # It is no longer on its way: nobody who finds it so has to wait for its arrival.
    tools.journal.write(Step.SUSPENDED, [target])
    detail = f"it is still suspended: {failure or 'no error was told'}"
    return Objection(MoveEnd.PUT_OFF, detail, target), state


def restore_one(
    tools: MoveTools, target: Target, outcome: MoveOutcome, why_not_now: Callable[[], str]
) -> Objection | None:
    """Move one suspended process back, paused; return why the move cannot go on, or ``None``.

    ``why_not_now`` is asked last, right before the device is called: all else takes milliseconds,
    in which somebody may have begun to use the GPU. There must be room for it, and everybody else
    must stand still: only ``restore_all`` may call this. What became of the process is in
    ``outcome``. ``DeviceError`` where its state cannot be read.
    """
    pid = target.identity.pid
    if not tools.table.is_alive(target.identity):
        outcome.gone.add(target.identity)
        return None
    # The driver's word counts: an agent before this one may have got further than it noted.
    state = tools.device.state(pid)
    if state is ProcessState.SUSPENDED:
        objection, state = _let_come_back(tools, target, outcome, why_not_now)
        if objection is not None:
            return objection
    if not tools.table.is_alive(target.identity):
        outcome.gone.add(target.identity)
        return None
    if state is ProcessState.FAILED:
        outcome.lost[target.identity] = "the driver gave it up"
        return None
    if state is None:
        # It has given its CUDA context back: nothing of it is on the GPU or in an image.
        outcome.gone.add(target.identity)
        return None
    target = target.on_its_card
    tools.perhaps_on.pop(target.identity, None)
    tools.paused_processes.exchange(target, PauseReason.SUSPENDED, PauseReason.MOVE)
    tools.host.release(target.identity)
    outcome.on_gpu.add(target.identity)
    tools.journal.write(Step.RESUMED, [target])
    return None
