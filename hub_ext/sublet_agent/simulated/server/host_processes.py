"""The processes of this machine, as the kernel tells them."""

import logging
import os
import signal
import socket
import struct
from pathlib import Path
from typing import Final

from sublet_agent.simulated.machine.card import ProcessIdentity

_log: Final = logging.getLogger(__name__)
_CREDENTIALS: Final = struct.Struct("3i")
_START_TIME_FIELD: Final = 22
_FIELDS_BEFORE_STATE: Final = 3


class HostProcesses:
    """What the physics asks of the operating system."""

    def uid_of(self, pid: int) -> int | None:
        """Return whose process it is; ``None`` where there is none, or it has ended already."""
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        if lines["State"].split()[0] in {"Z", "X"}:
            return None
        return int(lines["Uid"].split()[1])

    def kill(self, pid: int) -> None:
        """End a process at once."""
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        except PermissionError:
            _log.warning("process %d is not ours to end: only its GPU state is gone", pid)


def peer_of(connection: socket.socket) -> tuple[ProcessIdentity, int] | None:
    """Return who is on the other side and a pidfd of it; ``None`` where it has ended already.

    The pidfd is opened before the start time is read, so both are of the same process.
    """
    size = _CREDENTIALS.size
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    try:
        watched = os.pidfd_open(pid)
    except OSError:
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        os.close(watched)
        return None
    after_name = stat[stat.rindex(")") + 2 :].split()
    start_time = int(after_name[_START_TIME_FIELD - _FIELDS_BEFORE_STATE])
    return ProcessIdentity(pid, uid, start_time), watched
