"""The processes of a slice that have something on a GPU, and the kernels that they belong to."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sublet_agent.processes.process_table import ProcessIdentity

_MOST_KERNELS: Final = 256
_MOST_ANCESTORS: Final = 16


@dataclass(slots=True)
class TrackedProcess:
    """A process of a slice that has, or had, something on a GPU."""

    identity: ProcessIdentity
    memory_mib: int = 0
    """On the GPU at the last sample."""
    utilisation_percent: int = 0
    busy_ms: int | None = None
    cpu_s: float | None = None
    cpu_at: float = 0.0
    image_mib: int | None = None
    """Suspended: how much room it needs to come back."""
    refusals: int = 0
    """How often the driver did not bring it back although there was room."""
    lost: str | None = None
    """Its GPU state cannot be brought back, and why."""
    unsuspendable: str | None = None
    unsuspendable_until: datetime | None = None
    """A reason that may pass; ``None``: it stays as long as the process."""
    looked_at: datetime | None = None
    """When it was last looked at for what forbids a suspend."""

    @property
    def suspended(self) -> bool:
        """Whether its bytes are in host memory."""
        return self.image_mib is not None


class SliceKernels:
    """The kernels of a slice that have asked at its gate, and which of its processes are theirs.

    Each kernel speaks for itself: 256 are remembered, the oldest are forgotten first.
    """

    def __init__(self) -> None:
        self._kernels: dict[ProcessIdentity, str] = {}
        self._of: dict[ProcessIdentity, str | None] = {}
        """What is known of processes by the kernels that have asked so far."""

    def note(self, process: ProcessIdentity, kernel: str) -> None:
        """Remember that this process is that kernel."""
        if self._kernels.get(process) == kernel:
            return
        if len(self._kernels) >= _MOST_KERNELS:
            self._kernels.pop(next(iter(self._kernels)))
        self._kernels[process] = kernel
        self._of.clear()

    def has(self, process: ProcessIdentity) -> bool:
        """Whether this process is a kernel that has asked."""
        return process in self._kernels

    def of(
        self,
        processes: Iterable[ProcessIdentity],
        parent: Callable[[ProcessIdentity], ProcessIdentity | None],
    ) -> dict[int, str | None]:
        """Return, by pid, the kernel that each process is or descends from.

        ``parent`` returns the process that another was started by, or ``None`` where there is
        none; a process is asked for once, until another kernel asks at the gate.
        """
        known = self._of
        self._of = {p: known[p] if p in known else self._find(p, parent) for p in processes}
        return {process.pid: kernel for process, kernel in self._of.items()}

    def _find(
        self,
        process: ProcessIdentity,
        parent: Callable[[ProcessIdentity], ProcessIdentity | None],
    ) -> str | None:
        ancestor: ProcessIdentity | None = process
        for _ in range(_MOST_ANCESTORS):
            if ancestor is None:
                return None
            if ancestor in self._kernels:
                return self._kernels[ancestor]
            ancestor = parent(ancestor)
        return None
