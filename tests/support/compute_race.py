"""Programs that compute at once on a simulated card, on virtual time: freely, or by the policy.

What the agent does with real threads and clocks is done here with the machine's own time: a sample
every half second, a decision on each, and switches one after the other. The next one runs before
the last one is locked, as in the agent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sublet_agent.moves.coming_to_rest import ComingToRest
from sublet_agent.moves.turn_times import PastTurn, TurnTimes
from sublet_agent.simulated.machine.compute import Work
from sublet_agent.simulated.machine.speeds import Speeds
from sublet_quota.compute.card_use import CardUse, ComputingSlice, NotPausable
from sublet_quota.compute.past import ComputeDecision, PastCompute
from sublet_quota.compute.policy import decide_turns
from sublet_quota.compute.turns import Round, turns_between
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.share_kept import COMES_TO_REST_WITHIN_MS
from sublet_quota.residency.snapshot import Rank

from tests.support.simulated_machine import Bench, BenchTenant, RecordedReply

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
MANY_S = 1e6
SAMPLE_S = 0.5
WINDOW_S = 1.0


@dataclass(frozen=True)
class Program:
    """A program by the kernels that it launches, and the part of the card that it keeps busy."""

    kernel_s: float
    part: float = 1.0
    waits_for_each: bool = True
    burst_s: float = MANY_S
    """So long it launches kernels at a stretch."""
    rests_s: float = 0.0
    """So long it rests between two of these."""
    bursts_are_cells: bool = False
    """Whether each of these is a cell, and none runs between them."""

    def start(self, tenant: BenchTenant) -> Work:
        tenant.compute(
            MANY_S,
            self.kernel_s,
            launch_s=0.0 if self.part == 1.0 else self.kernel_s / self.part,
            waits_for_each=self.part == 1.0 and self.waits_for_each,
        )
        work = tenant.process.work.last
        assert work is not None
        return work


LARGE_PRODUCTS = Program(1 / 593)
SMALL_KERNELS = Program(1 / 3035)
BOUND_BY_PYTHON = Program(0.0003, part=0.4)


@dataclass(frozen=True)
class Racer:
    """One slice with its program."""

    program: Program
    share_milli: int = 500
    rank: Rank = Rank.BORROWED
    is_job: bool = False
    runs_a_cell: bool = True
    pausable: bool = True
    most_milli: int | None = None
    foreign: bool = False
    """Whether it is no slice's."""


@dataclass
class ComputeRace:
    """A card with racers on it."""

    racers: Sequence[Racer]
    by_turns: bool = True
    speeds: Speeds = field(default_factory=Speeds)

    def __post_init__(self) -> None:
        self.bench = Bench(self.speeds)
        self.tenants = [self.bench.tenant(pid) for pid in range(1, len(self.racers) + 1)]
        each = zip(self.racers, self.tenants, strict=True)
        self.works = [[racer.program.start(tenant)] for racer, tenant in each]
        self.resting: set[int] = set()
        self.changes_s = [racer.program.burst_s for racer in self.racers]
        """When each begins to rest, or to compute again."""
        self.past = PastCompute()
        self.decisions: list[ComputeDecision] = []
        self.paused: set[int] = set()
        self.paused_at: dict[int, float] = {}
        self.waited_s: dict[int, float] = dict.fromkeys(range(len(self.racers)), 0.0)
        self.times = TurnTimes()
        self.coming_to_rest = ComingToRest()
        self._lasting: tuple[PastTurn, float, Round] | None = None
        self._period = 0
        self._before: Round | None = None
        self._sampled_s = 0.0

    @property
    def now_s(self) -> float:
        return self.bench.machine.time_s

    def run(self, seconds: float) -> list[float]:
        """Return the work that each has done in this time, in seconds of the card alone."""
        before = self.done()
        until = self.now_s + seconds
        while self.now_s < until:
            if self.now_s - self._sampled_s >= SAMPLE_S and self.by_turns:
                self._sample()
            if self.past.round is None:
                self._note_turn()
                self._release(set())
                self._before = None
                self._pass(min(SAMPLE_S, until - self.now_s))
            else:
                self._one_period()
        return [done - b for done, b in zip(self.done(), before, strict=True)]

    def done(self) -> list[float]:
        return [sum(work.done_s for work in works) for works in self.works]

    def use(self, *, moving: bool = False) -> CardUse:
        told = {p["pid"]: p["utilisation_percent"] for p in self.bench.monitor.processes("SIM-0")}
        now = BEGAN + timedelta(seconds=self.now_s)
        measured = self.now_s - WINDOW_S, self.now_s
        had_s = self.times.had_s(*measured)
        used = [int(str(told[pid])) / 100 for pid in range(1, len(self.racers) + 1)]
        return CardUse(
            measured_from=now - timedelta(seconds=WINDOW_S),
            now=now,
            busy=self.bench.monitor.utilisation_percent("SIM-0") / 100,
            slices=tuple(
                ComputingSlice(
                    slice_id=SliceId(f"s{index}"),
                    share_milli=racer.share_milli,
                    used=used[index],
                    rank=racer.rank,
                    is_job=racer.is_job,
                    runs_a_cell=self._runs_a_cell(index),
                    most_milli=racer.most_milli,
                    not_pausable=self._why_not_pausable(index),
                    turns=had_s.get(SliceId(f"s{index}"), 0.0) / WINDOW_S,
                )
                for index, racer in enumerate(self.racers)
                if not racer.foreign
            ),
            foreign=sum(u for u, racer in zip(used, self.racers, strict=True) if racer.foreign),
            moving=moving,
            turned=self.times.taken_s(*measured) / WINDOW_S,
        )

    def _why_not_pausable(self, index: int) -> NotPausable | None:
        if not self.racers[index].pausable:
            return NotPausable.CANNOT_BE_PAUSED
        return self.coming_to_rest.why_not(SliceId(f"s{index}"), self.now_s)

    def _runs_a_cell(self, index: int) -> bool:
        racer = self.racers[index]
        between_cells = racer.program.bursts_are_cells and index in self.resting
        return racer.runs_a_cell and not racer.is_job and not between_cells

    def _sample(self) -> None:
        self._sampled_s = self.now_s
        decision = decide_turns(self.use(), self.past)
        self.past = decision.past
        self.decisions.append(decision)

    def _one_period(self) -> None:
        taken = self.past.round
        assert taken is not None
        everybody = {_index(who) for who in taken.who}
        between = turns_between(self._before or taken, taken)
        for turn in (*between, *taken.period(self._period)):
            runs = {_index(who) for who in turn.runs}
            fresh = everybody - runs - self.paused
            is_alone = self._pause({i for i in fresh if self._is_slow(i)})
            began_s = self.now_s
            self._note_turn()
            self._release(everybody - runs)
            is_alone &= self._pause(fresh - self.paused)
            alone_from_s = self.now_s
            alone = alone_from_s if is_alone and everybody - runs <= self.paused else None
            past = PastTurn(turn.slice_id, began_s, alone, alone_from_s, turn.beside)
            self._lasting = past, turn.lasts.total_seconds(), taken
            self._pass(max(0.0, began_s + self.times.lasts_s(turn) - self.now_s))
        self._period += 1
        self._before = taken

    def _note_turn(self) -> None:
        lasting, self._lasting = self._lasting, None
        if lasting is not None:
            past, meant_s, taken = lasting
            self.times.note(replace(past, ended_s=self.now_s), meant_s, taken)

    def _is_slow(self, index: int) -> bool:
        return self.coming_to_rest.is_slow(SliceId(f"s{index}"))

    def _pause(self, indices: set[int]) -> bool:
        """Pause these as far as they come to rest in time; return whether all did."""
        began_s, seen = self.now_s, self.coming_to_rest
        tried = {
            index: self.bench.lock(index + 1, COMES_TO_REST_WITHIN_MS)
            for index in sorted(indices)
            if self._why_not_pausable(index) is None
        }
        self._wait(list(tried.values()))
        for index, reply in tried.items():
            if reply.ok:
                seen.note_paused(SliceId(f"s{index}"), self.now_s - began_s)
                self.paused.add(index)
                self.paused_at[index] = self.now_s
            else:
                seen.note_late(SliceId(f"s{index}"), self.now_s - began_s, self.now_s)
        return indices <= self.paused

    def _release(self, but: set[int]) -> None:
        self._wait([self.bench.unlock(index + 1) for index in sorted(self.paused - but)])
        for index in self.paused - but:
            waited = self.now_s - self.paused_at.pop(index)
            self.waited_s[index] = max(self.waited_s[index], waited)
        self.paused &= but

    def _wait(self, replies: Sequence[RecordedReply]) -> None:
        while not all(reply.done for reply in replies):
            self._pass(self.bench.machine.next_event_s() - self.now_s)

    def _pass(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self._rest_or_resume()
            until = min([until_s, *(at for at in self.changes_s if at > self.now_s)])
            self.bench.pass_time(until - self.now_s)

    def _rest_or_resume(self) -> None:
        for index, racer in enumerate(self.racers):
            takes_calls = self.tenants[index].process.submits
            stands_still = index in self.resting and not takes_calls
            if self.now_s < self.changes_s[index] or stands_still:
                continue
            program = racer.program
            if index in self.resting:
                self.works[index].append(program.start(self.tenants[index]))
            else:
                # The kernel that runs is the last one.
                work = self.works[index][-1]
                work.total_s = work.done_s + work.left_s(draining=True)
            lasts_s = program.burst_s if index in self.resting else program.rests_s
            self.changes_s[index] = self.now_s + lasts_s
            self.resting ^= {index}


def _index(slice_id: SliceId) -> int:
    return int(slice_id[1:])
