"""A Python process that uses a GPU, simulated or real, and does what it is told line by line."""

import os
import select
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

_ANSWERS_WITHIN_S: Final = 300.0
"""Longer than until an agent brings back a cell that was lent: that is 120 s."""
_PROGRAM: Final = """
import ctypes, importlib, os, signal, sys  # another account may not find ctypes later
# A shell starts what runs in its background with SIGINT ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
gpu = importlib.import_module(sys.argv[1])
names = {"gpu": gpu}
if gpu.__name__.startswith("sublet_agent."):
    from sublet_agent.devices.simulated import SimulatedDevice
    from sublet_agent.simulated.administration import Administration
    names.update(SimulatedDevice=SimulatedDevice, Administration=Administration)
uid = os.environ.get("TENANT_UID")
if uid:
    os.setresuid(int(uid), int(uid), int(uid))
for line in sys.stdin:
    try:
        code = line.strip()
        try:
            value = eval(code, names)
        except SyntaxError:
            exec(code, names)
            value = None
        print("ok", repr(value), flush=True)
    except BaseException as error:
        print("error", type(error).__name__, str(error).replace(chr(10), " "), flush=True)
"""


class TenantError(Exception):
    """What the tenant's line raised: ``TypeName message``."""


@dataclass
class Tenant:
    """The process, with a pipe for lines to run and one for their values."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, client: str, environment: dict[str, str], *, uid: int | None = None) -> "Tenant":
        """Start one whose ``gpu`` is the module ``client``."""
        more = {} if uid is None else {"TENANT_UID": str(uid)}
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", _PROGRAM, client],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment, **more},
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self.process.pid

    def begin(self, line: str) -> None:
        """Let it run a line, without waiting for the end."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def has_answered(self) -> bool:
        """Whether the line that was begun has ended."""
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def end(self) -> str:
        """Wait for the line that was begun, and return its value's representation."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], _ANSWERS_WITHIN_S)[0]:
            message = f"no answer within {_ANSWERS_WITHIN_S} s: it may stand in a GPU call"
            raise TenantError(message)
        answer = self.process.stdout.readline()
        verdict, _, rest = answer.rstrip("\n").partition(" ")
        if verdict == "ok":
            return rest
        raise TenantError(rest or "the process has ended")

    def run(self, line: str) -> str:
        """Let it run a line, and return its value's representation."""
        self.begin(line)
        return self.end()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.close()

    def close(self) -> None:
        """End it and close its pipes."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
