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
from dataclasses import dataclass, field
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
)
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import TransitionKind
from sublet_quota.residency.takes_in import takes_in
from sublet_quota.wire.event_kinds import EventKind

from sublet_agent.clock import Clock
from sublet_agent.moves.plan import MovePlan, MoveTools, UndoSwitch
from sublet_agent.moves.resume import resume_slice
from sublet_agent.moves.suspend import suspend_slice
from sublet_agent.residency.compute_shares import ComputeShares, TurnSettings
from sublet_agent.residency.eviction import Eviction
from sublet_agent.residency.job_pauses import JobPauses
from sublet_agent.residency.move_results import EndedMove, take_over
from sublet_agent.residency.served_gpu import RunningMove, ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.residency.snapshots import NodeConditions, assemble, view_on_another_card
from sublet_agent.state_files.event_log import RecordEvent
from sublet_agent.state_files.open_gates import OpenGates, OpenGatesFile

_STEP_FAILED_WAIT_S: Final = 0.5
_BROKEN_MOVE_WAIT: Final = timedelta(seconds=5)
_CHANGES_CARD_WITHIN: Final = timedelta(seconds=0.5)
"""How long a slice that has left for another card waits for that, before it may come back here."""
_GOES_BACK_WITHIN: Final = timedelta(seconds=3)
"""How long one that was refused here waits to be bound for the card that it left, before it is
tried here again: that may have to wait for a measurement.
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ResidencyTools:
    """The things that the residency of every GPU of the node works with."""

    moves: MoveTools
    calls: Executor
    """The threads for pausing and unpausing: short calls, never waiting behind a move of memory."""
    clock: Clock
    record: RecordEvent
    changed: Callable[[], None]
    """Called after something changed that the hub service should see at once."""
    lending: Callable[[], bool]
    eviction: Eviction
    open_gates: OpenGatesFile
    compute_turns: TurnSettings = field(default_factory=TurnSettings)
    """How shares of a card's compute are kept by turns."""
    is_being_looked_for: Callable[[SliceId], bool] = lambda _: False
    """Whether it is not known yet who of a slice is suspended: then its gate stays closed."""


class GpuResidency:
    """The loop that decides about the slices of one GPU, and acts."""

    def __init__(self, gpu: ServedGpu, tools: ResidencyTools) -> None:
        self.gpu = gpu
        self.slices: dict[SliceId, ServedSlice] = {}
        self._tools = tools
        self.shares = ComputeShares(gpu, tools.moves, tools.calls, tools.compute_turns)
        """The turns by which shares of the card's compute are kept."""
        self.limits = tools.moves.limits
        self._pauses = JobPauses(tools.moves.paused_processes, tools.calls, self._record)
        self.look_again: Callable[[], None] = _nobody_looks
        """Asks for a new sample of the GPU at once."""
        self.move_ended: Callable[[], None] = _nobody_looks
        """Called when a move of memory is over."""
        self.acting = asyncio.Lock()
        """Held while decisions are acted on: who lets processes run beside that takes it too."""
        self._dirty = False
        self._begun = False
        self._stopping = False
        self._stepping: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Decide and act from now on; what is on the GPU must be known before."""
        self._begun = True
        self.poke()

    def poke(self) -> None:
        """Begin a step, or another one after the one in progress."""
        self._dirty = True
        # On a card of which nothing was seen yet, everything would seem to be free.
        known = self.gpu.measured or self.gpu.closed is not None
        if self._stepping is None and self._begun and known and not self._stopping:
            self._stepping = asyncio.get_running_loop().create_task(self._steps())

    async def stop(self) -> None:
        """Begin nothing more, and wait for the move in flight."""
        self._stopping = True
        await self.shares.end()
        if self.gpu.move is not None:
            self.gpu.move.undo.ask()
        pending = [t for t in (self._stepping, *self._background) if t is not None]
        await asyncio.gather(*pending, return_exceptions=True)

    def managed(self) -> list[ServedSlice]:
        """Return the slices that the policy decides about, in a steady order."""
        return [
            s
            for _, s in sorted(self.slices.items())
            if s.assignment is not None or s.processes.away() or self.gpu.is_moving(s.slice_id)
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
        decision = decide(assemble(self.gpu, managed, self._conditions(now)))
        acted = await self._act(decision, now)
        self._keep_promises()
        if acted:
            self._tools.changed()

    def _conditions(self, now: datetime) -> NodeConditions:
        return NodeConditions(
            now,
            lending=self._tools.lending(),
            margin_mib=self._tools.moves.settings.margin_mib,
            host_free_mib=self._tools.moves.host.free_mib(),
            ahead=self._tools.clock.ahead(),
            unsafe_skip_room_check=self._tools.moves.settings.skip_room_check,
        )

    def takes_in(self, served: ServedSlice, now: datetime) -> bool:
        """Whether a slice of another card would be brought back here next.

        For one with work, jobs and idle slices may have to make its room first.
        """
        gpu = self.gpu
        barred = gpu.closed is not None or gpu.is_outdated or gpu.unfit or gpu.reading.foreign
        if not self._begun or barred:
            return False
        node = self._conditions(now)
        here = assemble(self.gpu, self.managed(), node)
        view = view_on_another_card(served, node)
        return takes_in(here, view, at_work=served.active)

    def may_let_leave(self, served: ServedSlice, now: datetime) -> bool:
        """Whether a slice may be suspended now to come back on another card.

        It is an owner's without work, or a job's that stands still.
        """
        rests = served.move_failures.not_before
        return (
            self.gpu.move is None
            and not self._stopping
            and not served.gate_open
            and served.active is served.is_job
            and not served.past_the_gate(now)
            and served.unsuspendable() is None
            and not (self.gpu.unfit or self.gpu.reading.foreign)
            and (rests is None or rests <= now)
        )

    def begin_leaving(self, served: ServedSlice, now: datetime) -> None:
        """Suspend a slice that is to come back on another card; its owner's cell turns it back."""
        self._begin(served, TransitionKind.SUSPENDING, None, now, leaves=True)

    def is_being_looked_for(self, slice_id: SliceId) -> bool:
        """Whether it is not known yet who of a slice an agent before this one left suspended."""
        return self._tools.is_being_looked_for(slice_id)

    def _count_orphans(self, managed: list[ServedSlice]) -> None:
        """Count what is left of released slices: that is in no view, and takes room nonetheless."""
        known = {s.slice_id for s in managed}
        orphans = (s for s in self.slices.values() if s.slice_id not in known)
        self.gpu.note_orphans(sum(s.reckoned_mib() for s in orphans))

    def _keep_promises(self) -> None:
        now = self._tools.clock.now()
        slices = self.slices.values()
        promised = OpenGates(
            frozenset(s.slice_id for s in slices if s.gate_open),
            frozenset(s.slice_id for s in slices if s.past_the_gate(now)),
        )
        self._tools.open_gates.keep(self.gpu.gpu.gpu_id, promised)

    async def keep_shares(self) -> None:
        """Decide by the last sample who computes in turns, if anybody does."""
        may = self._begun and not self._stopping
        if self.shares.note(self.slices.values(), self._tools.clock.now(), may_begin=may):
            await self.shares.stop()

    def _judge(self, served: ServedSlice, now: datetime) -> None:
        gpu, measured = self.gpu, self.gpu.reading.measured_until
        if served.judge(gpu.idle_after, gpu.pool.lend_at_least, now, measured):
            self._record(EventKind.ACTIVE if served.active else EventKind.IDLE, served)
            self._tools.changed()

    async def _act(self, decision: Decision, now: datetime) -> bool:
        """Take the actions in their order; return whether anything was done."""
        try:
            return await self._take_all(decision, now)
        finally:
            # After the moves began, so that it can be said how long they take.
            waits = {w.slice_id: w for w in decision.waits}
            for served in self.slices.values():
                served.show_wait(waits.get(served.slice_id))

    async def _take_all(self, decision: Decision, now: datetime) -> bool:
        pauses = [self.slices[a.slice_id] for a in decision.actions if isinstance(a, Pause)]
        paused = not pauses or await self._pauses.pause(pauses, now)
        if pauses:
            # What they took since the last sample counts before anybody is promised the rest; and
            # a process that began since stands still as soon as it is seen.
            self.measure_anew()
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
        if self.is_being_looked_for(served.slice_id):
            # What of it is suspended is not known yet; who looks for that pokes.
            return False
        if self.gpu.is_outdated:
            # The sample that was asked for leads to the next step.
            self.look_again()
            return False
        waited = served.open_gate(now)
        if waited is None:
            return False
        # On disk before a cell runs: an agent after this one must know that it may.
        self._keep_promises()
        served.call_requests()
        self._record(EventKind.GATE_OPENED, served, took_s=waited.total_seconds())
        return True

    def _begin(
        self,
        served: ServedSlice,
        kind: TransitionKind,
        room_for: SliceId | None,
        now: datetime,
        *,
        leaves: bool = False,
    ) -> bool:
        if self.gpu.move is not None or self._stopping:
            return False
        not_before = served.move_failures.not_before
        if not_before is not None and now < not_before:
            loop = asyncio.get_running_loop()
            loop.call_later((not_before - now).total_seconds(), self.poke)
            return False
        suspending = kind is TransitionKind.SUSPENDING
        processes = served.processes.on_gpu() if suspending else served.processes.away()
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
            may_grow=suspending and (served.gate_open or served.past_the_gate(now)),
            leaves=leaves,
        )
        if suspending:
            served.begin_suspend(now)
        self.gpu.begin_move(move)
        self._in_background(self._move(served, plan, move))
        return True

    async def _move(self, served: ServedSlice, plan: MovePlan, move: RunningMove) -> None:
        moves = self._tools.moves
        try:
            # Nobody is paused for a turn while memory moves.
            await self.shares.stop()
            if move.kind is TransitionKind.SUSPENDING:
                outcome = await asyncio.to_thread(suspend_slice, moves, plan, move.undo)
            else:
                outcome = await asyncio.to_thread(resume_slice, moves, plan)
            ended = EndedMove(served, move, outcome, self._tools.clock.now())
            take_over(self.gpu, ended, self._tools.record)
            if move.leaves and served.processes.away():
                # It is about to come back elsewhere; if that fails, here.
                served.put_off_moves(ended.at + _CHANGES_CARD_WITHIN)
            if outcome.stays is not None and served.processes.away():
                served.put_off_moves(ended.at + _GOES_BACK_WITHIN)
        except Exception:
            log.exception("GPU %s: a move failed unexpectedly", self.gpu.gpu.gpu_id)
            served.put_off_moves(self._tools.clock.now() + _BROKEN_MOVE_WAIT)
        finally:
            self.gpu.end_move()
            if move.kind is TransitionKind.SUSPENDING:
                # It may run on; and processes of it that began meanwhile were not moved.
                self.measure_anew()
            self._tools.changed()
            self.move_ended()
            self.poke()

    def measure_anew(self) -> None:
        """Open no gate before the card was measured again."""
        self.gpu.outdate(self._tools.clock.now())
        self.look_again()

    def _evict(self, served: ServedSlice, action: Evict) -> bool:
        if not served.evict():
            return False
        self._record(EventKind.EVICTED, served, for_slice_id=action.room_for, detail=action.reason)
        self._in_background(self._tools.eviction.end(lambda: served.targets(served.processes)))
        return True

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

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
    """Stand in for the sampler until there is one."""
