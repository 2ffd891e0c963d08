"""Starts the real daemon of simulated GPUs for a test, and processes that use it."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sublet_agent.devices.simulated import SimulatedDevice
from sublet_agent.simulated.administration import Administration

_START_S: Final = 20.0

_TENANT: Final = """
import os, sys
import sublet_agent.simulated.client as gpu
from sublet_agent.devices.simulated import SimulatedDevice
from sublet_agent.simulated.administration import Administration
names = {"gpu": gpu, "SimulatedDevice": SimulatedDevice, "Administration": Administration}
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
    """What the tenant's line raised: ``TypeName: message``."""


@dataclass
class Tenant:
    """A Python process that uses the simulated GPU, and does what it is told line by line."""

    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        return self.process.pid

    def begin(self, line: str) -> None:
        """Let it run a line, without waiting for the end."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self) -> str:
        """Wait for the line that was begun, and return its value's representation."""
        assert self.process.stdout is not None
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


@dataclass
class SimulatedGpus:
    """A running daemon."""

    socket: Path
    process: subprocess.Popen[str]
    device: SimulatedDevice
    administration: Administration
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def gpu_id(self) -> str:
        """The first card's id."""
        return self.device.gpus()[0].gpu_id

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a process that is to use these cards."""
        return {**os.environ, "SUBLET_SIMULATED_SOCKET": str(self.socket), **more}

    def tenant(self, *, uid: int | None = None, **environment: str) -> Tenant:
        """Start a process that uses the cards; it ends with the daemon at the latest."""
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", _TENANT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment(
                **environment, **({} if uid is None else {"TENANT_UID": str(uid)})
            ),
        )
        tenant = Tenant(process)
        self.stack.callback(tenant.close)
        return tenant


@contextmanager
def simulated_gpus(*options: str, instant: bool = True) -> Iterator[SimulatedGpus]:
    """Run a daemon in a folder of its own while the block lasts; give it command line options."""
    with tempfile.TemporaryDirectory(prefix="sublet-gpus-") as folder:
        Path(folder).chmod(0o755)
        socket = Path(folder) / "gpus.sock"
        command = [sys.executable, "-m", "sublet_agent.simulated.daemon", "--socket", str(socket)]
        process = subprocess.Popen(
            [*command, *(["--instant"] if instant else []), *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            ready = process.stdout.readline()
            assert ready.startswith("ready:"), f"the daemon did not start: {ready!r}"
            device = SimulatedDevice(str(socket))
            administration = Administration(str(socket))
            with ExitStack() as stack:
                yield SimulatedGpus(socket, process, device, administration, stack)
            device.close()
            administration.close()
        finally:
            process.terminate()
            process.wait(timeout=_START_S)
            process.stdout.close()


def wait_until(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    """Look again and again until something holds; fail where it does not in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)
