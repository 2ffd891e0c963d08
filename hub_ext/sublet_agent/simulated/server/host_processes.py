"""The processes of this machine, as the kernel tells them."""

import logging
import os
import signal
import socket
from pathlib import Path
from typing import Final

from sublet_agent.cgroups.trees import cgroup_lines
from sublet_agent.processes.peer import credentials_of
from sublet_agent.processes.process_table import ProcessTable
from sublet_agent.processes.threads import ENDED, living_threads, speaking_thread
from sublet_agent.simulated.machine.card import CallerIdentity

_log: Final = logging.getLogger(__name__)
_CGROUPS: Final = Path("/sys/fs/cgroup")


class HostProcesses:
    """The operating system's answers to what the physics asks."""

    def uid_of(self, pid: int) -> int | None:
        """Return a process's account; ``None`` where there is none, or it has ended already."""
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        if lines["State"].split()[0] in ENDED and not any(living_threads(pid)):
            return None
        return int(lines["Uid"].split()[1])

    def stands_still(self, pid: int) -> bool:
        """Whether a process is stopped (also by a debugger), or its control group is frozen."""
        try:
            states = {state for _, state in living_threads(pid)}
            thread = Path(f"/proc/{pid}/task/{speaking_thread(pid)}")
            groups = (thread / "cgroup").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        return bool(states & {"T", "t"}) or any(map(_is_frozen, groups.splitlines()))

    def group_number(self, group: str) -> int | None:
        """Return what tells a control group of version 2 from a later one with the same folder.

        ``None``: there is none.
        """
        if not any(group.startswith(f"{root}/") for root in _roots_of_version_2()):
            return None
        try:
            return (Path(group) / "cgroup.procs").stat().st_ino
        except OSError:
            return None

    def is_in_group(self, pid: int, group: str) -> bool:
        """Whether a process is in a group of version 2, or in one below it."""
        places = (line[len("0::") :] for line in cgroup_lines(pid) if line.startswith("0::"))
        return any(
            f"{root}{place}/".startswith(f"{group}/")
            for place in places
            for root in _roots_of_version_2()
        )

    def kill(self, pid: int) -> None:
        """End a process at once."""
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        except PermissionError:
            _log.warning("process %d is not ours to end: only its GPU state is gone", pid)


def _roots_of_version_2() -> list[Path]:
    both = (_CGROUPS, _CGROUPS / "unified")
    return [each for each in both if (each / "cgroup.controllers").is_file()]


def _is_frozen(line: str) -> bool:
    """Whether a group that ``/proc/PID/cgroup`` names is frozen, by itself or one above it."""
    _, controllers, place = line.split(":", 2)
    if "freezer" in controllers.split(","):
        files, frozen = [_CGROUPS / f"freezer{place}/freezer.state"], "FROZEN"
    elif not controllers:
        files = [_CGROUPS / f"{where}{place}/cgroup.events" for where in (".", "unified")]
        frozen = "frozen 1"
    else:
        return False
    for file in files:
        try:
            return frozen in file.read_text(encoding="ascii").splitlines()
        except OSError:
            continue
    return False


def peer_of(connection: socket.socket, table: ProcessTable) -> tuple[CallerIdentity, int] | None:
    """Return who is on the other side and a pidfd of it; ``None`` where it has ended already.

    The pidfd is opened before the start time is read, so both are of the same process.
    """
    pid, uid = credentials_of(connection)
    try:
        watched = os.pidfd_open(pid)
    except OSError:
        return None
    try:
        found = table.identify(pid)
    except OSError:
        found = None
    if found is None:
        os.close(watched)
        return None
    return CallerIdentity(pid, uid, found.start_ticks), watched
