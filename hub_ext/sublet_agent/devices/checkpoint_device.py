"""The driver's checkpoint API in the interface's words, the same for every device.

A driver's error is believed only after its state was read: "not supported" may be said of a
process that was moved, and error 304 both of one that is not there and of one that is poisoned.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from sublet_quota.names.ids import GpuId

from sublet_agent.cgroups.standing_still import STILLNESS_WORDS, StandingStill
from sublet_agent.devices.interface import (
    DeviceError,
    GpuGoneError,
    GpuUnavailableError,
    NoAnswerError,
    NoGpuContextError,
    NoSuchProcessError,
    NotSupportedError,
    OutOfGpuMemoryError,
    PauseTimeoutError,
    ProcessState,
    ResumeRefusedError,
    StandsStillError,
    SystemRefusedError,
)

ERROR_OF_CODE: Final[Mapping[int, type[DeviceError]]] = {
    2: OutOfGpuMemoryError,
    3: NoGpuContextError,
    46: GpuUnavailableError,
    100: GpuGoneError,
    214: GpuGoneError,
    304: NoSuchProcessError,
    600: PauseTimeoutError,
    801: NotSupportedError,
}
"""The numbers of ``CUresult`` that mean something of their own; others are a ``DeviceError``."""

STATE_OF_WORD: Final[Mapping[str, ProcessState]] = {
    "running": ProcessState.RUNNING,
    "locked": ProcessState.PAUSED,
    "checkpointed": ProcessState.SUSPENDED,
    "failed": ProcessState.FAILED,
}


class DriverCall(StrEnum):
    """The checkpoint API's operations."""

    LOCK = "lock"
    CHECKPOINT = "checkpoint"
    RESTORE = "restore"
    UNLOCK = "unlock"


@dataclass(frozen=True, slots=True)
class CallTerms:
    """What a call of the checkpoint API is made with, beside its process."""

    timeout_ms: int = 0
    """For a lock: how long submitted work may take to drain."""
    lease_s: float | None = None
    """For a lock: after how long it is undone; ``None``: it stays."""
    mapping: Mapping[GpuId, GpuId] = field(default_factory=dict)
    """For a restore: to which cards; empty: where it was."""


def permutation_of(gpu_ids: Sequence[GpuId], mapping: Mapping[GpuId, GpuId]) -> dict[GpuId, GpuId]:
    """Return where every card goes: as ``mapping`` says, and the others out of the way.

    The driver takes a mapping that names every card that a process sees, each once on both sides.
    """
    taken = set(mapping.values())
    everywhere = {gpu_id: gpu_id for gpu_id in gpu_ids if gpu_id not in taken} | dict(mapping)
    left = iter(sorted(set(gpu_ids) - set(everywhere.values())))
    for gpu_id in gpu_ids:
        if gpu_id not in everywhere:
            everywhere[gpu_id] = next(left)
    return everywhere


class DriverDevice(ABC):
    """A device whose processes are moved by a driver's checkpoint API.

    The driver is never asked about a process whose threads do not run: it would wait for ever.
    """

    def __init__(self, still: StandingStill | None = None) -> None:
        self._still: Final = still or StandingStill()

    @abstractmethod
    def _operate(self, call: DriverCall, pid: int, terms: CallTerms) -> None:
        """Make one call of the checkpoint API; raise the error of ``ERROR_OF_CODE``."""

    @abstractmethod
    def _state_word(self, pid: int) -> str:
        """Return the process's state in the driver's own words."""

    def state(self, pid: int) -> ProcessState | None:
        """Return the process's state, after the end of an operation on it that is under way.

        ``None`` where it has no CUDA context, or is gone.
        """
        try:
            with self._asking(pid):
                return STATE_OF_WORD[self._state_word(pid)]
        except (NoGpuContextError, NoSuchProcessError):
            return None

    def pause(self, pid: int, timeout_ms: int, lease_s: float | None = None) -> None:
        """Let a process's submitted work drain, then block its calls, for a lease or for good.

        ``ValueError`` for a time-out below 1 ms, which would wait for ever.
        """
        if timeout_ms < 1:
            message = f"timeout_ms is {timeout_ms}: give 1 or more (0 would wait for ever)"
            raise ValueError(message)
        try:
            with self._asking(pid):
                self._operate(DriverCall.LOCK, pid, CallTerms(timeout_ms, lease_s))
        except NotSupportedError:
            if self.state(pid) is not ProcessState.PAUSED:
                raise

    def suspend(self, pid: int) -> None:
        """Move a paused process's bytes to host memory."""
        try:
            with self._asking(pid):
                self._operate(DriverCall.CHECKPOINT, pid, CallTerms())
        except NotSupportedError:
            if self.state(pid) is not ProcessState.SUSPENDED:
                raise

    def resume(self, pid: int, gpu_mapping: dict[GpuId, GpuId] | None = None) -> None:
        """Bring a suspended process's bytes back. Never to be called without room for them."""
        try:
            with self._asking(pid):
                self._operate(DriverCall.RESTORE, pid, CallTerms(mapping=gpu_mapping or {}))
        except (OutOfGpuMemoryError, GpuGoneError, StandsStillError, NoAnswerError):
            raise
        except DeviceError as error:
            if self.state(pid) is ProcessState.SUSPENDED:
                message = f"the driver does not resume process {pid}: {error}"
                raise ResumeRefusedError(message) from error
            raise

    def unpause(self, pid: int) -> None:
        """Let a paused process run on; nothing happens where it runs already."""
        try:
            with self._asking(pid):
                self._operate(DriverCall.UNLOCK, pid, CallTerms())
        except (StandsStillError, NoAnswerError):
            raise
        except DeviceError:
            if self.state(pid) is not ProcessState.RUNNING:
                raise

    @contextmanager
    def _asking(self, pid: int) -> Iterator[None]:
        """Look whether a process could answer; then tell what "error 304" means of it."""
        stillness = self._still.why(pid)
        if stillness is not None:
            message = f"process {pid} {STILLNESS_WORDS[stillness]}"
            raise StandsStillError(message)
        try:
            yield
        except NoSuchProcessError as error:
            # The driver says it of whoever the operating system keeps it from, too.
            if not Path(f"/proc/{pid}").exists():
                raise
            message = f"the system keeps the driver from process {pid}, which lives: {error}"
            raise SystemRefusedError(message) from error
