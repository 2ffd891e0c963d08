"""Writes to files whose loss would matter."""

import os
from pathlib import Path


def write_all(handle: int, data: bytes) -> None:
    """Write all of ``data``; ``OSError`` where a disk that fills up takes only a part."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def replace_file(path: Path, data: bytes, *, forced: bool = False) -> None:
    """Let a file for this account alone hold just this, or what it held, however the process dies.

    ``forced`` to disk first: what must outlive the machine. ``OSError``.
    """
    os.close(replace_open_file(path, data, forced=forced))


def replace_open_file(path: Path, data: bytes, *, forced: bool = False) -> int:
    """Replace a file as ``replace_file`` does, and return a handle that appends to the new one.

    The new file is opened before it has its name: who appends to a log never writes where nobody
    reads. ``OSError``, and then the file is what it was.
    """
    fresh = path.with_suffix(".new")
    handle = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        write_all(handle, data)
        if forced:
            os.fsync(handle)
        fresh.replace(path)
    except BaseException:
        os.close(handle)
        raise
    return handle
