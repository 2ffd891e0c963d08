"""Turns of computing on one card: one slice runs, the processes of the others are paused.

Beside it run those whose open turn it is as well.

The turns are taken in a thread of their own, which nothing else keeps waiting. The next slice runs
before the last one is paused, so that the card never stands still. Whoever decides says again and
again that they go on; where that does not come, everybody runs. What else keeps a process paused
(see ``pausing``) is not touched by any of this.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from sublet_quota.compute.turns import Round, Turn, turns_between
from sublet_quota.names.ids import GpuId, SliceId

from sublet_agent.devices.interface import NotSupportedError, StandsStillError
from sublet_agent.moves.pausing import PausedProcesses, PauseFailure, PauseReason
from sublet_agent.moves.turn_times import PastTurn, TurnTimes
from sublet_agent.state_files.journal import Target

LEASE: Final = timedelta(seconds=5)
"""How long turns go on after they were decided last: longer than a busy machine keeps decisions
waiting. Meanwhile everybody has their turn.
"""
_TIMEOUT_MS: Final = 50
"""How long a process may take to come to rest for another's turn; until then both run."""
_FAILURES: Final = 3
_LEFT_ALONE: Final = timedelta(minutes=1)
_ENDS_WITHIN_S: Final = 2.0
"""How long whoever stops turns waits for a call of the driver that belongs to them."""
AT_THE_LATEST_S: Final = 45.0
"""So long it waits at an agent's end, after which nobody would let run who that call is for."""
_STUCK_AFTER_S: Final = 1.0
"""A switch takes some ms: after so long the driver keeps it waiting."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TakenTurns:
    """The turns that are taken, and the processes of the slices that take them."""

    round: Round
    targets: Mapping[SliceId, tuple[Target, ...]]


@dataclass(slots=True)
class _Unpausable:
    """Who could not be paused for a turn."""

    counts: dict[SliceId, int] = field(default_factory=dict)
    until_s: dict[SliceId, float] = field(default_factory=dict)


class ComputeTurns:
    """The turns on one card; nobody calls ``take`` while somebody stops them.

    ``monotonic``: a clock in seconds.
    """

    def __init__(
        self, paused_processes: PausedProcesses, gpu_id: GpuId, monotonic: Callable[[], float]
    ) -> None:
        self._paused = paused_processes
        self._gpu_id: Final = gpu_id
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._taken: TakenTurns | None = None
        self._lapsed = False
        self._renewed_s = 0.0
        self._switching_since_s: float | None = None
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._unpausable = _Unpausable()
        self._times = TurnTimes()

    @property
    def who(self) -> frozenset[SliceId]:
        """The slices that take turns now."""
        with self._lock:
            return frozenset() if self._taken is None else self._taken.round.who

    @property
    def have_lapsed(self) -> bool:
        """Whether the last turns ended though nobody stopped them: they failed, or were late."""
        with self._lock:
            return self._lapsed

    @property
    def are_over(self) -> bool:
        """Whether nobody is paused for a turn, or will be before the next are taken."""
        return self._thread is None or not self._thread.is_alive()

    @property
    def are_stuck(self) -> bool:
        """Whether the driver keeps a switch waiting, and with it those that wait for their turn."""
        since_s = self._switching_since_s
        return since_s is not None and self._monotonic() - since_s > _STUCK_AFTER_S

    def take(self, taken: TakenTurns) -> None:
        """Take these turns from now on, or go on taking them, until ``LEASE`` is over."""
        is_alive = not self.are_over
        if is_alive and self._ending.is_set():
            # The driver keeps it waiting in a call for one of them.
            return
        with self._lock:
            self._taken, self._renewed_s = taken, self._monotonic()
            self._lapsed = False
        if not is_alive:
            self._ending.clear()
            name = f"turns-{self._gpu_id}"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def stop(self, within_s: float = _ENDS_WITHIN_S) -> None:
        """Let everybody run; return when nobody is paused for a turn any more.

        One for which the driver is in a call after that time runs when that has come back.
        """
        with self._lock:
            self._taken, self._lapsed = None, False
            self._ending.set()
        # The others do not wait for that call.
        self._let_run()
        if self._thread is not None:
            self._thread.join(within_s)
        self._let_run()

    @property
    def times(self) -> TurnTimes:
        """How long the turns of the last seconds were."""
        return self._times

    def cannot_be_paused(self, slice_id: SliceId) -> bool:
        """Whether pausing a slice did not work, and is not tried for now."""
        with self._lock:
            until_s = self._unpausable.until_s.get(slice_id)
            return until_s is not None and self._monotonic() < until_s

    def _run(self) -> None:
        number, before = 0, None
        try:
            while (taken := self._current()) is not None:
                between = turns_between(before or taken.round, taken.round)
                self._take_all(taken, (*between, *taken.round.period(number)))
                number, before = number + 1, taken.round
        except Exception:
            log.exception("GPU %s: turns of computing failed; all run", self._gpu_id)
        finally:
            self._switching_since_s = None
            with self._lock:
                self._taken = None
                self._lapsed = not self._ending.is_set()
            self._let_run()

    def _current(self) -> TakenTurns | None:
        with self._lock:
            late = self._monotonic() - self._renewed_s > LEASE.total_seconds()
            return None if late or self._ending.is_set() else self._taken

    def _take_all(self, taken: TakenTurns, turns: Iterable[Turn]) -> None:
        for turn in turns:
            began_s, lasts_s = self._monotonic(), self._times.lasts_s(turn)
            self._switching_since_s = began_s
            is_alone = self._switch(taken, turn.runs)
            self._switching_since_s = None
            alone_from_s = self._monotonic()
            is_over = self._ending.wait(max(0.0, began_s + lasts_s - alone_from_s))
            alone = alone_from_s if is_alone else None
            past = PastTurn(turn.slice_id, began_s, alone, self._monotonic(), turn.beside)
            self._times.note(past, turn.lasts.total_seconds(), taken.round)
            if is_over:
                return

    def _switch(self, taken: TakenTurns, runs: Collection[SliceId]) -> bool:
        """Let these slices run and pause the others; return whether all of these stand still."""
        others = {
            target
            for slice_id, targets in taken.targets.items()
            if slice_id not in runs
            for target in targets
        }
        waiting = {target for target in others if not self.cannot_be_paused(target.slice_id)}
        # By process: what one holds is another figure from sample to sample.
        wait, held = {target.identity for target in waiting}, self._held()
        self._paused.switch([t for t in held if t.identity not in wait])
        if self._ending.is_set():
            return False
        stand = {target.identity for target in held}
        fresh = [target for target in waiting if target.identity not in stand]
        failures = self._paused.pause(fresh, PauseReason.TURN, _TIMEOUT_MS)
        self._note({target.slice_id for target in fresh}, failures)
        return len(waiting) == len(others) and all(map(_computes_no_longer, failures))

    def _note(self, tried: set[SliceId], failures: list[PauseFailure]) -> None:
        failed = {f.target.slice_id: f for f in failures if not _computes_no_longer(f)}
        with self._lock:
            counts = self._unpausable.counts
            for slice_id in tried:
                failure = failed.get(slice_id)
                counts[slice_id] = counts.get(slice_id, 0) + 1 if failure is not None else 0
                if failure is None:
                    continue
                never = isinstance(failure.error, NotSupportedError)
                if never or counts[slice_id] >= _FAILURES:
                    log.warning("slice %s takes no turns: %s", slice_id, failure.error)
                    until_s = self._monotonic() + _LEFT_ALONE.total_seconds()
                    self._unpausable.until_s[slice_id] = until_s

    def _held(self) -> tuple[Target, ...]:
        held = self._paused.held_for(PauseReason.TURN)
        return tuple(target for target in held if target.gpu_id == self._gpu_id)

    def _let_run(self) -> None:
        self._paused.release(self._held(), PauseReason.TURN)


def _computes_no_longer(failure: PauseFailure) -> bool:
    """Whether who could not be paused need not be: it has gone, or its owner has stopped it.

    Nobody is left out of turns for having stopped their program for a moment.
    """
    return failure.gone or isinstance(failure.error, StandsStillError)
