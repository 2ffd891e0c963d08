"""The shares of one card's compute: from what was measured of it to the turns that keep them."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.compute.card_use import CardUse, ComputingSlice, NotPausable
from sublet_quota.compute.foreign import (
    Wants,
    told_beside_foreign_use,
    who_has_less_by_foreign_use,
)
from sublet_quota.compute.past import PastCompute
from sublet_quota.compute.policy import PERIOD, decide_turns, judge_without_turns
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.obstacles import Obstacle
from sublet_quota.reasons.share_kept import ShareKept
from sublet_quota.wire.agent_link import SliceAssignment
from sublet_quota.wire.kept import kept_by_engine

from sublet_agent.moves.compute_turns import AT_THE_LATEST_S, ComputeTurns, TakenTurns
from sublet_agent.moves.plan import MoveTools
from sublet_agent.residency.served_gpu import ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.residency.told_use import use_in_all

_OF_TURNS: Final = frozenset({ShareKept.BY_TURNS, ShareKept.CAPPED, ShareKept.BEING_MEASURED})
"""How it stands with a share only while turns are taken."""
MEASURED_OVER: Final = timedelta(seconds=1)
"""The time that a told utilisation speaks of."""
_SHORTEST_LEASE_S: Final = 3.0
_LEASE_PERIODS: Final = 30
"""Nearly twice as many as anybody waits for a turn, as turns may be longer for what is owed."""


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """How turns of computing are taken."""

    wanted: bool | None = None
    """Whether there are to be any; ``None``: on simulated cards."""
    period: timedelta = PERIOD
    """The time in which who runs a cell has a turn."""

    @property
    def lease_s(self) -> float:
        """For how long somebody is paused where nobody is left to let them run, in seconds.

        Longer than anybody waits for a turn.
        """
        return max(_SHORTEST_LEASE_S, _LEASE_PERIODS * self.period.total_seconds())


class ComputeShares:
    """The turns of computing on one card, decided anew after each sample."""

    def __init__(
        self, gpu: ServedGpu, tools: MoveTools, calls: Executor, turns: TurnSettings
    ) -> None:
        self._gpu = gpu
        self._takes_turns = gpu.gpu.simulated if turns.wanted is None else turns.wanted
        self._period = turns.period
        self._monotonic = tools.monotonic
        self._table = tools.table
        self._turns = ComputeTurns(tools.paused_processes, gpu.gpu.gpu_id, tools.monotonic)
        self._calls = calls
        self._past = PastCompute()
        self._kept: dict[SliceId, ShareKept] = {}
        self._foreign = 0.0
        self._wants = Wants()
        self._has_less_by_that: frozenset[SliceId] = frozenset()

    @property
    def who(self) -> frozenset[SliceId]:
        """The slices that take turns now: their processes are paused and let run all the time."""
        return self._turns.who

    def kept(self, served: ServedSlice) -> ShareKept | None:
        """Return how it stands with a slice's share; ``None``: the slice is not served here."""
        if served.assignment is None:
            return None
        engine = self._engine_of(served.assignment)
        if engine is not None:
            return engine
        if not self._gpu.measured and self._gpu.fault is None:
            return ShareKept.NOT_MEASURED
        # Of what has nothing on the card, nobody gets less than is due.
        kept = self._kept.get(served.slice_id, ShareKept.NOT_NEEDED)
        if kept in _OF_TURNS and self._turns.are_stuck:
            return ShareKept.DRIVER_WAITS
        if kept in _OF_TURNS and served.slice_id not in self._turns.who:
            # Turns that were stopped since the last sample gave way to a move of memory.
            return ShareKept.TURNS_LAPSED if self._turns.have_lapsed else ShareKept.MOVING
        has_less = served.slice_id in self._has_less_by_that
        return told_beside_foreign_use(kept, has_less=has_less)

    def foreign_percent(self, served: ServedSlice) -> int | None:
        """Return how much of the card's time what belongs to no slice uses, in percent.

        ``None`` where that is not why the slice's share is not kept.
        """
        is_why = self.kept(served) is ShareKept.FOREIGN
        return round(100 * self._foreign) if is_why else None

    def most_milli(self, served: ServedSlice) -> int | None:
        """Return how much of the card a slice has at most, in milli-GPU; ``None``: all."""
        most_milli, assignment = self._gpu.pool.max_compute_milli, served.assignment
        if most_milli is None or assignment is None:
            return None
        return max(most_milli, assignment.compute_milli)

    def note(self, slices: Iterable[ServedSlice], now: datetime, *, may_begin: bool) -> bool:
        """Decide by the last sample, and take these turns; return whether they have to stop.

        ``may_begin``: whether anything may be begun on the card.
        """
        everybody = tuple(slices)
        by_id = {s.slice_id: s for s in everybody if s.assignment is not None and s.processes}
        self._foreign = self._used_by_no_slice(everybody)
        use = self._use(by_id.values(), now, may_begin=may_begin)
        self._wants = self._wants.measured(use)
        self._has_less_by_that = who_has_less_by_foreign_use(use, self._wants.known)
        if not self._takes_turns:
            self._kept = dict(judge_without_turns(use))
            return False
        decided = decide_turns(use, self._past, self._period)
        self._past, self._kept = decided.past, dict(decided.kept)
        if decided.round is None or self._turns.are_stuck:
            return bool(self._turns.who)
        targets = {
            slice_id: by_id[slice_id].targets(by_id[slice_id].processes.on_gpu())
            for slice_id in decided.round.who
        }
        self._turns.take(TakenTurns(decided.round, targets))
        return False

    async def stop(self) -> None:
        """Let everybody run, and wait until nobody is paused for a turn, but not for long."""
        self._past = PastCompute(rests=self._past.rests)
        if self._turns.are_over:
            # No move waits for a thread to say so: who forks all the time is gone meanwhile.
            return
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._calls, self._turns.stop)

    async def end(self) -> None:
        """Let everybody run as the agent ends: nobody would be there for whom that takes long."""
        await asyncio.to_thread(self._turns.stop, AT_THE_LATEST_S)

    def _use(self, slices: Iterable[ServedSlice], now: datetime, *, may_begin: bool) -> CardUse:
        gpu, reading = self._gpu, self._gpu.reading
        busy = reading.utilisation_percent
        since_s, until_s = self._surely_measured_s(now)
        had_s = self._turns.times.had_s(since_s, until_s)
        taken_s = self._turns.times.taken_s(since_s, until_s)
        moves = gpu.move is not None or gpu.canary is not None
        return CardUse(
            measured_from=_begin_of(reading.measured_until),
            now=now,
            busy=None if busy is None else busy / 100,
            slices=tuple(
                self._computing(each, each.assignment, now, had_s.get(each.slice_id, 0.0))
                for each in slices
                if each.assignment is not None
            ),
            moving=moves or not may_begin,
            closed=gpu.fault is not None,
            foreign=self._foreign,
            turned=taken_s / (until_s - since_s) if until_s > since_s else 0.0,
        )

    def _used_by_no_slice(self, slices: Iterable[ServedSlice]) -> float:
        """Return the part of the card's time used by what belongs to no slice, where it is told.

        That is also what was left by a slice that was released.
        """
        left = (p for s in slices if s.assignment is None for p in s.processes.on_gpu())
        told = (self._gpu.reading.foreign_percent, *(p.utilisation_percent for p in left))
        return min(1.0, sum(percent or 0 for percent in told) / 100)

    def _surely_measured_s(self, now: datetime) -> tuple[float, float]:
        """Return from when to when the card was certainly measured last, by the monotonic clock.

        The second that is told of ended at some time while the card was asked.
        """
        reading, monotonic_s = self._gpu.reading, self._monotonic()
        ended = now - reading.measured_until
        began = now - max(reading.read_by, reading.measured_until) + MEASURED_OVER
        return monotonic_s - began.total_seconds(), monotonic_s - ended.total_seconds()

    def _computing(
        self, served: ServedSlice, assignment: SliceAssignment, now: datetime, had_s: float
    ) -> ComputingSlice:
        percent = use_in_all(p.utilisation_percent for p in served.processes.on_gpu())
        return ComputingSlice(
            slice_id=served.slice_id,
            share_milli=assignment.compute_milli,
            used=None if percent is None else percent / 100,
            rank=assignment.rank,
            is_job=served.is_job,
            runs_a_cell=not served.is_job and served.activity_record.may_run_a_cell(now),
            not_pausable=self._why_not_pausable(served, assignment),
            stopped=self._is_stopped(served),
            most_milli=self._gpu.pool.max_compute_milli,
            turns=had_s / MEASURED_OVER.total_seconds(),
        )

    def _engine_of(self, assignment: SliceAssignment) -> ShareKept | None:
        return kept_by_engine(assignment.compute_kept_by, simulated=self._gpu.gpu.simulated)

    def _is_stopped(self, served: ServedSlice) -> bool:
        """Whether a slice that takes turns has nothing on the card that could compute."""
        if served.slice_id not in self._turns.who:
            return False
        return all(self._table.is_stopped(p.identity) for p in served.processes.on_gpu())

    def _why_not_pausable(
        self, served: ServedSlice, assignment: SliceAssignment
    ) -> NotPausable | None:
        if self._engine_of(assignment) is not None:
            return NotPausable.KEPT_BY_ENGINE
        if served.paused or served.processes.away() or not served.processes.on_gpu():
            return NotPausable.STANDS_STILL
        obstacles = {p.unsuspendable.obstacle for p in served.processes if p.unsuspendable}
        if assignment.on_several_cards or Obstacle.SEVERAL_GPUS in obstacles:
            return NotPausable.ON_SEVERAL_CARDS
        return self._turns.why_not_paused(served.slice_id)


def _begin_of(measured_until: datetime) -> datetime:
    """Return since when a told utilisation speaks; a card that never answered was not measured."""
    earliest = datetime.min.replace(tzinfo=measured_until.tzinfo)
    return max(measured_until, earliest + MEASURED_OVER) - MEASURED_OVER
