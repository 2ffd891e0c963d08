"""Why a slice can be paused but not suspended: the codes, and the words that its owner is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Obstacle(StrEnum):
    """What keeps a slice's memory where it is."""

    CUDA_IPC = "cuda-ipc"
    """A process shares GPU memory with another: it could not be brought back."""
    MPS = "mps"
    NOT_SUPPORTED = "not-supported"
    """The driver does not move this process: managed memory, say."""
    SEVERAL_GPUS = "several-gpus"
    """A process is on more than one GPU, and would leave and need room on all of them."""
    MEMORY_UNKNOWN = "memory-unknown"
    """The GPU does not tell how much a process holds: nobody knows the room to come back to."""
    PROFILER = "profiler"
    """A profiler is in a process, and the driver does not move such."""
    ENGINE = "engine"
    """The engine that shares the GPU has processes that the driver cannot move."""
    UNREADABLE = "unreadable"
    """What a process shares cannot be seen (for now: reading may have taken too long), and a
    mistake would lose its memory."""
    FAILED_BEFORE = "failed-before"
    """Suspending was tried several times, and did not work."""
    CANNOT_PAUSE = "cannot-pause"
    LOST = "lost"
    """A process's GPU memory is lost already."""

    @property
    def may_pass(self) -> bool:
        """Whether a process may be suspended again as soon as nothing is seen of it any more."""
        return self in {Obstacle.SEVERAL_GPUS, Obstacle.MEMORY_UNKNOWN, Obstacle.UNREADABLE}


@dataclass(frozen=True, slots=True)
class Unsuspendable:
    """That a slice or process cannot be suspended: by which obstacle, and what was seen of it."""

    obstacle: Obstacle
    detail: str
    """A clause for people: what the driver, the process's memory maps or the engine say."""


_NEVER_LENT: Final = "It is never lent meanwhile."
_ADVICE: Final[Mapping[Obstacle, str]] = MappingProxyType(
    {
        Obstacle.CUDA_IPC: (
            f"{_NEVER_LENT} To change that, keep GPU memory within one process (share data between "
            "workers on the CPU), and restart the kernel."
        ),
        Obstacle.MPS: f"{_NEVER_LENT} A process under MPS cannot be moved.",
        Obstacle.NOT_SUPPORTED: (
            f"{_NEVER_LENT} To change that, allocate ordinary GPU memory instead of managed "
            "memory, and restart the kernel."
        ),
        Obstacle.SEVERAL_GPUS: (
            f"{_NEVER_LENT} A slice is a share of one GPU: to change that, restart the kernel, and "
            "use no other GPU in it."
        ),
        Obstacle.MEMORY_UNKNOWN: (
            f"{_NEVER_LENT} Nor can it be seen whether it keeps to its cap. Ask your admin."
        ),
        Obstacle.PROFILER: (
            f"{_NEVER_LENT} To change that, restart the kernel without the profiler."
        ),
        Obstacle.ENGINE: "",
        Obstacle.UNREADABLE: f"{_NEVER_LENT} Restarting the kernel that holds it may help.",
        Obstacle.FAILED_BEFORE: f"{_NEVER_LENT} It is tried again in a while.",
        Obstacle.CANNOT_PAUSE: f"{_NEVER_LENT} Restarting the kernel that holds it helps.",
        Obstacle.LOST: "",
    }
)


def advice_on(obstacle: Obstacle) -> str:
    """Return what an owner can do about an obstacle, as sentences; empty where none is needed."""
    return _ADVICE[obstacle]


def unsuspendable_clause(detail: str) -> str:
    """Return why a slice cannot be suspended, as a clause whose subject is the slice.

    ``detail`` is that of an ``Unsuspendable``.
    """
    return f"cannot be moved out and back: {detail.rstrip('.')}"
