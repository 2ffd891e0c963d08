"""The files that say which call is under way for which process, and whether its caller lives.

A worker holds a lock on the file for as long as it is in the driver, so that everybody sees when
the call is over, also where the worker is killed: the kernel lets the lock go then.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sublet_agent.driver_helper.messages import DriverRequest, Operation, now_s


@dataclass(frozen=True, slots=True)
class CallUnderWay:
    """A call that some worker began, and nobody saw the end of."""

    path: Path
    pid: int
    start_ticks: int
    operation: Operation | None
    """``None`` where its worker has locked the file, and not written it yet."""

    @property
    def is_over(self) -> bool:
        """Whether no worker is in the driver for it any more."""
        try:
            handle = os.open(self.path, os.O_RDWR)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(handle)
        return True


@contextlib.contextmanager
def noted(folder: Path, request: DriverRequest) -> Iterator[None]:
    """Say in ``folder`` that a call is under way while the block lasts. ``OSError``."""
    path = folder / f"{request.pid}-{request.start_ticks}"
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        told = {"operation": request.operation, "began_s": now_s()}
        os.write(handle, json.dumps(told).encode())
        yield
        path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def left_under_way(folder: Path) -> list[CallUnderWay]:
    """Return the calls of workers whose helper is gone; files that say nothing are removed."""
    found = []
    for path in sorted(folder.iterdir()):
        try:
            pid, start_ticks = (int(part) for part in path.name.split("-"))
        except ValueError:
            path.unlink(missing_ok=True)
            continue
        found.append(CallUnderWay(path, pid, start_ticks, _operation(path)))
    return found


def _operation(path: Path) -> Operation | None:
    try:
        return Operation(json.loads(path.read_bytes())["operation"])
    except (ValueError, KeyError, TypeError, OSError):
        return None
