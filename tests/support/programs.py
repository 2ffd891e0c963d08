"""Programs as a person runs them, with what they say kept: in the background, or in a terminal."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

START_WITHIN_S = 300
STOP_WITHIN_S = 300
"""Each of a machine's parts has some time to end, one after the other."""


@dataclass
class Program:
    """A running program, and what it has said."""

    process: subprocess.Popen[bytes]
    output: Path | None = None
    started: list[psutil.Process] = field(default_factory=list)
    """What ran below it when it was last asked."""

    def told(self) -> str:
        """All that it has said."""
        assert self.output is not None
        return self.output.read_text()

    def wait_for(self, words: str) -> None:
        """Wait until it has said this."""
        ends = time.monotonic() + START_WITHIN_S
        while words not in self.told():
            assert self.process.poll() is None, self.told()
            assert time.monotonic() < ends, self.told()
            time.sleep(0.2)

    def parts(self) -> list[psutil.Process]:
        """Everything that runs below it."""
        self.started = psutil.Process(self.process.pid).children(recursive=True)
        return self.started

    def end(self) -> None:
        """End it and all that it started, also where it has left that behind."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.parts()
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_WITHIN_S)
        for each in self.started:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.kill()
        self.process.wait()


@dataclass
class TerminalProgram(Program):
    """A program that leads the session of a terminal."""

    terminal: int = -1
    """The end that a window would hold."""
    _said: bytearray = field(default_factory=bytearray)

    def told(self) -> str:
        # No thread may wait in a read: the terminal would stay open for it.
        with contextlib.suppress(OSError):
            while said := os.read(self.terminal, 4096):
                self._said += said
        return self._said.decode(errors="replace")

    def close_terminal(self) -> None:
        """Close the window: what the program says then is an error."""
        terminal, self.terminal = self.terminal, -1
        if terminal >= 0:
            os.close(terminal)


@contextlib.contextmanager
def ends_with_its_terminal() -> Iterator[None]:
    """What is started here does so, also where the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@contextlib.contextmanager
def program(command: list[str], output: Path) -> Iterator[Program]:
    """Run a program whose words go to a file, and see that it ends."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with output.open("w") as file:
        running = Program(subprocess.Popen(command, stdout=file, stderr=file, env=environment))
    running.output = output
    try:
        yield running
    finally:
        running.end()


@contextlib.contextmanager
def in_a_terminal(command: list[str]) -> Iterator[TerminalProgram]:
    """Run a program in a terminal of its own, and see that it ends."""
    terminal, inside = os.openpty()
    os.set_blocking(terminal, False)
    leading = ["/usr/bin/setsid", "--ctty", *command]
    with ends_with_its_terminal():
        process = subprocess.Popen(leading, stdin=inside, stdout=inside, stderr=inside)
    os.close(inside)
    running = TerminalProgram(process, terminal=terminal)
    try:
        yield running
    finally:
        running.end()
        running.close_terminal()
