"""Suspend a slice: all of its processes, or none.

The order: look whether each may be moved; lift the driver's limit; pause them all, those born
meanwhile included; set host memory aside; only then move one after the other, looking again right
before, written down first and verified after. On any error what was moved is brought back the safe
way, and everybody runs on.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from sublet_quota.reasons.obstacles import Obstacle

from sublet_agent.devices.interface import DeviceError, GpuProcess, NotSupportedError
from sublet_agent.errors import JournalError
from sublet_agent.moves.one_process import Objection, suspend_one, why_not_suspend
from sublet_agent.moves.pausing import PauseReason
from sublet_agent.moves.plan import MoveEnd, MoveOutcome, MovePlan, MoveTools, UndoSwitch
from sublet_agent.moves.restore import restore_all
from sublet_agent.state_files.journal import Target

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Course:
    """The state of a suspend under way."""

    tools: MoveTools
    plan: MovePlan
    outcome: MoveOutcome = field(default_factory=MoveOutcome)
    paused: dict[int, Target] = field(default_factory=dict)
    """The processes that this move holds, by pid."""
    moved: list[Target] = field(default_factory=list)


def suspend_slice(tools: MoveTools, plan: MovePlan, undo: UndoSwitch) -> MoveOutcome:
    """Move all processes of the slice to host memory, or leave all; return what became of them."""
    began = tools.monotonic()
    course = _Course(tools, plan)
    try:
        objection = _why_not(course) or _lift_limit(course) or _pause_all(course)
        if objection is None and not undo.begin_moving():
            objection = Objection(MoveEnd.UNDONE, "its owner is active again")
        if objection is None:
            objection = _move_all(course)
    except (DeviceError, JournalError) as error:
        objection = Objection(MoveEnd.PUT_OFF, str(error))
    except Exception as error:  # whatever it was, everybody must run on
        log.exception("suspending slice %s failed unexpectedly", plan.slice_id)
        objection = Objection(MoveEnd.PUT_OFF, repr(error))
    if objection is not None:
        course.outcome.end = objection.end
        course.outcome.detail = objection.detail
        course.outcome.obstacle = objection.obstacle
        course.outcome.blame = objection.blame.identity if objection.blame else None
        _bring_back(course)
    _let_the_rest_run(course)
    tools.limits.move_ended(plan.slice_id)
    for identity in course.outcome.gone:
        tools.host.release(identity)
    course.outcome.took_s = tools.monotonic() - began
    return course.outcome


def _why_not(course: _Course) -> Objection | None:
    found = (why_not_suspend(course.tools, t) for t in course.plan.processes)
    return next((o for o in found if o is not None), None)


def _lift_limit(course: _Course) -> Objection | None:
    """Lift the driver's limit; return why that fails: nobody knows what a move does under it."""
    problem = course.tools.limits.lift_for_move(course.plan.slice_id, course.plan.gpu_id)
    return Objection(MoveEnd.PUT_OFF, problem) if problem else None


def _pause_all(course: _Course) -> Objection | None:
    """Pause every process of the slice, and reserve room; return why that fails, or ``None``."""
    tools, plan = course.tools, course.plan
    fresh = list(plan.processes)
    for _ in range(tools.settings.listing_rounds):
        failures = tools.paused_processes.pause(
            fresh, PauseReason.MOVE, tools.settings.pause_timeout_ms
        )
        failed = {f.target.identity for f in failures}
        course.paused.update({t.identity.pid: t for t in fresh if t.identity not in failed})
        course.outcome.gone.update(f.target.identity for f in failures if f.gone)
        for failure in failures:
            if not failure.gone:
                refused = isinstance(failure.error, NotSupportedError)
                end = MoveEnd.REFUSED if refused else MoveEnd.PUT_OFF
                obstacle = Obstacle.NOT_SUPPORTED if refused else None
                detail = f"it cannot be paused: {failure.error}"
                return Objection(end, detail, failure.target, obstacle)
        listed = tools.device.processes(plan.gpu_id)
        fresh = _born_meanwhile(course, listed)
        if not fresh:
            return _take_stock(course, {p.pid: p.memory_mib for p in listed})
    return Objection(MoveEnd.PUT_OFF, "it starts processes faster than they can be paused")


def _born_meanwhile(course: _Course, listed: Iterable[GpuProcess]) -> list[Target]:
    plan = course.plan
    unknown = [p.pid for p in listed if p.pid not in course.paused]
    found = (course.tools.whose(pid, plan.gpu_id) for pid in unknown)
    return [t for t in found if t is not None and t.slice_id == plan.slice_id]


def _take_stock(course: _Course, held_mib: dict[int, int | None]) -> Objection | None:
    """Reserve host memory for what each paused process holds; return why not, or ``None``."""
    tools = course.tools
    for pid, target in tuple(course.paused.items()):
        if pid in held_mib:
            image_mib = held_mib[pid]
            if image_mib is None:
                detail = f"the GPU does not tell how much memory process {pid} holds"
                return Objection(MoveEnd.REFUSED, detail, target, Obstacle.MEMORY_UNKNOWN)
            course.paused[pid] = replace(target, image_mib=image_mib)
            tools.caps_mib.pop(target.identity, None)
        else:
            # It left the GPU before it was paused: nothing of it is to be moved.
            del course.paused[pid]
            tools.paused_processes.release([target], PauseReason.MOVE)
            course.outcome.gone.add(target.identity)
    wanted = {t.identity: t.image_mib for t in course.paused.values()}
    most_mib = tools.device.memory(course.plan.gpu_id).total_mib - tools.settings.margin_mib
    if sum(wanted.values()) > most_mib:
        detail = f"it holds {sum(wanted.values())} MiB, and only {most_mib} MiB could come back"
        return Objection(MoveEnd.PUT_OFF, detail)
    if not tools.host.reserve(wanted):
        detail = f"{sum(wanted.values())} MiB do not fit in the host memory set aside for images"
        return Objection(MoveEnd.PUT_OFF, detail)
    return None


def _move_all(course: _Course) -> Objection | None:
    tools, plan = course.tools, course.plan
    # Here, where it keeps nobody waiting: they must not be frozen when they come back.
    tools.freezer.set_apart(plan.slice_id, list(course.paused))
    began = tools.monotonic()
    for target in tuple(course.paused.values()):
        objection = suspend_one(tools, target, course.outcome)
        if objection is not None:
            return objection
        if target.identity in course.outcome.suspended:
            course.moved.append(target)
    course.outcome.moved_mib = sum(t.image_mib for t in course.moved)
    course.outcome.moved_s = tools.monotonic() - began
    return None


def _bring_back(course: _Course) -> None:
    """Undo what was moved. A process that cannot come back now stays whole in host memory."""
    plan = MovePlan(course.plan.slice_id, course.plan.gpu_id, tuple(course.moved))
    restore_all(course.tools, plan, course.outcome)
    for identity in (*course.outcome.on_gpu, *course.outcome.lost, *course.outcome.gone):
        course.outcome.suspended.pop(identity, None)


def _let_the_rest_run(course: _Course) -> None:
    tools, outcome = course.tools, course.outcome
    on_gpu = [t for t in course.paused.values() if t.identity not in outcome.suspended]
    if outcome.suspended:
        # Part of its slice is away: it must not run without the rest.
        for target in on_gpu:
            tools.paused_processes.exchange(target, PauseReason.MOVE, PauseReason.SLICE)
    else:
        tools.paused_processes.release(on_gpu, PauseReason.MOVE)
    for target in on_gpu:
        tools.host.release(target.identity)
        if tools.table.is_alive(target.identity):
            outcome.on_gpu.add(target.identity)
