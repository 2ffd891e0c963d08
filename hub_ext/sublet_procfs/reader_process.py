"""The program that reads what lies in other processes' memory: asked by a line, answers by a line.

It knows nothing but Python's standard library, and is run by its path. ``{"variables": NAMES}``
asks for variables of the environment in the file ``path``, ``{"mapped": PATTERNS}`` which patterns
occur in the ``maps`` in that file; ``{"into": NAMES}`` which threads of a process run, or are in a
call of the kernel whose stack names one of these. The answer is ``{"found": [...]}`` or
``{"errno": NUMBER}``, and in ``took_s`` how long it was read, without what had to be waited for a
processor. However much there is to read, little of it is kept, and of more than some MiB it is not
said what is not there: ``EFBIG``.
"""

import ctypes
import errno
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

_ENV_START, _ENV_END = 47, 48
"""Places in /proc/PID/stat, counted after the closing bracket of the command's name."""
_MAX_BYTES: Final = 4 * 1024 * 1024
_MOST_MAPPED_BYTES: Final = 8 * 1024 * 1024
"""More than the mappings that the kernel lets a process have by default; 3,000 take a tenth."""
_AT_ONCE: Final = 64 * 1024
_MOST_FOUND: Final = 16
_MOST_VALUE_BYTES: Final = 4096
_MAX_LINE_BYTES: Final = 16 * 1024
_DEEPEST_STACK: Final = 64
"""How many calls the kernel tells of a thread's stack at most."""


class _Piece(ctypes.Structure):
    """The C structure ``iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def variables(pid: int, path: str, names: Iterable[str]) -> list[str]:
    """Return the entries ``NAME=VALUE`` of an environment that have one of these names.

    The kernel lets only the process's own account open the file, and root only with the right to
    pass over files' modes. Whoever may trace the process, as an agent in a pod may, can read the
    same bytes from its memory.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - hot path
            text = file.read(_MAX_BYTES + 1)
    except PermissionError:
        text = _from_memory(pid, Path(path).parent / "stat")
    begins = tuple(name.encode() + b"=" for name in names)
    found = [entry for entry in text[:_MAX_BYTES].split(b"\0") if entry.startswith(begins)]
    if not found and len(text) > _MAX_BYTES:
        raise _too_much()
    return [e[:_MOST_VALUE_BYTES].decode("utf-8", "replace") for e in found[:_MOST_FOUND]]


def mapped(path: str, patterns: Iterable[str]) -> list[str]:
    """Return which of these patterns occur in what a process has mapped."""
    missing = {pattern.encode(): pattern for pattern in patterns}
    longest = max(map(len, missing), default=0)
    found: list[str] = []
    read, end = 0, b""
    # Of such a file the kernel gives little at once; line by line it takes four times as long.
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - hot path
        while missing and (more := file.read(_AT_ONCE)):
            text = end + more
            found.extend([missing.pop(each) for each in tuple(missing) if each in text])
            end, read = text[-longest:], read + len(more)
            if missing and read > _MOST_MAPPED_BYTES:
                raise _too_much()
    return found


def calls(pid: int, names: Iterable[str]) -> list[str]:
    """Return the threads, by id, that run a program or are in a call into what these name.

    The stack of a thread that sleeps tells where it is in the kernel; of one that woke meanwhile
    nothing is known. The kernel lets only root read it.
    """
    into = tuple(names)
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - hot path
        folder = f"/proc/{pid}/task/{thread}"
        try:
            before = _sleeps(folder)
            stack = _read(f"{folder}/stack").decode("ascii", "replace")
            after = _sleeps(folder)
        except (FileNotFoundError, ProcessLookupError):
            # A kernel may have no such file, of whomever.
            if os.path.exists(folder):  # noqa: PTH110 - hot path
                found.append(thread)
            continue
        # How often it was switched tells whether it slept all the time.
        if (
            before is None
            or before != after
            or not is_whole(stack)
            or any(name in stack for name in into)
        ):
            found.append(thread)
        if len(found) >= _MOST_FOUND:
            break
    return found


def is_whole(stack: str) -> bool:
    """Whether a stack names all calls that a thread is in: the kernel tells the innermost ones."""
    lines = stack.count("\n")
    return 0 < lines < _DEEPEST_STACK and "+0x" in stack


def _read(path: str) -> bytes:
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.read(handle, _MAX_LINE_BYTES)
    finally:
        os.close(handle)


def _sleeps(folder: str) -> tuple[bytes, ...] | None:
    """Return what changes whenever a thread runs; ``None``: it runs."""
    lines = _read(f"{folder}/status").splitlines()
    state = next((line for line in lines if line.startswith(b"State:")), b"State: R")
    if state.split()[1] == b"R":
        return None
    return (state, *(line for line in lines if b"ctxt_switches" in line))


def _from_memory(pid: int, stat: Path) -> bytes:
    text = stat.read_bytes()
    fields = text[text.rfind(b")") + 2 :].split()
    start, end = int(fields[_ENV_START]), int(fields[_ENV_END])
    length = min(end - start, _MAX_BYTES + 1)
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


def answer(line: bytes) -> dict[str, Any]:
    """Return the answer to what a line asks."""
    request = json.loads(line)
    try:
        if "mapped" in request:
            return {"found": mapped(request["path"], request["mapped"])}
        if "into" in request:
            return {"found": calls(request["pid"], request["into"])}
        return {"found": variables(request["pid"], request["path"], request["variables"])}
    except OSError as error:
        return {"errno": error.errno or errno.EIO}
    except (ValueError, IndexError):
        return {"errno": errno.EIO}


def _too_much() -> OSError:
    return OSError(errno.EFBIG, os.strerror(errno.EFBIG))


def _queued_s() -> float:
    """Return how long this process has had to wait for a processor; 0: that is not told."""
    try:
        with open("/proc/self/schedstat", "rb") as file:  # noqa: PTH123 - hot path
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def main() -> None:
    """Answer until nobody asks any more."""
    out = sys.stdout.buffer
    out.write(b"{}\n")
    out.flush()
    for line in sys.stdin.buffer:
        queued_s, began_s = _queued_s(), time.monotonic()
        told = answer(line)
        took_s = time.monotonic() - began_s - (_queued_s() - queued_s)
        out.write(json.dumps({**told, "took_s": max(0.0, took_s)}).encode() + b"\n")
        out.flush()


if __name__ == "__main__":
    main()
