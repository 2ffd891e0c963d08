"""Turns of computing on one card: one slice runs, the processes of the others are paused.

Beside it run those whose open turn it is as well.

The turns are taken in a thread of their own, which nothing else keeps waiting. The next slice runs
before the last one is paused, so that the card never stands still; but for who comes to rest slowly
(see ``coming_to_rest``), whose kernel keeps it busy meanwhile. Whoever decides says again and
again that they go on; where that does not come, everybody runs. What else keeps a process paused
(see ``pausing``) is not touched by any of this.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from sublet_quota.compute.card_use import NotPausable
from sublet_quota.compute.turns import Round, Turn, turns_between
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.share_kept import COMES_TO_REST_WITHIN_MS

from sublet_agent.devices.interface import NotSupportedError, PauseTimeoutError, StandsStillError
from sublet_agent.moves.coming_to_rest import ComingToRest
from sublet_agent.moves.pausing import PausedProcesses, PauseFailure, PauseReason
from sublet_agent.moves.turn_times import PastTurn, TurnTimes
from sublet_agent.state_files.journal import Target

LEASE: Final = timedelta(seconds=5)
"""How long turns go on after they were decided last: longer than a busy machine keeps decisions
waiting. Meanwhile everybody has their turn.
"""
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


@dataclass(frozen=True, slots=True)
class _Switch:
    """What leads from one turn to the next, in this order."""

    slow: list[Target]
    """Who is paused first, as they come to rest slowly."""
    let_run: list[Target]
    others: list[Target]
    """Who is paused then."""
    is_whole: bool
    """Whether these are all whose turn it is not."""


@dataclass(frozen=True, slots=True)
class _LastingTurn:
    """A turn that is being taken, as far as that is known."""

    past: PastTurn
    meant_s: float
    round: Round


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
        self._coming_to_rest = ComingToRest()
        self._times = TurnTimes()
        self._lasting: _LastingTurn | None = None

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

    def why_not_paused(self, slice_id: SliceId) -> NotPausable | None:
        """Return why pausing a slice did not work, which is not tried for now; ``None``: it may."""
        return self._coming_to_rest.why_not(slice_id, self._monotonic())

    def _run(self) -> None:
        number, before = 0, None
        self._lasting = None
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
            self._switching_since_s = self._monotonic()
            switch = self._switch_to(taken, turn.runs)
            # Until these have come to rest, it is the turn before that lasts.
            rest = self._pause(switch.slow)
            began_s = self._monotonic()
            self._note_turn(began_s)
            self._paused.switch(switch.let_run)
            rest &= self._pause(switch.others)
            self._switching_since_s = None
            alone_from_s = self._monotonic()
            is_alone = rest and switch.is_whole and not self._ending.is_set()
            alone = alone_from_s if is_alone else None
            past = PastTurn(turn.slice_id, began_s, alone, alone_from_s, turn.beside)
            self._lasting = _LastingTurn(past, turn.lasts.total_seconds(), taken.round)
            lasts_s = self._times.lasts_s(turn)
            if self._ending.wait(max(0.0, began_s + lasts_s - alone_from_s)):
                self._note_turn(self._monotonic())
                return

    def _note_turn(self, ended_s: float) -> None:
        """Note the turn that has lasted until now, if there is one."""
        lasting, self._lasting = self._lasting, None
        if lasting is not None:
            past = replace(lasting.past, ended_s=ended_s)
            self._times.note(past, lasting.meant_s, lasting.round)

    def _switch_to(self, taken: TakenTurns, runs: Collection[SliceId]) -> _Switch:
        """Return what lets these slices run and pauses the others."""
        others = {
            target
            for slice_id, targets in taken.targets.items()
            if slice_id not in runs
            for target in targets
        }
        waiting = {t for t in others if self.why_not_paused(t.slice_id) is None}
        # By process: what one holds is another figure from sample to sample.
        wait, held = {target.identity for target in waiting}, self._held()
        stand = {target.identity for target in held}
        fresh = [target for target in waiting if target.identity not in stand]
        slow = [target for target in fresh if self._coming_to_rest.is_slow(target.slice_id)]
        return _Switch(
            slow=slow,
            let_run=[target for target in held if target.identity not in wait],
            others=[target for target in fresh if target not in slow],
            is_whole=len(waiting) == len(others),
        )

    def _pause(self, targets: list[Target]) -> bool:
        """Pause processes for the turn of another; return whether none of them computes any more.

        None is begun with where turns are to end.
        """
        if not targets or self._ending.is_set():
            return not targets
        began_s = self._monotonic()
        failures = self._paused.pause(targets, PauseReason.TURN, COMES_TO_REST_WITHIN_MS)
        now_s, seen = self._monotonic(), self._coming_to_rest
        failed = {f.target.slice_id: f.error for f in failures if not _computes_no_longer(f)}
        for slice_id in {target.slice_id for target in targets}:
            error = failed.get(slice_id)
            if error is None:
                seen.note_paused(slice_id, now_s - began_s)
                continue
            if isinstance(error, PauseTimeoutError):
                left_alone = seen.note_late(slice_id, now_s - began_s, now_s)
            else:
                never = isinstance(error, NotSupportedError)
                left_alone = seen.note_failed(slice_id, now_s, never=never)
            if left_alone:
                log.warning("slice %s takes no turns for now: %s", slice_id, error)
        return not failed

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
