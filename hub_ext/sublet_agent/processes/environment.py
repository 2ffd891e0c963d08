"""The environment that a process was started with, as far as this process may read it.

The kernel lets only the process's own account open ``/proc/PID/environ``, and root only with the
right to pass over files' modes. Whoever may trace the process, as an agent in a pod may, can read
the same bytes from its memory.
"""

import ctypes
import errno
import os
from pathlib import Path
from typing import Final

from sublet_agent.processes.threads import stat_fields

_ENV_START, _ENV_END = 47, 48
"""Places in /proc/PID/stat, counted after the closing bracket of the command's name."""
_MAX_BYTES: Final = 4 * 1024 * 1024


class _Piece(ctypes.Structure):
    """The C structure ``iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def read_environment(pid: int, proc: Path = Path("/proc")) -> bytes:
    """Return a process's environment, its entries ended by zero bytes. ``OSError``."""
    folder = proc / str(pid)
    try:
        return (folder / "environ").read_bytes()
    except PermissionError:
        fields = stat_fields(f"{folder}/stat")
        if fields is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
        return _from_memory(pid, fields)


def _from_memory(pid: int, fields: list[str]) -> bytes:
    start, end = int(fields[_ENV_START]), int(fields[_ENV_END])
    length = min(end - start, _MAX_BYTES)
    if not start or length <= 0:
        # The kernel tells the places only to whoever may trace the process.
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
    copy = ctypes.create_string_buffer(length)
    ours, theirs = _Piece(ctypes.addressof(copy), length), _Piece(start, length)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.process_vm_readv.restype = ctypes.c_ssize_t
    one, none = ctypes.c_ulong(1), ctypes.c_ulong(0)
    read = libc.process_vm_readv(pid, ctypes.byref(ours), one, ctypes.byref(theirs), one, none)
    if read < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return copy.raw[:read]
