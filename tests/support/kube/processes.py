"""Programs that a test run starts, each with a log of its own, and stopped by its pid.

A program dies with the run that started it, also where that is killed. What is left of a killed
run all the same (containers, mounts, bridges) is found by the run's folder, and tidied by the next
run (``leftovers``).
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_GRACE_S: Final = 20.0
_TAIL: Final = 3000


@dataclass
class Program:
    """A running program."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        """The last that it said."""
        return self.log.read_text(errors="replace")[-_TAIL:]

    def must_run(self) -> None:
        """Fail, with what the program said last, where it has ended."""
        if (code := self.process.poll()) is not None:
            message = f"{self.name} ended with {code}:\n{self.tail()}"
            raise AssertionError(message)

    def stop(self, grace_s: float = _GRACE_S) -> None:
        """End it: asked first, killed where it takes too long."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(grace_s)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(_GRACE_S)


@dataclass
class Programs:
    """What one run started, in order; stopped in the opposite order."""

    folder: Path
    running: list[Program] = field(default_factory=list)
    _starter: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    """To Linux a program's parent is the thread that started it: this one lives to the end."""

    def start(
        self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None
    ) -> Program:
        """Start a program; its output goes to ``NAME.log`` in the run's folder."""
        log = self.folder / f"{name}.log"
        tied = [shutil.which("setpriv") or "/usr/bin/setpriv", "--pdeathsig", "KILL", "--"]
        with log.open("ab") as output:
            process = self._starter.submit(
                subprocess.Popen,
                [*tied, *(str(each) for each in command)],
                cwd=self.folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            ).result()
        program = Program(name, process, log)
        self.running.append(program)
        return program

    def must_run(self) -> None:
        """Fail where one of them has ended."""
        for program in self.running:
            program.must_run()

    def stop(self) -> None:
        """End all of them, the last one first."""
        while self.running:
            self.running.pop().stop()
        self._starter.shutdown()


def wait_for(look: Callable[[], Any], within_s: float, what: str | Callable[[], str]) -> Any:
    """Look again and again until something is found; fail in words where it comes too late."""
    ends = time.monotonic() + within_s
    pause_s = 0.02
    while not (found := look()):
        if time.monotonic() > ends:
            described = what if isinstance(what, str) else what()
            message = f"waited {within_s:.0f} s in vain for {described}"
            raise AssertionError(message)
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.5)
    return found


def run(*command: str | Path, **options: Any) -> str:
    """Run a command to its end and return what it printed; a failure carries all that it said."""
    words = [str(each) for each in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        message = f"`{' '.join(words)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        raise RuntimeError(message[-8000:])
    return done.stdout
