"""A model of one GPU with its agent: does what the residency policy says, and takes its time.

It checks at each step what must never happen, from its own books and not from the policy's:
the card's memory is never exceeded, nothing is restored without room and margin, promises can
be kept, and no job runs beside an active owner but entitled ones. What the policy wants that
breaks a rule raises ``RuleBrokenError`` with the rule's name.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, SliceId
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
from sublet_quota.residency.snapshot import (
    GpuSnapshot,
    Holder,
    PoolSettings,
    Rank,
    SliceView,
    Transition,
    TransitionKind,
    TurnKind,
)
from sublet_quota.residency.turns import PastTurns


class RuleBrokenError(AssertionError):
    """The policy asked for something that must never happen."""


@dataclass(slots=True)
class ModelSlice:
    """A slice as it is on the model's card."""

    name: str
    cap_mib: int
    is_job: bool = False
    wants_mib: int = 0
    """How much it fills while its gate is open."""
    held_mib: int = 0
    image_mib: int = 0
    state: SliceState = SliceState.RESIDENT
    active: bool = False
    in_a_cell: bool = False
    """Idle, with a cell that still runs: it may fill its cap unless it is suspended."""
    past_the_gate: bool = False
    """A cell of it was let through and runs: also with a closed gate, until it is suspended."""
    since: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    state_since: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    gate_open: bool = False
    waiting_since: datetime | None = None
    turn_since: datetime | None = None
    past_turns: PastTurns = field(default_factory=PastTurns)
    first_turns: int = 0
    """How many turns it had as a newcomer."""
    kept_until: datetime | None = None
    not_before: datetime | None = None
    unsuspendable: str | None = None
    refuses_suspend: bool = False
    """Its next suspend will be refused, which nobody can see beforehand."""
    fails_to_stop: int = 0
    """So many suspends of it will not work, and leave it running as it was."""
    rank: Rank = Rank.BORROWED
    entitlement: int = 0
    ran_s: float = 0.0
    evicted: bool = False
    moves: int = 0

    @property
    def is_entitled_job(self) -> bool:
        """Whether it takes turns with owners who borrow."""
        return self.is_job and self.rank < Rank.BORROWED

    @property
    def turn_rank(self) -> Rank:
        """The rank in which it takes turns."""
        return Rank.BORROWED if self.is_job else self.rank


@dataclass(slots=True)
class ModelMove:
    """The move in flight."""

    slice: ModelSlice
    kind: TransitionKind
    began: datetime
    ends: datetime

    def is_undoable(self, now: datetime) -> bool:
        """The bytes begin to move a moment after the beginning."""
        return self.kind is TransitionKind.SUSPENDING and now - self.began < _LOCKING


_LOCKING = timedelta(seconds=0.3)


@dataclass(slots=True)
class ModelDevice:
    """One card, its slices, and the agent that asks the policy about them."""

    total_mib: int = 81
    margin_mib: int = 1
    host_mib: int = 1000
    settings: PoolSettings = field(default_factory=PoolSettings)
    suspend_mib_per_s: int = 3
    resume_mib_per_s: int = 6
    fills_mib_per_s: int = 20
    now: datetime = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    slices: dict[str, ModelSlice] = field(default_factory=dict)
    move: ModelMove | None = None
    foreign_mib: int = 0
    foreign_present: bool = False
    lending: bool = True
    closed: str | None = None
    moves_done: int = 0
    undone: int = 0
    done: list[str] = field(default_factory=list)
    """Jobs that came to their end."""
    evictions: list[str] = field(default_factory=list)
    decision: Decision = field(default_factory=Decision)

    def add(self, served: ModelSlice) -> ModelSlice:
        """Place a slice here. A job has work from the start."""
        self.slices[served.name] = served
        served.since = served.state_since = self.now
        if served.is_job:
            served.active, served.waiting_since = True, self.now
        return served

    @property
    def owners(self) -> list[ModelSlice]:
        """The owners' slices."""
        return [s for s in self.slices.values() if not s.is_job]

    @property
    def jobs(self) -> list[ModelSlice]:
        """The jobs' slices."""
        return [s for s in self.slices.values() if s.is_job]

    @property
    def used_mib(self) -> int:
        """What is really taken on the card."""
        coming = 0
        if self.move is not None and self.move.kind is TransitionKind.RESUMING:
            coming = self.move.slice.image_mib
        return self.foreign_mib + coming + sum(s.held_mib for s in self.slices.values())

    @property
    def host_free_mib(self) -> int:
        """What a suspend may still take of the host."""
        leaving = 0
        if self.move is not None and self.move.kind is TransitionKind.SUSPENDING:
            leaving = self.move.slice.held_mib
        return self.host_mib - leaving - sum(s.image_mib for s in self.slices.values())

    def wake(self, name: str) -> None:
        """Its owner runs a cell."""
        served = self.slices[name]
        if not served.active:
            served.active, served.since, served.waiting_since = True, self.now, self.now
            served.past_turns = served.past_turns.comes(self.now)
            # What goes on may be the cell that it was in.
            served.in_a_cell = False

    def fall_idle(self, name: str, *, in_a_cell: bool = False) -> None:
        """Nothing was seen of it for long enough."""
        served = self.slices[name]
        served.in_a_cell = in_a_cell
        served.past_the_gate = served.past_the_gate and in_a_cell
        if served.active:
            served.active, served.since = False, self.now
            self._note_turn(served, rests_since=self.now)
            served.gate_open, served.turn_since, served.waiting_since = False, None, None

    def end(self, name: str) -> None:
        """All its processes are gone; the slice is released."""
        if self.move is None or self.move.slice.name != name:
            del self.slices[name]

    def snapshot(self) -> GpuSnapshot:
        """Show the policy what the agent would."""
        move = self.move
        return GpuSnapshot(
            gpu_id=GpuId("GPU-model"),
            now=self.now,
            total_mib=self.total_mib,
            margin_mib=self.margin_mib,
            host_free_mib=self.host_free_mib,
            suspend_mib_per_s=self.suspend_mib_per_s,
            resume_mib_per_s=self.resume_mib_per_s,
            slices=tuple(self._view(s) for s in self.slices.values()),
            transition=None
            if move is None
            else Transition(
                SliceId(move.slice.name), move.kind, undoable=move.is_undoable(self.now)
            ),
            foreign_mib=self.foreign_mib,
            foreign_present=self.foreign_present,
            lending=self.lending,
            closed=self.closed,
            settings=self.settings,
        )

    def settle(self) -> Decision:
        """Ask and act until the policy has nothing more to say for this moment."""
        for _ in range(2 * len(self.slices) + 4):
            self.decision = decide(self.snapshot())
            self._check_jobs_stand_still()
            news = [self._act(a) for a in self.decision.actions]
            self._check_jobs_stand_still(after=True)
            self._check_promises()
            if not any(news):
                return self.decision
        message = f"the policy does not come to rest: {self.decision.actions}"
        raise RuleBrokenError(message)

    def pass_time(self, seconds: float) -> None:
        """Let a move end when its time has come, slices fill their caps, and jobs work."""
        self.now += timedelta(seconds=seconds)
        if self.move is not None and self.now >= self.move.ends:
            self._finish_move(self.move)
        for served in list(self.slices.values()):
            if self._may_fill(served):
                room_mib = max(0, min(served.wants_mib, served.cap_mib) - served.held_mib)
                wanted_mib = min(room_mib, int(self.fills_mib_per_s * seconds))
                got_mib = max(0, min(wanted_mib, self.total_mib - self.used_mib))
                if got_mib < wanted_mib:
                    self._meet_the_end(served)
                served.held_mib += got_mib
                served.ran_s += seconds
            if served.evicted:
                self.evictions.append(served.name)
                del self.slices[served.name]
        _demand(self.used_mib <= self.total_mib, f"{self.used_mib} MiB are taken")

    def _may_fill(self, served: ModelSlice) -> bool:
        moves = self.move is not None and self.move.slice is served
        in_a_cell = served.in_a_cell or served.past_the_gate
        goes_on = in_a_cell and served.held_mib > 0 and not moves
        return served.state is SliceState.RESIDENT and (served.gate_open or goes_on)

    def _view(self, served: ModelSlice) -> SliceView:
        leaves = self.move is not None and self.move.slice is served
        paused = leaves and self.move is not None and self.move.kind is TransitionKind.SUSPENDING
        return SliceView(
            slice_id=SliceId(served.name),
            holder=Holder.JOB if served.is_job else Holder.NOTEBOOK,
            cap_mib=served.cap_mib,
            state=SliceState.PAUSED if paused else served.state,
            held_mib=served.held_mib,
            image_mib=served.image_mib,
            active=served.active and not served.evicted,
            since=served.since,
            gate_open=served.gate_open,
            state_since=served.state_since,
            waiting_since=served.waiting_since,
            turn_since=served.turn_since,
            turn_kind=served.past_turns.next_kind(self.settings.turn),
            rank=served.rank,
            entitlement=served.entitlement,
            kept_until=served.kept_until,
            runs_a_cell=served.in_a_cell,
            past_the_gate=served.past_the_gate and not served.gate_open,
            unsuspendable=served.unsuspendable,
            not_before=served.not_before,
        )

    def _act(self, action: Action) -> bool:
        """Do it; tells whether that changed anything."""
        served = self.slices[action.slice_id]
        match action:
            case Pause():
                self._close_gate(served)
                if served.held_mib:
                    _demand_state(served, SliceState.RESIDENT)
                    served.state = SliceState.PAUSED
                return True
            case Unpause():
                _demand_state(served, SliceState.PAUSED)
                served.state = SliceState.RESIDENT
                return True
            case OpenGate():
                _demand(not served.gate_open, f"the gate of {served.name} is open already")
                _demand(served.active, f"{served.name} has no work")
                _demand(served.image_mib == 0, f"bytes of {served.name} are away")
                served.gate_open, served.turn_since, served.waiting_since = True, self.now, None
                served.past_the_gate = not served.is_job
                kind = served.past_turns.next_kind(self.settings.turn)
                served.first_turns += kind is TurnKind.FIRST and not served.is_job
                return True
            case Suspend():
                return self._begin_suspend(served)
            case Resume():
                return self._begin_resume(served)
            case Undo():
                move = self.move
                _demand(move is not None and move.slice is served, "there is nothing to undo")
                if move is not None and move.is_undoable(self.now):
                    self.move = None
                    self.undone += 1
                    return True
                return False
            case Evict():
                _demand(served.is_job, "an owner is evicted")
                served.evicted = True
                self._close_gate(served)
                return False

    def _note_turn(self, served: ModelSlice, rests_since: datetime | None = None) -> None:
        if served.turn_since is not None:
            served.past_turns = served.past_turns.ends(served.turn_since, self.now, rests_since)

    def _close_gate(self, served: ModelSlice) -> None:
        self._note_turn(served)
        served.gate_open, served.turn_since = False, None
        served.waiting_since = self.now if served.active else None

    def _begin_suspend(self, served: ModelSlice) -> bool:
        _demand(self.move is None, "two slices move at once")
        _demand(not self.foreign_present, "a slice moves beside a foreign process")
        _demand(served.unsuspendable is None, f"{served.name} cannot be suspended")
        _demand(served.held_mib <= self.host_free_mib, "host memory is exceeded")
        _demand_state(served, SliceState.RESIDENT, SliceState.PAUSED)
        self._close_gate(served)
        takes = timedelta(seconds=0.5 + served.held_mib / self.suspend_mib_per_s)
        self.move = ModelMove(served, TransitionKind.SUSPENDING, self.now, self.now + takes)
        return True

    def _begin_resume(self, served: ModelSlice) -> bool:
        _demand(self.move is None, "two slices move at once")
        _demand(not self.foreign_present, "a slice moves beside a foreign process")
        _demand_state(served, SliceState.SUSPENDED)
        free_mib = self.total_mib - self.used_mib
        _demand(
            free_mib >= served.image_mib + self.margin_mib,
            f"{served.name} is restored without room: it is lost",
        )
        takes = timedelta(seconds=0.1 + served.image_mib / self.resume_mib_per_s)
        self.move = ModelMove(served, TransitionKind.RESUMING, self.now, self.now + takes)
        return True

    def _finish_move(self, move: ModelMove) -> None:
        served, self.move = move.slice, None
        served.state_since = self.now
        if move.kind is TransitionKind.RESUMING:
            served.held_mib, served.image_mib = served.held_mib + served.image_mib, 0
            served.state = SliceState.RESIDENT
        elif served.refuses_suspend:
            served.unsuspendable = "managed memory"
            return
        elif served.fails_to_stop:
            served.fails_to_stop -= 1
            served.not_before = self.now + timedelta(seconds=2)
            return
        else:
            served.past_the_gate = False
            served.held_mib, served.image_mib = 0, served.held_mib
            # Who holds nothing only gives up its promise.
            served.state = SliceState.SUSPENDED if served.image_mib else SliceState.RESIDENT
        served.moves += 1
        self.moves_done += 1

    def _check_jobs_stand_still(self, *, after: bool = False) -> None:
        if not any(s.active for s in self.owners):
            return
        gates = [a for a in self.decision.actions if isinstance(a, OpenGate | Unpause)]
        told = [a.slice_id for a in gates if self._stands_behind_owners(self.slices[a.slice_id])]
        _demand(not told, f"jobs are let run beside active owners: {told}")
        if after:
            moving = None if self.move is None else self.move.slice
            run = [
                s.name
                for s in self.jobs
                if self._stands_behind_owners(s)
                and s.state is SliceState.RESIDENT
                and s.held_mib
                and s is not moving
            ]
            _demand(not run, f"jobs run beside active owners: {run}")

    def _stands_behind_owners(self, served: ModelSlice) -> bool:
        takes_turns = self.lending and self.settings.lend and not self.foreign_present
        return served.is_job and not (takes_turns and served.is_entitled_job)

    def _meet_the_end(self, served: ModelSlice) -> None:
        """An out-of-memory inside its cap is a rule broken, unless others were unforeseeable."""
        _demand(self._was_taken_unasked, f"{served.name} runs out of memory inside its cap")

    @property
    def _was_taken_unasked(self) -> bool:
        return self.foreign_mib > 0 or any(s.unsuspendable for s in self.slices.values())

    def _check_promises(self) -> None:
        """Whether all gates that are open could be filled at once, and the margin be kept."""
        if self._was_taken_unasked:
            return
        promised = sum(
            max(s.cap_mib, s.held_mib) - s.held_mib
            for s in self.slices.values()
            if s.gate_open or self._may_fill(s)
        )
        most_mib = self.used_mib - self.foreign_mib + promised
        _demand(
            most_mib <= self.total_mib - self.margin_mib,
            f"{most_mib} MiB are promised of {self.total_mib - self.margin_mib}",
        )


def _demand_state(served: ModelSlice, *states: SliceState) -> None:
    _demand(served.state in states, f"{served.name} is {served.state.value}")


def _demand(rule: bool, broken: str) -> None:  # noqa: FBT001
    if not rule:
        raise RuleBrokenError(broken)
