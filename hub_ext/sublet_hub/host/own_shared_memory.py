"""A ``/dev/shm`` of its own for what is started for somebody else, gone with its last process.

What programs share by name there is no other job's to open, fill up or leave behind. It is made in
a thread that forks and then ends: the kernel gives mounts to threads, and children have those of
the thread that made them. So neither this process nor any other sees it, and nothing of root's is
run in the tenant's environment. Mounts that the machine gets later (homes, say) are seen as before.
"""

import ctypes
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from sublet_hub.host.capabilities import may_mount

_FOLDER: Final = b"/dev/shm"
_OPTIONS: Final = b"mode=1777,size=10%,nr_inodes=400k"
"""The bounds of systemd's ``TemporaryFileSystem=``, which servers' units have; of all memory."""
_NEW_MOUNTS: Final = 0x0002_0000
_NOSUID, _NODEV, _ALL_BELOW, _SLAVE = 1 << 1, 1 << 2, 1 << 14, 1 << 19

_log = logging.getLogger(__name__)
_Started = TypeVar("_Started")


def in_own_shared_memory(start: Callable[[], _Started]) -> _Started:
    """Return what ``start`` returns; the processes that it starts have a ``/dev/shm`` of their own.

    Where this process may not mount, or the kernel refuses, they have the machine's.
    """
    if not may_mount():
        return start()
    with ThreadPoolExecutor(1, "own-shared-memory") as thread:
        try:
            thread.submit(_make).result()
        except OSError as error:
            _log.warning("a job has no /dev/shm of its own: %s", error)
            return start()
        return thread.submit(start).result()


def _make() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(_NEW_MOUNTS), "new mounts")
    _check(libc.mount(None, b"/", None, _ALL_BELOW | _SLAVE, None), "mounts for this alone")
    flags = _NOSUID | _NODEV
    _check(libc.mount(b"tmpfs", _FOLDER, b"tmpfs", flags, _OPTIONS), os.fsdecode(_FOLDER))


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)}: {what}")
