"""One agent at a time works on a state folder: the next waits until the one before has ended.

An agent whose watchdog was killed finishes or undoes its moves before it ends, which takes seconds.
A second one would meanwhile move the same processes, and write the same journal. One that does not
end in time is killed: it serves nobody any more, and what it has begun the next one takes over.
While its watchdog lives it is none of the next one's business: there are two services then on one
folder, and the second waits.
"""

import contextlib
import fcntl
import logging
import os
import signal
import struct
import time
from pathlib import Path
from typing import Final

from sublet_agent.processes.process_table import LinuxProcessTable

NAME: Final = "agent.lock"
_LOOK_EVERY_S: Final = 0.05
_STRUCT_FLOCK: Final = "hhqqi4x"
"""The C structure ``flock``: type, whence, start, length and pid."""

log = logging.getLogger(__name__)


def become_the_only_agent(folder: Path, within_s: float) -> None:
    """Wait until no other agent works on this folder; from then on this process is the one.

    One that nobody looks after, and that has not ended ``within_s`` seconds from now, is killed.
    The lock is the process's own (no child inherits it) and ends with it, however that ends.
    """
    lock = _open(folder)
    if not _take(lock):
        log.warning("another agent still works on %s: waiting for its end", folder)
        deadline = time.monotonic() + within_s
        killed = False
        while not _take(lock):
            if not killed and time.monotonic() >= deadline:
                killed = _kill_the_holder(lock)
            time.sleep(_LOOK_EVERY_S)
        log.info("the other agent has ended")
    _note_watchdog(lock)


def is_the_only_agent(folder: Path) -> bool:
    """Whether no agent works on this folder; then this process is the one from now on."""
    return _take(_open(folder))


def _open(folder: Path) -> int:
    # Stays open: a lock of this kind ends when any descriptor of its file is closed.
    return os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _take(lock: int) -> bool:
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _note_watchdog(lock: int) -> None:
    """Write down who looks after this agent: its parent."""
    parent = LinuxProcessTable().identify(os.getppid())
    os.ftruncate(lock, 0)
    if parent is not None:
        os.pwrite(lock, f"{parent.pid} {parent.start_ticks}".encode(), 0)


def _has_watchdog(lock: int) -> bool:
    noted = os.pread(lock, 100, 0).split()
    if len(noted) != len(("pid", "start")):
        return False
    pid, start_ticks = map(int, noted)
    identity = LinuxProcessTable().identify(pid)
    return identity is not None and identity.start_ticks == start_ticks


def _holder(lock: int) -> int | None:
    """Return the pid of who has the lock; ``None`` where nobody has, or none of this namespace."""
    asked = struct.pack(_STRUCT_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, *_, pid = struct.unpack(_STRUCT_FLOCK, fcntl.fcntl(lock, fcntl.F_GETLK, asked))
    return pid if kind != fcntl.F_UNLCK and pid > 0 else None


def _kill_the_holder(lock: int) -> bool:
    pid = _holder(lock)
    if pid is None or _has_watchdog(lock):
        return False
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            # Looked at again with the handle open: from here on the pid cannot change hands.
            if _holder(lock) == pid:
                log.error("the other agent (process %s) does not end, and is killed", pid)
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                return True
        finally:
            os.close(handle)
    return False
