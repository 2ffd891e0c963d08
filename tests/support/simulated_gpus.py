"""Starts the real daemon of simulated GPUs for a test, and processes that use it."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from sublet_agent.devices.simulated import SimulatedDevice
from sublet_agent.simulated.administration import Administration

from tests.support.nursery import NurserySprout, nursery
from tests.support.tenants import Tenant

UNTIL_TOLD_S: Final = 3600.0
"""So long lasts what a fault delays, or until the faults are cleared."""
_END_S: Final = 60.0


@dataclass
class SimulatedGpus:
    """A running daemon."""

    socket: Path
    process: NurserySprout
    device: SimulatedDevice
    administration: Administration
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def gpu_id(self) -> str:
        """The first card's id."""
        return self.device.gpus()[0].gpu_id

    @property
    def agent_options(self) -> tuple[str, ...]:
        """How an agent finds the cards."""
        return ("--device=simulated", f"--simulated-socket={self.socket}")

    @property
    def environment(self) -> dict[str, str]:
        """How a program finds the cards."""
        return {"SUBLET_SIMULATED_SOCKET": str(self.socket)}

    mib_per_gib: ClassVar[int] = 1024
    client: ClassVar[str] = "sublet_agent.simulated.client"
    """The module by which a program uses the cards."""

    def state_word(self, pid: int) -> str | None:
        """Return the state of a process as the daemon knows it."""
        process = self.administration.inspect().process(pid)
        return None if process is None else process.state

    def tenant(
        self, *, uid: int | None = None, client: str | None = None, **environment: str
    ) -> Tenant:
        """Start a process that uses the cards; it ends with the daemon at the latest."""
        more = {**environment, **self.environment}
        tenant = Tenant.start(client or self.client, more, uid=uid)
        self.stack.callback(tenant.close)
        return tenant


@contextmanager
def simulated_gpus(*options: str, instant: bool = True) -> Iterator[SimulatedGpus]:
    """Run a daemon in a folder of its own while the block lasts; give it command line options."""
    with tempfile.TemporaryDirectory(prefix="sublet-gpus-") as folder:
        Path(folder).chmod(0o755)
        socket = Path(folder) / "gpus.sock"
        said, says = os.pipe()
        process = nursery().start(
            "sublet_agent.simulated.daemon",
            ["--socket", str(socket), *(["--instant"] if instant else []), *options],
            stdout=says,
        )
        os.close(says)
        output = os.fdopen(said)
        try:
            ready = output.readline()
            assert ready.startswith("ready:"), f"the daemon did not start: {ready!r}"
            device = SimulatedDevice(str(socket))
            administration = Administration(str(socket))
            with ExitStack() as stack:
                yield SimulatedGpus(socket, process, device, administration, stack)
            device.close()
            administration.close()
        finally:
            process.terminate()
            process.wait(timeout=_END_S)
            output.close()


def wait_until(holds: Callable[[], bool], within_s: float = 60.0) -> None:
    """Look again and again until something holds; fail where it does not in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)
