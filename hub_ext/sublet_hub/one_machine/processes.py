"""The parts as processes of their own: started, waited for, stopped in order."""

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from sublet_hub.one_machine.restarts import words_of

STOP_GRACE_S = 15.0
ANSWERS_WITHIN_S = 180.0
"""How long a part may take to answer: one that cannot work ends before."""


class PartDidNotStartError(Exception):
    """A part ended, or did not answer in time; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What a part is started with."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]


@dataclass(slots=True)
class Part:
    """A running process of the machine, with its log."""

    launch: Launch
    process: psutil.Popen
    log: Path
    log_begins: int
    """Where in the log, in bytes, what this process says begins: a log outlives its process."""

    @property
    def name(self) -> str:
        """The part's name."""
        return self.launch.name

    def last_words(self) -> str:
        """Return the end of what this process has said in the part's log."""
        with contextlib.suppress(OSError):
            said = self.log.read_bytes()[self.log_begins :]
            return said.decode("utf-8", errors="replace")[-3000:]
        return ""

    def stop(self) -> None:
        """Ask the part to end, with all that it started; kill it where it does not."""
        stop_with_all_it_started(self.process)


def stop_with_all_it_started(process: psutil.Process) -> None:
    """Ask a process to end, and what it started; kill what does not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        left = process.children(recursive=True)
        process.terminate()
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(STOP_GRACE_S)
        _, alive = psutil.wait_procs(left, timeout=3)
        for each in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    process.wait()


@dataclass(slots=True)
class Parts:
    """All parts of one machine, in the order of their start."""

    logs: Path
    note: Callable[[str, int], None]
    """Called with each part's name and pid, for who has to stop it if this program is killed."""
    running: list[Part] = field(default_factory=list)

    def start(self, launch: Launch) -> Part:
        """Start a part, with a log of its own, and return it."""
        part = self._begun(launch)
        self.running.append(part)
        return part

    def start_again(self, ended: Part) -> Part:
        """Start a part that has ended as it was started, in its place; return the new one."""
        part = self._begun(ended.launch)
        self.running[self.running.index(ended)] = part
        return part

    def _begun(self, launch: Launch) -> Part:
        log = self.logs / f"{launch.name}.log"
        with log.open("ab") as output:
            log_begins = output.tell()
            process = psutil.Popen(
                list(launch.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(launch.environment),
                # Ctrl-C is for us alone: we stop the parts in order.
                start_new_session=True,
            )
        self.note(launch.name, process.pid)
        return Part(launch, process, log, log_begins)

    def wait(
        self, part: Part, ready: Callable[[], bool], within_s: float = ANSWERS_WITHIN_S
    ) -> None:
        """Wait until the part is ready. ``PartDidNotStartError`` where it does not get there."""
        ends = time.monotonic() + within_s
        while time.monotonic() < ends:
            if part.process.poll() is not None:
                how = words_of(part.process.returncode)
                message = f"{part.name} {how}:\n{part.last_words()}"
                raise PartDidNotStartError(message)
            if ready():
                return
            time.sleep(0.1)
        message = f"{part.name} did not answer within {within_s:g} s:\n{part.last_words()}"
        raise PartDidNotStartError(message)

    def stop(self) -> None:
        """Stop all, the last started first."""
        while self.running:
            # Until it has ended it is one of the parts: nobody else takes leave of it.
            self.running[-1].stop()
            self.running.pop()

    def pids(self) -> frozenset[int]:
        """Return the pids of all parts."""
        return frozenset(part.process.pid for part in self.running)

    def ended(self) -> Part | None:
        """Return a part that ended although nobody asked it to, or ``None``."""
        return next((part for part in self.running if part.process.poll() is not None), None)


def answers(url: str, token: str = "", method: str = "GET") -> bool:
    """Whether an HTTP request without a body is answered with success."""
    request = urllib.request.Request(url, method=method)  # noqa: S310 - our own address
    if token:
        request.add_header("Authorization", f"token {token}")
    try:
        with urllib.request.urlopen(request, timeout=3) as answer:  # noqa: S310 - as above
            return bool(answer.status < 300)  # noqa: PLR2004 - success
    except (urllib.error.URLError, OSError):
        return False


def listens(path: Path) -> bool:
    """Whether somebody listens at this Unix socket: a killed listener's file stays."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


def own_environment(virtual_environment: Path) -> dict[str, str]:
    """Return the parts' environment: this one, with the virtual environment's programs first."""
    environment = dict(os.environ)
    environment["PATH"] = f"{virtual_environment / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    return environment
