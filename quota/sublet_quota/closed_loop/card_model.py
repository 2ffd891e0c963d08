"""One simulated card with its agent: does what the residency policy says, and takes its time.

The policy is the product's own. The card checks from its own books what must never happen: that
more lies on it than it has, that something comes back without room, that two slices move at once.
Slices at work share the compute: each at full speed where all fit, else alike slower.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI
from sublet_quota.closed_loop.asks.asked import CardSpeeds
from sublet_quota.closed_loop.card.card_news import CardNews, Move, RuleBrokenError
from sublet_quota.closed_loop.card.reserved_on_card import ReservedOnCard
from sublet_quota.closed_loop.card.slice_on_card import SliceOnCard
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.actions import (
    Action,
    Evict,
    OpenGate,
    Pause,
    Resume,
    Suspend,
    Undo,
    Unpause,
    Wait,
)
from sublet_quota.residency.activity import Activity, judge_activity
from sublet_quota.residency.lending import lendable_mib
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import (
    GpuSnapshot,
    PoolSettings,
    SliceView,
    Transition,
    TransitionKind,
)
from sublet_quota.residency.turns import Turns

_NO_WORK_S: Final = 1e-6
_TICK: Final = timedelta(microseconds=1)
_FOR_EVER_S: Final = 3e9
"""What ends later has no end: no moment is so far away."""


@dataclass(slots=True)
class CardModel:
    """A card, and the slices on it."""

    facts: GpuFacts
    settings: PoolSettings
    idle_after: timedelta
    speeds: CardSpeeds
    news: CardNews
    host_free_mib: Callable[[], int]
    now: datetime
    lending: bool = True
    slices: dict[SliceId, SliceOnCard] = field(default_factory=dict)
    move: Move | None = None
    reserved: ReservedOnCard | None = None
    waits: tuple[Wait, ...] = ()
    asked: int = 0
    """How often the policy was asked."""

    def add(self, served: SliceOnCard) -> None:
        """Place a slice here."""
        self.slices[served.slice_id] = served

    def remove(self, slice_id: SliceId) -> None:
        """Take a slice away whose processes have ended; a move of it ends with them."""
        served = self.slices.pop(slice_id)
        self._stand_still(served)
        self._charge_again(served)
        if self.move is not None and self.move.slice is served:
            self.move = None

    def let_leave(self, served: SliceOnCard) -> bool:
        """Suspend a slice that is to come back on another card; return whether so.

        It is an owner's without work, or a job's that stands still.
        """
        is_busy = served.gate_open or (served.active and not served.is_job)
        if self.move is not None or is_busy or served.unsuspendable is not None:
            return False
        self._begin(served, TransitionKind.SUSPENDING, to_another_card=True)
        return True

    def wake(self, served: SliceOnCard, works_s: float) -> None:
        """Let an owner run a cell."""
        now, rested = self.now, served.work_left_s <= 0
        served.work_left_s, served.asked_at = works_s, now
        served.evidence = replace(served.evidence, cell_started=now)
        if not served.active:
            served.active, served.since = True, now
        if rested or served.waiting_since is None:
            served.wants_to_run(now)

    def pass_time(self, now: datetime) -> None:
        """Let what was under way since the last moment go on, and what ends by now end."""
        before, self.now = self.now, now
        seconds = (now - before).total_seconds()
        speed = self.speed
        for served in self._running():
            served.work_left_s -= seconds * speed
        if self.move is not None and self.move.ends <= now:
            self._finish(self.move)
        for served in tuple(self.slices.values()):
            if served.runs_since is not None and served.work_left_s <= _NO_WORK_S:
                self._end_work(served)
        for served in self.slices.values():
            self._judge(served)

    def settle(self) -> None:
        """Ask the policy and act, until it has nothing more to say for this moment.

        Nothing begins on a card that has failed.
        """
        self._follow_policy()
        taken = self.taken_mib
        if taken > self.facts.kind.memory_mib:
            message = f"{self.facts.gpu_id}: {taken} MiB lie on it"
            raise RuleBrokenError(message)
        for served in self.slices.values():
            self._note(served)

    def _follow_policy(self) -> None:
        if self.facts.closed_for_good:
            self.waits = ()
            return
        for _ in range(2 * len(self.slices) + 4):
            decision = decide(self.snapshot())
            self.asked += 1
            self.waits = decision.waits
            if not decision.actions:
                return
            for action in decision.actions:
                self._act(action)
        message = f"{self.facts.gpu_id}: the policy does not come to rest"
        raise RuleBrokenError(message)

    def looks_at(self) -> datetime | None:
        """Return when something happens here by itself; ``None``: never."""
        moments = [moment for moment in self._coming() if moment > self.now]
        return min(moments, default=None)

    def snapshot(self) -> GpuSnapshot:
        """Return the card as its agent would show it to the policy."""
        move, kind = self.move, self.facts.kind
        return GpuSnapshot(
            gpu_id=self.facts.gpu_id,
            now=self.now,
            total_mib=kind.memory_mib,
            margin_mib=kind.margin_mib,
            host_free_mib=self.host_free_mib(),
            suspend_mib_per_s=self.speeds.suspend_mib_per_s,
            resume_mib_per_s=self.speeds.resume_mib_per_s,
            slices=tuple(map(self._view, self.slices.values())),
            transition=None
            if move is None
            else Transition(
                move.slice.slice_id,
                move.kind,
                undoable=self._is_undoable(move),
                leaves=move.leaves,
            ),
            lending=self.lending,
            closed=self.facts.closed,
            settings=self.settings,
            reserved_mib=self.reserved_mib,
        )

    @property
    def reserved_mib(self) -> int:
        """How much is to be free now for a reservation."""
        reserved = self.reserved
        return 0 if reserved is None or reserved.until <= self.now else reserved.memory_mib

    @property
    def lendable_mib(self) -> int:
        """How large a job could begin here now."""
        return lendable_mib(self.snapshot())

    @property
    def taken_mib(self) -> int:
        """What lies here, or is on its way here."""
        coming = 0
        if self.move is not None and self.move.kind is TransitionKind.RESUMING:
            coming = self.move.slice.image_mib
        return coming + sum(each.held_mib for each in self.slices.values())

    @property
    def in_host_mib(self) -> int:
        """What lies in host memory of slices here, or is on its way there."""
        in_host = 0
        if self.move is not None and self.move.kind is TransitionKind.SUSPENDING:
            in_host = self.move.slice.held_mib
        # No generator: of each decision this is asked of all cards of a node.
        for each in self.slices.values():
            in_host += each.image_mib
        return in_host

    @property
    def speed(self) -> float:
        """At which part of their full speed slices run here."""
        milli = sum(each.amount.compute_milli for each in self._running())
        return 1.0 if milli <= WHOLE_GPU_MILLI else WHOLE_GPU_MILLI / milli

    def _running(self) -> Iterator[SliceOnCard]:
        return (each for each in self.slices.values() if each.runs_since is not None)

    def _view(self, served: SliceOnCard) -> SliceView:
        is_own = self.reserved is not None and self.reserved.is_own(served.slice_id)
        return served.view(leaves=self._leaves(served), in_reserve=is_own, turn=self.settings.turn)

    def _leaves(self, served: SliceOnCard) -> bool:
        move = self.move
        return move is not None and move.slice is served and move.kind is TransitionKind.SUSPENDING

    def _is_undoable(self, move: Move) -> bool:
        is_leaving = move.kind is TransitionKind.SUSPENDING
        return is_leaving and self.now - move.began < self.speeds.locking

    def _end_work(self, served: SliceOnCard) -> None:
        served.work_left_s = 0.0
        served.evidence = replace(served.evidence, gpu_used=self.now)
        self._stand_still(served)
        self.news.has_done(served)

    def _judge(self, served: SliceOnCard) -> None:
        """Let an owner's slice become idle that left its card alone for long enough."""
        if served.is_job or not served.active:
            return
        if served.work_left_s > 0:
            # It computes, or waits for its room: both are evidence as long as they last.
            return
        before = Activity(active=True, since=served.since)
        found = judge_activity(served.evidence, self.idle_after, self.now, before)
        if not found.active:
            served.close_gate(self.now)
            served.active, served.since, served.waiting_since = False, found.since, None

    def _act(self, action: Action) -> None:
        served = self.slices[action.slice_id]
        match action:
            case Pause():
                served.close_gate(self.now)
                if served.held_mib:
                    served.become(SliceState.PAUSED, self.now)
            case Unpause():
                served.become(SliceState.RESIDENT, self.now)
            case OpenGate():
                served.open_gate(self.now)
            case Suspend():
                self._begin(served, TransitionKind.SUSPENDING)
            case Resume():
                self._begin(served, TransitionKind.RESUMING)
            case Undo():
                self.move = None
            case Evict():
                message = f"{served.slice_id} would be ended, for {action.room_for}"
                raise RuleBrokenError(message)
            case _:
                assert_never(action)

    def _begin(
        self, served: SliceOnCard, kind: TransitionKind, *, to_another_card: bool = False
    ) -> None:
        if self.move is not None:
            message = f"{self.facts.gpu_id}: {served.slice_id} and {self.move.slice.slice_id} move"
            raise RuleBrokenError(message)
        leaves = kind is TransitionKind.SUSPENDING
        if leaves:
            served.close_gate(self.now)
            takes = self.speeds.out_s(served.held_mib)
        else:
            free = self.facts.kind.usable_mib - self.taken_mib
            if served.image_mib > free:
                message = f"{served.slice_id} comes back with {served.image_mib}, {free} MiB free"
                raise RuleBrokenError(message)
            takes = self.speeds.back_s(served.image_mib)
        self.news.moves(served, leaves)
        ends = self.now + timedelta(seconds=takes)
        self.move = Move(served, kind, self.now, ends, to_another_card)

    def _finish(self, move: Move) -> None:
        served, self.move = move.slice, None
        if move.kind is TransitionKind.SUSPENDING:
            served.image_mib, served.held_mib = served.held_mib, 0
            served.become(SliceState.SUSPENDED, self.now)
        else:
            served.held_mib, served.image_mib = served.image_mib, 0
            served.become(SliceState.RESIDENT, self.now)

    def _note(self, served: SliceOnCard) -> None:
        """Note who computes from now on, and who does no more, or is not charged."""
        if served.could_run and served.runs_since is None:
            served.runs_since = self.now
            self.news.works_on(served, self.now)
        elif not served.could_run:
            self._stand_still(served)
        if self._is_off(served):
            served.off_since = served.off_since or self.now
        else:
            self._charge_again(served)

    def _stand_still(self, served: SliceOnCard) -> None:
        began, served.runs_since = served.runs_since, None
        if began is not None and began < self.now:
            self.news.runs(served, began, self.now)

    def _charge_again(self, served: SliceOnCard) -> None:
        began, served.off_since = served.off_since, None
        if began is not None and began < self.now:
            self.news.was_off(served, began, self.now)

    def _is_off(self, served: SliceOnCard) -> bool:
        if served.is_job:
            return not served.could_run
        return not served.active and any(
            each.is_job and each.gate_open for each in self.slices.values()
        )

    def _coming(self) -> Iterator[datetime]:
        """Yield when things may be otherwise here though nobody does anything."""
        if self.reserved is not None:
            yield self.reserved.until
        if self.move is not None:
            yield self.move.ends
        if self.waits:
            snapshot = self.snapshot()
            turns = Turns(snapshot)
            for view in snapshot.slices:
                yield from turns.moments(view)
        speed = self.speed
        for served in self.slices.values():
            if served.runs_since is not None:
                yield (
                    self.now
                    + timedelta(seconds=min(served.work_left_s / speed, _FOR_EVER_S))
                    + _TICK
                )
            elif not served.is_job and served.active and served.work_left_s <= 0:
                last = served.evidence.gpu_used or served.evidence.known_since
                yield last + self.idle_after
            if served.state is SliceState.SUSPENDED and not served.active:
                yield served.state_since + self.settings.lend_at_least
