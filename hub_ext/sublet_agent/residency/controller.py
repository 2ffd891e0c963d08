"""One GPU's residency: ask the policy, do what it says, one move of memory at a time.

Runs on the event loop; whatever blocks runs in threads. A step judges the slices' activity,
shows the policy a snapshot and acts on the answer in its order: first jobs are paused, then gates
open, then one move of memory begins. Events (a cell at the gate, a move that ended, a new sample)
lead to the next step at once; nothing waits for a tick.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.names.ids import SliceId
from sublet_quota.residency.actions import (
    Action,
    Decision,
    Evict,
    OpenGate,
    Pause,
    Resume,
    Suspend,
    Undo,
    Unpause,
    Wait,
)
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import TransitionKind
from sublet_quota.wire.event_kinds import EventKind

from sublet_agent.clock import Clock
from sublet_agent.moves.plan import MovePlan, MoveTools, UndoSwitch
from sublet_agent.moves.resume import resume_slice
from sublet_agent.moves.suspend import suspend_slice
from sublet_agent.residency.eviction import Eviction
from sublet_agent.residency.job_pauses import JobPauses
from sublet_agent.residency.move_results import EndedMove, take_over
from sublet_agent.residency.snapshots import NodeConditions, assemble
from sublet_agent.residency.state import RunningMove, ServedGpu, ServedSlice
from sublet_agent.state_files.event_log import RecordEvent
from sublet_agent.state_files.open_gates import OpenGates, OpenGatesFile

_STEP_FAILED_WAIT_S: Final = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ResidencyTools:
    """What the residency of every GPU of the node works with."""

    moves: MoveTools
    calls: Executor
    """For pausing and unpausing: short calls, never waiting behind a move of memory."""
    clock: Clock
    record: RecordEvent
    changed: Callable[[], None]
    """Called after something changed that the hub service should see at once."""
    lending: Callable[[], bool]
    eviction: Eviction
    promises: OpenGatesFile


class GpuResidency:
    """Decides and acts for one GPU."""

    def __init__(self, gpu: ServedGpu, tools: ResidencyTools) -> None:
        self.gpu = gpu
        self.slices: dict[SliceId, ServedSlice] = {}
        self._tools = tools
        self._pauses = JobPauses(tools.moves.holds, tools.calls, self._record)
        self.look_again: Callable[[], None] = _nobody_looks
        """Asks for a new sample at once."""
        self.acting = asyncio.Lock()
        """Held while decisions are acted on: who lets processes run beside that takes it too."""
        self._dirty = False
        self._begun = False
        self._stopping = False
        self._stepping: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """What is on the GPU is known: from now on decide and act."""
        self._begun = True
        self.poke()

    def poke(self) -> None:
        """Something happened: step as soon as the one in progress is over."""
        self._dirty = True
        # On a card of which nothing was seen yet, everything would seem to be free.
        known = self.gpu.measured or self.gpu.closed is not None
        if self._stepping is None and self._begun and known and not self._stopping:
            self._stepping = asyncio.get_running_loop().create_task(self._steps())

    async def stop(self) -> None:
        """Begin nothing more, and wait for the move in flight."""
        self._stopping = True
        if self.gpu.move is not None:
            self.gpu.move.undo.ask()
        pending = [t for t in (self._stepping, *self._background) if t is not None]
        await asyncio.gather(*pending, return_exceptions=True)

    def managed(self) -> list[ServedSlice]:
        """Return the slices that the policy decides about, in a steady order."""
        moving = self.gpu.move.slice_id if self.gpu.move is not None else None
        return [
            s
            for _, s in sorted(self.slices.items())
            if s.assignment is not None or s.away() or s.slice_id == moving
        ]

    async def _steps(self) -> None:
        try:
            while self._dirty and not self._stopping:
                async with self.acting:
                    self._dirty = False
                    await self._step()
        except Exception:
            # The loop must go on: a slice that waits here waits for ever otherwise.
            log.exception("GPU %s: a step failed; it is tried again", self.gpu.gpu.gpu_id)
            asyncio.get_running_loop().call_later(_STEP_FAILED_WAIT_S, self.poke)
        finally:
            self._stepping = None
        if self._dirty:
            self.poke()

    async def _step(self) -> None:
        now = self._tools.clock.now()
        managed = self.managed()
        for served in managed:
            self._judge(served, now)
        self._count_orphans(managed)
        snapshot = assemble(
            self.gpu,
            managed,
            NodeConditions(
                now,
                lending=self._tools.lending(),
                margin_mib=self._tools.moves.settings.margin_mib,
                host_free_mib=self._tools.moves.host.free_mib(),
                ahead=self._tools.clock.ahead(),
                unsafe_skip_room_check=self._tools.moves.settings.skip_room_check,
            ),
        )
        decision = decide(snapshot)
        acted = await self._act(decision, now)
        self._keep_promises()
        if acted:
            self._tools.changed()

    def _count_orphans(self, managed: list[ServedSlice]) -> None:
        """What is left of released slices is in no view, and takes room nonetheless."""
        known = {s.slice_id for s in managed}
        self.gpu.orphans_mib = sum(
            s.held_mib() for s in self.slices.values() if s.slice_id not in known
        )

    def _keep_promises(self) -> None:
        now = self._tools.clock.now()
        slices = self.slices.values()
        promised = OpenGates(
            frozenset(s.slice_id for s in slices if s.gate_open),
            frozenset(s.slice_id for s in slices if s.past_the_gate(now)),
        )
        self._tools.promises.keep(self.gpu.gpu.gpu_id, promised)

    def _judge(self, served: ServedSlice, now: datetime) -> None:
        """Bring activity, promise and waiting in line with each other."""
        if served.is_job or served.assignment is None:
            active = served.active
        else:
            before = served.activity
            pool = self.gpu.pool
            if served.waiting_since is not None and served.somebody_waits:
                served.account.waits_for_its_turn(now)
            if served.requests:
                served.account.cell_waits(now)
            served.activity = served.account.judge(self.gpu.idle_after, pool.lend_at_least, now)
            active = served.activity.active
            if before is not None and before.active is not active:
                self._record(EventKind.ACTIVE if active else EventKind.IDLE, served)
                self._tools.changed()
        if not active:
            served.gate_open, served.turn_since, served.waiting_since = False, None, None
            self._show_wait(served, None)
        elif not served.gate_open and served.waiting_since is None:
            served.waiting_since = now

    async def _act(self, decision: Decision, now: datetime) -> bool:
        """Take the actions in their order; tells whether anything was done."""
        try:
            return await self._take_all(decision, now)
        finally:
            # After the moves began, so that it can be said how long they take.
            waits = {w.slice_id: w for w in decision.waits}
            for served in self.slices.values():
                if not served.gate_open:
                    self._show_wait(served, waits.get(served.slice_id))

    async def _take_all(self, decision: Decision, now: datetime) -> bool:
        pauses = [self.slices[a.slice_id] for a in decision.actions if isinstance(a, Pause)]
        paused = not pauses or await self._pauses.pause(pauses, now)
        if pauses:
            # A process that began since the last sample stands still as soon as it is seen.
            self.look_again()
        if not paused:
            # Nobody is promised anything while who should stand still may run on.
            asyncio.get_running_loop().call_later(_STEP_FAILED_WAIT_S, self.poke)
            return True
        unpauses = [self.slices[a.slice_id] for a in decision.actions if isinstance(a, Unpause)]
        if unpauses:
            await self._pauses.unpause(unpauses)
        taken = [self._take(action, now) for action in decision.actions]
        return any(taken)

    def _take(self, action: Action, now: datetime) -> bool:
        served = self.slices.get(action.slice_id)
        if served is None:
            return False
        match action:
            case Pause() | Unpause():
                return True
            case OpenGate():
                return self._open_gate(served, now)
            case Suspend():
                return self._begin(served, TransitionKind.SUSPENDING, action.room_for, now)
            case Resume():
                return self._begin(served, TransitionKind.RESUMING, None, now)
            case Undo():
                return self.gpu.move is not None and self.gpu.move.undo.ask()
            case Evict():
                return self._evict(served, action)

    def _open_gate(self, served: ServedSlice, now: datetime) -> bool:
        if not served.active or served.gate_open:
            return False
        waited = served.waiting_since
        served.gate_open, served.turn_since, served.waiting_since = True, now, None
        served.paused = False
        self._keep_promises()
        self._show_wait(served, None)
        for request in tuple(served.requests):
            request.changed()
        took_s = 0.0 if waited is None else (now - waited).total_seconds()
        self._record(EventKind.GATE_OPENED, served, took_s=took_s)
        return True

    def _begin(
        self, served: ServedSlice, kind: TransitionKind, room_for: SliceId | None, now: datetime
    ) -> bool:
        if self.gpu.move is not None or self._stopping:
            return False
        if served.not_before is not None and now < served.not_before:
            loop = asyncio.get_running_loop()
            loop.call_later((served.not_before - now).total_seconds(), self.poke)
            return False
        suspending = kind is TransitionKind.SUSPENDING
        processes = served.on_gpu() if suspending else served.away()
        plan = MovePlan(served.slice_id, self.gpu.gpu.gpu_id, served.targets(processes))
        rate = self.gpu.suspend_mib_per_s if suspending else self.gpu.resume_mib_per_s
        move = RunningMove(
            slice_id=served.slice_id,
            kind=kind,
            undo=UndoSwitch(),
            began=now,
            bytes_mib=plan.bytes_mib,
            expected_s=plan.bytes_mib / rate,
            room_for=room_for,
        )
        if suspending:
            served.gate_open, served.turn_since = False, None
            served.waiting_since = now if served.active else None
        self.gpu.move = move
        self.gpu.generation += 1
        self._in_background(self._move(served, plan, move))
        return True

    async def _move(self, served: ServedSlice, plan: MovePlan, move: RunningMove) -> None:
        moves = self._tools.moves
        try:
            if move.kind is TransitionKind.SUSPENDING:
                outcome = await asyncio.to_thread(suspend_slice, moves, plan, move.undo)
            else:
                outcome = await asyncio.to_thread(resume_slice, moves, plan)
            ended = EndedMove(served, move, outcome, self._tools.clock.now())
            take_over(self.gpu, ended, self._tools.record)
        except Exception:
            log.exception("GPU %s: a move failed unexpectedly", self.gpu.gpu.gpu_id)
            served.not_before = self._tools.clock.now() + timedelta(seconds=5)
        finally:
            self.gpu.move = None
            self.gpu.generation += 1
            self._tools.changed()
            self.poke()

    def _evict(self, served: ServedSlice, action: Evict) -> bool:
        if served.evicting:
            return False
        served.evicting, served.gate_open = True, False
        self._record(EventKind.EVICTED, served, for_slice_id=action.room_for, detail=action.reason)
        current = lambda: served.targets(served.processes.values())  # noqa: E731
        self._in_background(self._tools.eviction.end(current))
        return True

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _show_wait(self, served: ServedSlice, wait: Wait | None) -> None:
        if served.wait != wait:
            served.wait = wait
            for request in tuple(served.requests):
                request.changed()

    def _record(
        self,
        kind: EventKind,
        served: ServedSlice,
        *,
        for_slice_id: SliceId | None = None,
        took_s: float = 0.0,
        detail: str = "",
    ) -> None:
        self._tools.record(
            kind,
            self.gpu.gpu.gpu_id,
            served.slice_id,
            for_slice_id=for_slice_id,
            took_s=took_s,
            detail=detail,
        )


def _nobody_looks() -> None:
    """There is no sampler yet."""
