"""The trial of a card: the canary is moved out and back, and its bytes are compared.

It is moved as a slice is: paused first, with room set aside in host memory, brought back only where
there is room, with everybody else on the card standing still. After its end another account looks
for its bytes in fresh memory: whoever is lent the card must not find its owner's there. A trial
ends in time, or its canary is ended: the driver then gives up whatever it was doing to it.
"""

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.fitness import Unfit, UnfitReason
from sublet_quota.residency.snapshot import Holder

from sublet_agent.fitness.canary import CLEAN, FOUND, INTACT, READY, SIZE_MIB
from sublet_agent.moves.plan import MoveEnd, MoveOutcome, MovePlan, MoveTools, UndoSwitch
from sublet_agent.moves.resume import resume_slice
from sublet_agent.moves.suspend import suspend_slice
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.state_files.journal import Target

_MOST_OF_AN_ANSWER: Final = 500
_AGAIN_S: Final = 0.1
_MARK_BYTES: Final = 16
_NOBODY: Final = 65534
"""The uid of an account that every Linux has, and that owns nothing."""
_END_WITHIN_S: Final = 10.0
"""How long the driver may take to give up what it does to a canary that was ended."""


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """How long a trial may take."""

    start_s: float = 60.0
    """Until the canary has its memory: the driver may be slow to start on a large machine.

    As long for each that looks for what it left there.
    """
    move_s: float = 10.0
    """For both ways together; the others on the card may stand still for as long."""

    @property
    def most_s(self) -> float:
        """How long a trial takes at most where the driver answers at all."""
        return 3 * self.start_s + 2 * self.move_s + _END_WITHIN_S

    @property
    def no_answer(self) -> UnfitReason:
        """What a trial comes to that takes longer."""
        detail = f"the driver does not answer in {self.most_s:g} s"
        return UnfitReason(Unfit.CANARY_STUCK, detail)


@dataclass(frozen=True, slots=True)
class Trial:
    """A card to be tried, and what is needed for that."""

    tools: MoveTools
    gpu_id: GpuId
    limits: TrialLimits = TrialLimits()
    started: Callable[[ProcessIdentity], None] = field(default=lambda _: None)
    """Told which process each canary is, before it uses the card."""
    give_up: threading.Event = field(default_factory=threading.Event)
    """Set from outside: no canary is started any more, or asked for anything."""


class _TrialFailedError(Exception):
    """The trial has failed, for a reason."""

    def __init__(self, why: Unfit, detail: str = "") -> None:
        super().__init__(why)
        self.reason = UnfitReason(why, detail)


class Canary:
    """The canary's process, seen from the agent."""

    def __init__(self, kind: str, environment: dict[str, str], uid: int | None = None) -> None:
        self._process: Final = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "sublet_agent.fitness.canary", kind),
                *(() if uid is None else (str(uid),)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
            bufsize=0,
        )
        self.overdue = False
        """Whether it was ended for taking too long."""
        self.has_ended = False
        """Whether it ended instead of answering."""

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def ask(self, order: str, within_s: float) -> str | None:
        """Return the canary's answer to an order; ``None`` where none comes in time."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            return None
        try:
            stdin.write(f"{order}\n".encode())
        except OSError:
            self.has_ended = True
            return None
        answer, deadline = b"", time.monotonic() + within_s
        while not answer.endswith(b"\n"):
            left_s = max(0.0, deadline - time.monotonic())
            if not select.select([stdout], [], [], left_s)[0]:
                return None
            more = os.read(stdout.fileno(), _MOST_OF_AN_ANSWER)
            if not more:
                self.has_ended = True
                return None
            answer += more
        return answer.decode(errors="replace").strip()[:_MOST_OF_AN_ANSWER]

    def end(self) -> None:
        """End the canary, wherever it is."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    @contextmanager
    def bounded(self, within_s: float) -> Iterator[None]:
        """End the canary if the block is not over in time."""

        def expire() -> None:
            self.overdue = True
            self._process.kill()

        timer = threading.Timer(within_s, expire)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def try_card(trial: Trial) -> UnfitReason | None:
    """Return why memory cannot be moved on a card, as was just tried; ``None``: it can."""
    mark = os.urandom(_MARK_BYTES).hex()
    try:
        with _canary(trial) as canary:
            _try(trial, canary, mark)
        _look_for_leftovers(trial, mark)
    except OSError as error:
        return UnfitReason(Unfit.CANARY_NOT_STARTED, str(error))
    except _TrialFailedError as failed:
        return failed.reason
    return None


@contextmanager
def _canary(trial: Trial, uid: int | None = None) -> Iterator[Canary]:
    """Start a canary on the card, and end it with the block; ``OSError``."""
    _go_on(trial)
    device = trial.tools.device
    kind = "simulated" if device.simulated else "nvidia"
    canary = Canary(kind, dict(device.client_environment(trial.gpu_id)), uid)
    try:
        yield canary
    finally:
        canary.end()
        trial.tools.paused_processes.settle()


def try_card_in_time(trial: Trial) -> UnfitReason | None:
    """Try a card as ``try_card`` does, and give up a driver that never answers."""
    answers: list[UnfitReason | None] = []
    # A daemon's thread: it may never end, and must not keep the program from ending.
    thread = threading.Thread(
        target=lambda: answers.append(try_card(trial)), name="canary", daemon=True
    )
    thread.start()
    thread.join(trial.limits.most_s)
    return answers[0] if answers else trial.limits.no_answer


def _look_for_leftovers(trial: Trial, mark: str) -> None:
    """Let another account take memory of the card, and look there for what the canary left.

    The driver is said to clear memory before others have it. Where nobody else may use the card,
    another process of the agent's own account looks.
    """
    answer = ""
    for uid in (_NOBODY, None) if os.geteuid() == 0 else (None,):
        with _canary(trial, uid) as seeker:
            answer = _seek(trial, seeker, mark)
        if answer == FOUND:
            raise _TrialFailedError(Unfit.MEMORY_LEFT)
        if answer == CLEAN:
            return
    raise _TrialFailedError(Unfit.CANARY_NOT_STARTED, answer)


def _seek(trial: Trial, seeker: Canary, mark: str) -> str:
    try:
        _start(trial, seeker)
    except _TrialFailedError as failed:
        # In a container an agent may be root, and not have the right to be somebody else.
        return failed.reason.detail
    return seeker.ask(f"seek {mark}", trial.limits.start_s) or _no_answer(trial, seeker)


def _start(trial: Trial, canary: Canary) -> ProcessIdentity:
    identity = trial.tools.table.identify(canary.pid)
    if identity is None:
        raise _TrialFailedError(Unfit.CANARY_NOT_STARTED, "it ended at once")
    trial.started(identity)
    # Again: who gives up may have looked for a canary to end before there was this one.
    _go_on(trial)
    return identity


def _go_on(trial: Trial) -> None:
    """Raise where the trial is given up."""
    if trial.give_up.is_set():
        raise _TrialFailedError(Unfit.CANARY_NOT_STARTED, "the trial was given up")


def _no_answer(trial: Trial, canary: Canary) -> str:
    if canary.has_ended:
        return "it ended before it answered"
    return f"it did not answer in {trial.limits.start_s:.0f} s"


def _try(trial: Trial, canary: Canary, mark: str) -> None:
    identity = _start(trial, canary)
    answer = canary.ask(f"go {mark}", trial.limits.start_s)
    if answer != READY:
        raise _TrialFailedError(Unfit.CANARY_NOT_STARTED, answer or _no_answer(trial, canary))
    slice_id = SliceId(f"canary-of-{trial.gpu_id}")
    # The trial is nobody's slice: only it knows whose process the canary is.
    target = Target(identity, trial.gpu_id, slice_id, Holder.NOTEBOOK, SIZE_MIB)
    whose = trial.tools.whose
    tools = replace(
        trial.tools,
        whose=lambda pid, gpu_id: target if pid == identity.pid else whose(pid, gpu_id),
    )
    try:
        with canary.bounded(trial.limits.move_s):
            give_up_at = time.monotonic() + trial.limits.move_s / 2
            _move_out_and_back(tools, MovePlan(slice_id, trial.gpu_id, (target,)), give_up_at)
            answer = canary.ask("check", trial.limits.move_s)
    except _TrialFailedError as failed:
        if canary.overdue:
            detail = f"not within {trial.limits.move_s:g} s: {failed.reason.detail}"
            raise _TrialFailedError(Unfit.CANARY_STUCK, detail) from failed
        raise
    finally:
        tools.host.release(identity)
    if answer is None:
        raise _TrialFailedError(Unfit.CANARY_STUCK, "its next call did not return")
    if answer != INTACT:
        raise _TrialFailedError(Unfit.CANARY_CHANGED)


def _move_out_and_back(tools: MoveTools, plan: MovePlan, give_up_at: float) -> None:
    out = suspend_slice(tools, plan, UndoSwitch())
    if out.end is not MoveEnd.DONE or not out.suspended:
        raise _failure(out, "it was not moved out")
    away = MovePlan(plan.slice_id, plan.gpu_id, tuple(out.suspended.values()))
    while (back := resume_slice(tools, away)).end is MoveEnd.PUT_OFF:
        # Others on the card move on, or an error passes; a poisoned process looks the same.
        if time.monotonic() > give_up_at:
            break
        time.sleep(_AGAIN_S)
    if back.end is not MoveEnd.DONE or not back.on_gpu:
        raise _failure(back, "it was not brought back")


def _failure(outcome: MoveOutcome, otherwise: str) -> _TrialFailedError:
    lost = (*outcome.lost.values(), *outcome.refused.values())
    if lost:
        return _TrialFailedError(Unfit.CANARY_LOST, lost[0])
    return _TrialFailedError(Unfit.CANARY_NOT_MOVED, outcome.detail or otherwise)
