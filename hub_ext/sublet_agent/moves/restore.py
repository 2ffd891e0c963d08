"""Bring processes back: never without room, and with nobody running who could take it.

The order: pause every other process on the GPU, but for one that is stopped and could not answer;
freeze the other slices' control groups, so that nobody does anything there, is let go on, or is
born; list again, until two listings agree, and pause who was born meanwhile elsewhere; read the
card's own count of its free memory; compare it with what is needed and a margin; only then restore,
looking again before each process, and once more when all is written down and only the call is
left; thaw, and only then let the others run. Nothing is restored beside a process of no slice that
is not frozen; one that begins to use the card during a restore is frozen as soon as the card lists
it. Where there is no freezer, or a process is in nobody's group, whoever is born during the restore
is paused then, and beside one that is stopped nothing is restored: anybody may let it go on. On a
time-out everybody runs on and nothing is restored. This module alone calls ``restore_one``.
"""

import contextlib
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sublet_agent.cgroups.freezer import FrozenNeighbours
from sublet_agent.devices.interface import DeviceError, GpuProcess, StandsStillError
from sublet_agent.errors import JournalError
from sublet_agent.moves.one_process import restore_one, why_not_there
from sublet_agent.moves.pausing import PauseReason
from sublet_agent.moves.plan import MoveOutcome, MovePlan, MoveTools
from sublet_agent.moves.watches import meanwhile
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.state_files.journal import Target

log = logging.getLogger(__name__)


def restore_all(tools: MoveTools, plan: MovePlan, outcome: MoveOutcome) -> str:
    """Bring the plan's processes back, paused; return why not all of them, or ``""``.

    Who came back is in ``outcome.on_gpu`` and held for the move. All others run on.
    """
    waiting = [t for t in plan.processes if tools.table.is_alive(t.identity)]
    outcome.gone.update(t.identity for t in plan.processes if t not in waiting)
    if not waiting:
        return ""
    others = _Others(tools, plan)
    pids = [t.identity.pid for t in waiting]
    within_s = tools.settings.freeze_within_s
    try:
        for each in waiting:
            # One that is stopped, or in a call that the driver does not end, keeps nobody waiting.
            tools.device.state(each.identity.pid)
            outcome.stays = outcome.stays or why_not_there(tools, each)
        if outcome.stays is not None:
            return outcome.stays.clause
        # Paused before they are frozen: the driver cannot pause who does not answer. One that is
        # stopped must be frozen, so that nobody lets it go on: looked at below.
        obstacle = others.stop(but_stopped=True)
        if obstacle:
            return obstacle
        with tools.freezer.freeze_neighbours(
            plan.gpu_id, plan.slice_id, pids, within_s
        ) as stillness:
            others.stillness = stillness
            return stillness.problem or _restore_while_still(tools, waiting, outcome, others)
    except (DeviceError, JournalError) as error:
        return str(error)
    except Exception as error:  # whatever it was, everybody must run on
        log.exception("slice %s could not be brought back, unexpectedly", plan.slice_id)
        return repr(error)
    finally:
        # Thawed by now, or the driver could not let them run.
        tools.paused_processes.release(others.paused, PauseReason.MOVE)


def _restore_while_still(
    tools: MoveTools, waiting: list[Target], outcome: MoveOutcome, others: "_Others"
) -> str:
    began = tools.monotonic()
    came_mib = 0
    while waiting:
        obstacle = others.stop_until_nothing_changes() or _no_room(tools, waiting, came_mib)
        if obstacle:
            return obstacle
        left = tuple(waiting)
        target = waiting.pop(0)

        def why_not_now(left: Sequence[Target] = left, came_mib: int = came_mib) -> str:
            return others.stop() or _no_room(tools, left, came_mib)

        free_mib = _free_mib(tools, left)
        with _nobody_born_runs(others):
            objection = restore_one(tools, target, outcome, why_not_now)
        if objection is not None:
            return objection.detail
        if target.identity in tools.caps_mib:
            came_mib += max(0, free_mib - _free_mib(tools, left))
        if target.identity in outcome.on_gpu:
            outcome.moved_mib += target.image_mib
            outcome.moved_s = tools.monotonic() - began
    return ""


@contextlib.contextmanager
def _nobody_born_runs(others: "_Others") -> Iterator[None]:
    """Pause every process that begins to use the GPU while the block lasts."""

    def look() -> None:
        with contextlib.suppress(DeviceError, JournalError, OSError):
            others.stillness.look_again()
            others.stop()

    with meanwhile(look, "born-meanwhile"):
        yield


class _Others:
    """Everybody on the GPU but the processes that come back."""

    def __init__(self, tools: MoveTools, plan: MovePlan) -> None:
        self._tools = tools
        self._gpu_id = plan.gpu_id
        self._own = {t.identity for t in plan.processes}
        self._listed: frozenset[tuple[int, int | None]] = frozenset()
        self.paused: list[Target] = []
        self.stillness = FrozenNeighbours()

    def stop_until_nothing_changes(self) -> str:
        """Stop all, until two listings agree; return why that is not possible now, or ``""``.

        What somebody had asked of the driver right before they froze may still be done after.
        """
        before: frozenset[tuple[int, int | None]] | None = None
        for _ in range(self._tools.settings.listing_rounds):
            obstacle = self.stop()
            if obstacle or self._listed == before:
                return obstacle
            before = self._listed
        return "what is on this GPU does not stop changing"

    def stop(self, *, but_stopped: bool = False) -> str:
        """Pause each process that does not stand still; return why that fails, or ``""``.

        ``but_stopped``: one that cannot be paused, for it is stopped or no slice's, is no failure:
        it may be frozen yet.
        """
        tools = self._tools
        passed_over: set[ProcessIdentity] = set()
        for _ in range(tools.settings.listing_rounds):
            listed = tools.device.processes(self._gpu_id)
            at_large = self._at_large(listed, passed_over)
            # First, also where somebody is at large beside whom nothing is restored: what is on
            # its way back already needs each of these still.
            failure = self._pause(at_large.born, passed_over, but_stopped=but_stopped)
            if failure:
                return failure
            if at_large.strangers and not but_stopped:
                return f"process {at_large.strangers[0]} on this GPU belongs to no slice"
            if not at_large.born and not at_large.ending:
                self._listed = frozenset((p.pid, p.memory_mib) for p in listed)
                return ""
        return "processes start and end on this GPU faster than they can be paused"

    def _pause(
        self, born: Sequence[Target], passed_over: set[ProcessIdentity], *, but_stopped: bool
    ) -> str:
        """Pause these; return why one cannot be, or ``""``.

        ``but_stopped``: those that are stopped go into ``passed_over``, and are no failures.
        """
        tools = self._tools
        failures = tools.paused_processes.pause(
            born, PauseReason.MOVE, tools.settings.pause_timeout_ms
        )
        failed = {f.target.identity for f in failures}
        self.paused.extend(t for t in born if t.identity not in failed)
        for failure in failures:
            if but_stopped and isinstance(failure.error, StandsStillError):
                passed_over.add(failure.target.identity)
            elif not failure.gone:
                pid = failure.target.identity.pid
                return f"process {pid} beside it cannot be paused: {failure.error}"
        return ""

    def _at_large(
        self, listed: Iterable[GpuProcess], passed_over: Collection[ProcessIdentity]
    ) -> "_AtLarge":
        """Return whom the card lists that does not stand still."""
        tools, found = self._tools, _AtLarge()
        for process in listed:
            target = tools.whose(process.pid, self._gpu_id)
            if target is not None:
                if not (self._stands_still(target) or target.identity in passed_over):
                    found.born.append(target)
            elif tools.table.identify(process.pid) is None:
                found.ending = True
            elif not self.stillness.has_frozen(process.pid):
                found.strangers.append(process.pid)
                tools.freezer.note_stranger(self._gpu_id, process.pid)
                self.stillness.hold(process.pid)
        return found

    def _stands_still(self, target: Target) -> bool:
        identity = target.identity
        # There is one move at a time on a GPU: whoever is held for it, is held for this one.
        held = identity in self._own or PauseReason.MOVE in self._tools.paused_processes.of(
            identity
        )
        return held or self.stillness.has_frozen(identity.pid)


@dataclass(slots=True)
class _AtLarge:
    """The processes on a GPU that do not stand still, in one listing."""

    born: list[Target] = field(default_factory=list)
    strangers: list[int] = field(default_factory=list)
    """Those of no slice, by pid."""
    ending: bool = False
    """Whether somebody was listed who had ended by the time they were looked at."""


def _no_room(tools: MoveTools, waiting: Sequence[Target], came_mib: int) -> str:
    """Return that the room for all that still waits is missing, with the amounts, or ``""``.

    ``came_mib``: what those have used in this move of which nobody knew how much they need.
    """
    if tools.settings.skip_room_check:
        return ""
    known = sum(t.image_mib for t in waiting if t.identity not in tools.caps_mib)
    caps = (tools.caps_mib[t.identity] for t in waiting if t.identity in tools.caps_mib)
    need_mib = known + max(0, max(caps, default=0) - came_mib) + tools.settings.margin_mib
    free_mib = _free_mib(tools, waiting)
    if free_mib >= need_mib:
        return ""
    return f"{free_mib} MiB are free, and {need_mib} MiB are needed with the margin"


def _free_mib(tools: MoveTools, waiting: Sequence[Target]) -> int:
    """Return how much is free on each card on which these may come back."""
    perhaps = (tools.perhaps_on.get(t.identity, frozenset()) for t in waiting)
    cards = frozenset((waiting[0].gpu_id,)).union(*perhaps)
    return min(tools.device.memory(gpu_id).free_mib for gpu_id in cards)
