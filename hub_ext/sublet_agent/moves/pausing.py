"""The reasons for which processes are kept from running, and the device calls that do it.

A process runs only while nobody holds it. The policy holds the processes of jobs that must let
owners compute; a move holds all others on its GPU while a slice comes back; a suspended process is
held by being suspended. Each asks and lets go on its own, and the device is called for the first to
ask and the last to let go: so nobody unpauses what somebody else still needs still. All methods may
be called from any thread, and block for as long as the device does.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from sublet_agent.devices.interface import (
    Device,
    DeviceError,
    NoAnswerError,
    NoGpuContextError,
    NoSuchProcessError,
    ProcessState,
    StandsStillError,
)
from sublet_agent.errors import JournalError
from sublet_agent.processes.process_table import ProcessIdentity, ProcessTable
from sublet_agent.state_files.journal import Journal, Step, Target

T = TypeVar("T")

_STANDS_STILL: Final = frozenset({ProcessState.PAUSED, ProcessState.SUSPENDED})

log = logging.getLogger(__name__)


class PauseReason(StrEnum):
    """The reason for which a process is kept from running."""

    POLICY = "policy"
    """The process is a job's that must let owners compute."""
    MOVE = "move"
    """Something on the process's GPU is being moved."""
    SLICE = "slice"
    """Other processes of the same slice are suspended."""
    SUSPENDED = "suspended"
    FOUND = "found"
    """The process was found paused with nobody holding it, and is about to be let run."""
    TURN = "turn"
    """Another slice of the GPU has its turn of computing."""


@dataclass(frozen=True, slots=True)
class PauseFailure:
    """A process that could not be paused, and why."""

    target: Target
    error: Exception

    @property
    def gone(self) -> bool:
        """Whether the process has left the GPU, so that there is nothing to hold."""
        return isinstance(self.error, NoSuchProcessError | NoGpuContextError)


@dataclass(slots=True)
class _Held:
    target: Target
    lock: threading.Lock = field(default_factory=threading.Lock)
    reasons: set[PauseReason] = field(default_factory=set)
    stuck: bool = False
    """Whether the device would not let the process run, although nothing keeps it: tried again."""
    leased: bool = False
    """Whether it may be let run by whoever made its last pause for a while only: it is paused again
    for whatever is no turn."""


class PausedProcesses:
    """The processes that are kept from running, on all GPUs of the node.

    ``turn_lease_s``: for so long somebody is paused for a turn where nobody is left to let it run,
    in seconds: longer than anybody waits for a turn.
    """

    def __init__(
        self,
        device: Device,
        journal: Journal,
        table: ProcessTable,
        calls: Executor,
        turn_lease_s: float = 3.0,
    ) -> None:
        self._device = device
        self._turn_lease_s: Final = turn_lease_s
        self._journal = journal
        self._table = table
        self._calls = calls
        self._guard = threading.Lock()
        self._held: dict[ProcessIdentity, _Held] = {}

    def of(self, identity: ProcessIdentity) -> frozenset[PauseReason]:
        """Return the reasons for which this process is held."""
        held = self._held.get(identity)
        return frozenset() if held is None else frozenset(held.reasons)

    def held_for(self, pause_reason: PauseReason) -> tuple[Target, ...]:
        """Return the processes held for this reason."""
        with self._guard:
            return tuple(h.target for h in self._held.values() if pause_reason in h.reasons)

    def adopt(self, target: Target, pause_reason: PauseReason) -> None:
        """Take over a process that the device says is paused or suspended already.

        Nobody knows whether it was paused for a while only: see ``keep``.
        """
        held = self._entry(target)
        with held.lock:
            held.leased |= not held.reasons
            held.reasons.add(pause_reason)
            held.leased &= PauseReason.SUSPENDED not in held.reasons

    def pause(
        self, targets: Sequence[Target], pause_reason: PauseReason, timeout_ms: int
    ) -> list[PauseFailure]:
        """Hold all these processes, in parallel; return those that are not held."""
        for_a_turn = pause_reason is PauseReason.TURN
        # Who is held for a turn alone is written down anew: it is no longer let run by anybody.
        weaker = frozenset() if for_a_turn else frozenset({PauseReason.TURN})
        fresh = [t for t in targets if self.of(t.identity) <= weaker]
        step = Step.PAUSING_FOR_A_TURN if for_a_turn else Step.PAUSING
        if for_a_turn:
            # Many times a second: nobody is to wait for the disk each time, nor to fill it.
            fresh = [t for t in fresh if self._journal.last_step(t.identity) is not step]
        try:
            self._journal.write(step, fresh)
        except JournalError:
            # A paused process is still listed by the device, so a crash would not hide it.
            log.exception("pausing although it cannot be written down")
        outcomes = self._for_each(targets, lambda t: self._pause_one(t, pause_reason, timeout_ms))
        return [o for o in outcomes if o is not None]

    def switch(self, targets: Sequence[Target]) -> None:
        """Let processes run in their turn, of which there are more to come: nothing is written."""
        self._for_each(targets, lambda t: self._release_one(t, PauseReason.TURN, written=False))

    def release(self, targets: Sequence[Target], pause_reason: PauseReason) -> None:
        """Hold these processes for this reason no longer: those with no other reason run on.

        Never raises for a device's error.
        """
        self._write_unpausing([t for t in targets if self.of(t.identity) <= {pause_reason}])
        self._for_each(targets, lambda t: self._release_one(t, pause_reason))

    def exchange(self, target: Target, old: PauseReason, new: PauseReason) -> None:
        """Hold a process for another reason than before, with no call to the device."""
        held = self._entry(target)
        with held.lock:
            held.reasons.discard(old)
            held.reasons.add(new)
            held.leased &= PauseReason.SUSPENDED not in held.reasons

    def keep(self, targets: Sequence[Target], timeout_ms: int) -> list[PauseFailure]:
        """Pause those for good that are held, and may have been paused for a while only.

        Returns those for whom that did not work: they are held as before, and paused again by
        whatever holds them next.
        """
        outcomes = self._for_each(targets, lambda t: self._keep_one(t, timeout_ms))
        return [o for o in outcomes if o is not None]

    def drop(self, identity: ProcessIdentity, pause_reason: PauseReason) -> None:
        """Note that a reason is no more, as the device says; nothing is called."""
        held = self._held.get(identity)
        if held is not None:
            with held.lock:
                held.reasons.discard(pause_reason)

    def forget(self, identity: ProcessIdentity) -> None:
        """Drop a process that is gone."""
        with self._guard:
            self._held.pop(identity, None)

    def settle(self) -> None:
        """Try again what the device refused to unpause, and drop who is gone."""
        with self._guard:
            everyone = tuple(self._held.values())
        for held in everyone:
            if not self._table.is_alive(held.target.identity):
                self.forget(held.target.identity)
                self._note(Step.GONE, held.target)
                continue
            if held.stuck:
                with held.lock:
                    if not held.reasons:
                        self._let_run(held)

    def _entry(self, target: Target) -> _Held:
        with self._guard:
            held = self._held.get(target.identity)
            if held is None:
                held = self._held[target.identity] = _Held(target)
            elif held.target.gpu_id != target.gpu_id or held.target.mapping != target.mapping:
                # Its slice has changed cards: it is this one's neighbours that it is held for.
                held.target = target
            return held

    def _pause_one(
        self, target: Target, pause_reason: PauseReason, timeout_ms: int
    ) -> PauseFailure | None:
        held = self._entry(target)
        for_a_turn = pause_reason is PauseReason.TURN
        with held.lock:
            if not held.reasons or (held.leased and not for_a_turn):
                lease_s = self._turn_lease_s if for_a_turn else None
                error = self._call_pause(target, timeout_ms, lease_s)
                if error is not None:
                    return PauseFailure(target, error)
                held.leased = for_a_turn
            held.reasons.add(pause_reason)
        return None

    def _keep_one(self, target: Target, timeout_ms: int) -> PauseFailure | None:
        held = self._held.get(target.identity)
        if held is None:
            return None
        with held.lock:
            if not held.leased or held.reasons <= {PauseReason.TURN}:
                return None
            error = self._call_pause(target, timeout_ms, None)
            held.leased = error is not None
            return None if error is None else PauseFailure(target, error)

    def _call_pause(
        self, target: Target, timeout_ms: int, lease_s: float | None
    ) -> DeviceError | None:
        pid = target.identity.pid
        if not self._table.is_alive(target.identity):
            return NoSuchProcessError(f"process {pid} has ended")
        try:
            self._device.pause(pid, timeout_ms, lease_s)
        except (NoAnswerError, StandsStillError) as error:
            # Nobody would say more of its state, and it is not held.
            return error
        except DeviceError as error:
            # Whatever it says, what counts is whether the process stands still (an agent
            # before this one may have paused it).
            return None if self._state(pid) is ProcessState.PAUSED else error
        except Exception as error:  # one that cannot be paused must not leave the others held
            log.exception("pausing process %s failed unexpectedly", pid)
            paused = self._state(pid) is ProcessState.PAUSED
            return None if paused else DeviceError(repr(error))
        return None

    def _release_one(
        self, target: Target, pause_reason: PauseReason, *, written: bool = True
    ) -> None:
        held = self._entry(target)
        with held.lock:
            if pause_reason not in held.reasons and not held.stuck:
                return
            held.reasons.discard(pause_reason)
            if not held.reasons:
                self._let_run(held, written=written)

    def _let_run(self, held: _Held, *, written: bool = True) -> None:
        target = held.target
        try:
            self._device.unpause(target.identity.pid)
        except DeviceError as error:
            silent = isinstance(error, NoAnswerError | StandsStillError)
            held.stuck = silent or self._may_stand_still(target.identity.pid)
            if held.stuck:
                log.warning("process %s is not unpaused yet: %s", target.identity.pid, error)
                return
        held.stuck = False
        # Where another reason was written meanwhile, that is no more.
        if written or self._journal.last_step(target.identity) is not Step.PAUSING_FOR_A_TURN:
            self._note(Step.RUNNING, target)

    def _state(self, pid: int) -> ProcessState | None:
        try:
            return self._device.state(pid)
        except DeviceError:
            return None

    def _may_stand_still(self, pid: int) -> bool:
        """Whether a process is not known to run: it is neither forgotten then nor noted to run."""
        try:
            return self._device.state(pid) in _STANDS_STILL
        except (NoSuchProcessError, NoGpuContextError):
            return False
        except DeviceError:
            return True

    def _note(self, step: Step, target: Target) -> None:
        try:
            self._journal.write(step, [target])
        except JournalError as error:
            log.warning("%s", error)

    def _write_unpausing(self, targets: Sequence[Target]) -> None:
        try:
            self._journal.write(Step.UNPAUSING, targets)
        except JournalError:
            # Unpausing is always safe, and leaving somebody paused is not.
            log.exception("unpausing although it cannot be written down")

    def _for_each(self, targets: Iterable[Target], call: Callable[[Target], T]) -> list[T]:
        several = list(targets)
        if len(several) <= 1:
            return [call(t) for t in several]
        return list(self._calls.map(call, several))
