"""The slices of the fault walk and the processes in them, as the walk holds them."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_PROGRAM = "tests.support.walk_root"


@dataclass
class WalkTenant:
    """A kernel or a job in a process of its own."""

    pid: int
    stdin: int
    stdout: int
    busy_since: float | None = field(default_factory=time.monotonic)
    cells: int = 0
    works: bool = False
    """As a job that was told to."""
    text: bytes = b""

    def __post_init__(self) -> None:
        self._process = os.pidfd_open(self.pid)

    @property
    def has_ended(self) -> bool:
        return bool(select.select([self._process], [], [], 0)[0])

    def tell(self, line: str) -> None:
        os.write(self.stdin, line.encode() + b"\n")
        self.busy_since = time.monotonic()

    def hear(self) -> list[dict[str, Any]]:
        """Return what it has answered so far, without waiting."""
        while select.select([self.stdout], [], [], 0)[0]:
            piece = os.read(self.stdout, 65536)
            if not piece:
                break
            self.text += piece
        *lines, self.text = self.text.split(b"\n")
        answers = [json.loads(line) for line in lines]
        if answers:
            self.busy_since = None
        return answers

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        select.select([self._process], [], [])
        for handle in (self._process, self.stdin, self.stdout):
            os.close(handle)


class WalkRoot:
    """A slice's first process, from which all others in it descend."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _start(theirs.fileno())],
                env={**os.environ, **environment},
                pass_fds=[theirs.fileno()],
                cwd=_ROOT,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def tenant(self, **environment: str) -> WalkTenant:
        """Start a kernel or a job."""
        (their_in, our_in), (our_out, their_out) = os.pipe(), os.pipe()
        pid = self._start("tenant", environment, [their_in, their_out])
        for handle in (their_in, their_out):
            os.close(handle)
        return WalkTenant(pid, our_in, our_out)

    def grabber(self, **environment: str) -> None:
        """Start one that starts others for ever, each of which takes memory when it is born."""
        self._start("grabber", environment, [])

    def end(self) -> None:
        """End it, and with it all that it started."""
        self._process.kill()
        self._process.wait()
        self._line.close()

    def _start(self, be: str, environment: dict[str, str], handles: list[int]) -> int:
        order = json.dumps({"be": be, "environment": environment}).encode()
        socket.send_fds(self._line, [order], handles)
        return int(self._line.recv(100))


def _start(handle: int) -> str:
    return (
        f"import os, runpy; os.dup2({handle}, 3); "
        f"runpy.run_module({_PROGRAM!r}, run_name='__main__')"
    )


@dataclass
class WalkSlice:
    """A slice of the walk, and the processes that run in it."""

    slice_id: str
    cap_mib: int
    job: bool
    most_tenants: int = 1
    tenants: list[WalkTenant] = field(default_factory=list)
    root: WalkRoot | None = None

    def end(self) -> None:
        """End all its processes."""
        for tenant in self.tenants:
            tenant.kill()
        if self.root is not None:
            self.root.end()
