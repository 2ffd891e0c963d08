"""The machine's processes: who they are, whose they are, and what they use.

A pid alone may be another process's by the time it is used, so every process is known by
(boot, pid, start time), with the start time in clock ticks since the boot: exact, and the same
however often the wall clock is set. What lies in a process's own memory, its environment, is read
as ``TenantMemory`` does, which waits for a while: never in an event loop.
"""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from sublet_procfs.accounts import account_of
from sublet_procfs.tenant_memory import TenantMemory, tenant_memory

from sublet_agent.processes.threads import (
    ENDED,
    STAT_STATE,
    living_threads,
    speaking_thread,
    stat_fields,
)

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_STOPPED: Final = "T"
_STAT_PARENT, _STAT_USER, _STAT_SYSTEM, _STAT_START = 1, 11, 12, 19
"""Places in /proc/PID/stat, counted after the closing bracket of the command's name."""


@dataclass(frozen=True, slots=True, order=True)
class ProcessIdentity:
    """The identity of one process, never to be mistaken for another that has its pid."""

    boot_id: str
    pid: int
    start_ticks: int


class ProcessTable(Protocol):
    """The machine's processes, as the agent asks about them.

    An answer is ``None`` where the process is gone.
    """

    def identify(self, pid: int) -> ProcessIdentity | None:
        """Return who has this pid now; ``None`` when nobody has, or one that has ended."""
        ...

    def is_alive(self, identity: ProcessIdentity) -> bool:
        """Whether exactly this process still runs."""
        ...

    def started_at(self, identity: ProcessIdentity) -> float:
        """Return when a process began, in seconds since the machine's boot."""
        ...

    def uid(self, pid: int) -> int | None:
        """Return the account that a process runs under (the real one)."""
        ...

    def parent(self, pid: int) -> int | None:
        """Return the pid of a process's parent."""
        ...

    def environment(self, pid: int, name: str) -> str | None:
        """Return one variable of the environment that a process was started with.

        Blocks, for seconds at the worst. ``None`` also for who keeps it from being read.
        """
        ...

    def cpu_s(self, pid: int) -> float | None:
        """Return the CPU time that a process has used, in seconds."""
        ...

    def pids(self) -> list[int]:
        """Return all processes; slow, for the start only."""
        ...

    def is_stopped(self, identity: ProcessIdentity) -> bool:
        """Whether exactly this process is stopped (Ctrl-Z, SIGSTOP), and not by a debugger."""
        ...

    def send_signal(self, identity: ProcessIdentity, number: signal.Signals) -> bool:
        """Signal exactly this process; return whether it was there and the agent's to signal."""
        ...


class LinuxProcessTable:
    """The machine's processes, read from ``/proc``."""

    def __init__(self, proc: Path = Path("/proc"), memory: TenantMemory | None = None) -> None:
        self._proc = str(proc)
        self._memory = tenant_memory() if memory is None else memory
        self._boot_id = (proc / "sys/kernel/random/boot_id").read_text().strip()

    @property
    def boot_id(self) -> str:
        """The id of this boot of the machine."""
        return self._boot_id

    def identify(self, pid: int) -> ProcessIdentity | None:
        """Return who has this pid now; ``None`` when nobody has, or one that has ended."""
        stat = self._stat(pid)
        if stat is None or (stat[STAT_STATE] in ENDED and not self._has_threads(pid)):
            return None
        return ProcessIdentity(self._boot_id, pid, int(stat[_STAT_START]))

    def is_alive(self, identity: ProcessIdentity) -> bool:
        """Whether exactly this process still runs."""
        return self.identify(identity.pid) == identity

    def started_at(self, identity: ProcessIdentity) -> float:
        """Return when a process began, in seconds since the machine's boot, to a tick."""
        return identity.start_ticks / _TICKS_PER_S

    def uid(self, pid: int) -> int | None:
        """Return the account that a process runs under (the real one), or ``None``."""
        try:
            return account_of(pid, self._proc)
        except (OSError, ValueError):
            return None

    def parent(self, pid: int) -> int | None:
        """Return the pid of a process's parent, or ``None``."""
        stat = self._stat(pid)
        return None if stat is None else int(stat[_STAT_PARENT]) or None

    def environment(self, pid: int, name: str) -> str | None:
        """Return one variable of the environment that a process was started with, or ``None``."""
        try:
            thread = speaking_thread(pid, self._proc)
            values = self._memory.variables(pid, name, Path(self._proc), thread)
        except OSError:
            return None
        return values[0] if values else None

    def cpu_s(self, pid: int) -> float | None:
        """Return the CPU time that a process has used, in seconds, or ``None``."""
        stat = self._stat(pid)
        if stat is None:
            return None
        return (int(stat[_STAT_USER]) + int(stat[_STAT_SYSTEM])) / _TICKS_PER_S

    def pids(self) -> list[int]:
        """Return all processes."""
        return [int(name) for name in os.listdir(self._proc) if name.isdigit()]  # noqa: PTH208

    def is_stopped(self, identity: ProcessIdentity) -> bool:
        """Whether exactly this process is stopped (Ctrl-Z, SIGSTOP), and not by a debugger."""
        stat = self._stat(identity.pid)
        if stat is None or int(stat[_STAT_START]) != identity.start_ticks:
            return False
        if stat[STAT_STATE] not in ENDED:
            return stat[STAT_STATE] == _STOPPED
        return any(state == _STOPPED for _, state in living_threads(identity.pid, self._proc))

    def send_signal(self, identity: ProcessIdentity, number: signal.Signals) -> bool:
        """Signal exactly this process; return whether it was there and the agent's to signal."""
        try:
            handle = os.pidfd_open(identity.pid)
        except OSError:
            return False
        try:
            # Checked with the handle open: from here on the pid cannot change hands.
            if not self.is_alive(identity):
                return False
            signal.pidfd_send_signal(handle, number)
        except OSError:
            return False
        else:
            return True
        finally:
            os.close(handle)

    def _has_threads(self, pid: int) -> bool:
        """Whether a process whose main thread has ended goes on with others."""
        return any(True for _ in living_threads(pid, self._proc))

    def _stat(self, pid: int) -> list[str] | None:
        return stat_fields(f"{self._proc}/{pid}/stat")
