"""Bring processes back: never without room, and with nobody running who could take it.

The order: pause every other process on the GPU; list again, and pause who was born meanwhile,
until nobody is; read the card's own count of its free memory; compare it with what is needed and
a margin; only then restore, looking again before each process. A restore takes seconds, so while
it is under way whoever is born is paused as soon as the card lists it. On a time-out everybody
runs on and nothing is restored. This module alone calls ``restore_one``.
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Final

from sublet_agent.devices.interface import DeviceError
from sublet_agent.errors import JournalError
from sublet_agent.holds import Hold
from sublet_agent.journal import Target
from sublet_agent.transitions.moves import MoveOutcome, MovePlan, MoveTools
from sublet_agent.transitions.single import restore_one

_WATCH_EVERY_S: Final = 0.02


def restore_all(tools: MoveTools, plan: MovePlan, outcome: MoveOutcome) -> str:
    """Bring the plan's processes back, paused; returns why not all of them, or ``""``.

    Who came back is in ``outcome.on_gpu`` and held for the move. All others run on.
    """
    neighbours: list[Target] = []
    try:
        return _restore_while_still(tools, plan, outcome, neighbours)
    except (DeviceError, JournalError) as error:
        return str(error)
    finally:
        tools.holds.release(neighbours, Hold.MOVE)


def _restore_while_still(
    tools: MoveTools, plan: MovePlan, outcome: MoveOutcome, neighbours: list[Target]
) -> str:
    waiting = [t for t in plan.processes if tools.table.is_alive(t.identity)]
    outcome.gone.update(t.identity for t in plan.processes if t not in waiting)
    began = tools.monotonic()
    while waiting:
        obstacle = _stop_the_others(tools, plan, neighbours) or _no_room(tools, plan, waiting)
        if obstacle:
            return obstacle
        target = waiting.pop(0)
        with _nobody_born_runs(tools, plan, neighbours):
            objection = restore_one(tools, target, outcome)
        if objection is not None:
            return objection.detail
        if target.identity in outcome.on_gpu:
            outcome.moved_mib += target.image_mib
            outcome.moved_s = tools.monotonic() - began
    return ""


@contextlib.contextmanager
def _nobody_born_runs(tools: MoveTools, plan: MovePlan, neighbours: list[Target]) -> Iterator[None]:
    """Pause who begins to use the GPU while the block lasts; they become neighbours."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_WATCH_EVERY_S):
            with contextlib.suppress(DeviceError, JournalError):
                _stop_the_others(tools, plan, neighbours)

    watcher = threading.Thread(target=watch, name="born-meanwhile")
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _stop_the_others(tools: MoveTools, plan: MovePlan, neighbours: list[Target]) -> str:
    """Pause everybody else on the GPU; returns why that is not possible now, or ``""``."""
    own = {t.identity for t in plan.processes}
    for _ in range(tools.settings.listing_rounds):
        born: list[Target] = []
        for process in tools.device.processes(plan.gpu_id):
            target = tools.whose(process.pid, plan.gpu_id)
            if target is None:
                return f"process {process.pid} on this GPU belongs to no slice"
            # There is one move at a time on a GPU: whoever is held for it, is held for this one.
            held = Hold.MOVE in tools.holds.of(target.identity)
            if target.identity not in own and not held:
                born.append(target)
        if not born:
            return ""
        failures = tools.holds.pause(born, Hold.MOVE, tools.settings.pause_timeout_ms)
        failed = {f.target.identity for f in failures}
        neighbours.extend(t for t in born if t.identity not in failed)
        for failure in failures:
            if not failure.gone:
                pid = failure.target.identity.pid
                return f"process {pid} beside it cannot be paused: {failure.error}"
    return "processes are started on this GPU faster than they can be paused"


def _no_room(tools: MoveTools, plan: MovePlan, waiting: Sequence[Target]) -> str:
    """Return how much room is missing for all that still waits, or ``""``."""
    if tools.settings.skip_room_check:
        return ""
    need_mib = sum(t.image_mib for t in waiting) + tools.settings.margin_mib
    free_mib = tools.device.memory(plan.gpu_id).free_mib
    if free_mib >= need_mib:
        return ""
    return f"{free_mib} MiB are free, and {need_mib} MiB are needed with the margin"
