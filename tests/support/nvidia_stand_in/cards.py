"""The stand-in's cards, as the agent's tests use those of the daemon of simulated GPUs."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sublet_agent.devices.nvidia import NvidiaDevice
from sublet_agent.simulated.administration import Administration

from tests.support.nvidia_stand_in.stand_in import NvidiaStandIn
from tests.support.tenants import Tenant

SMALL_GIB = 16
"""The agent reckons with the memory that this machine really has, for images of all processes."""


@dataclass
class NvidiaGpus:
    """The cards of a stand-in that this process, and all that it starts, finds by itself."""

    stand_in: NvidiaStandIn
    device: NvidiaDevice
    administration: Administration
    agent_options: ClassVar[tuple[str, ...]] = ("--device=nvidia", f"--margin-mib={SMALL_GIB}")
    mib_per_gib: ClassVar[int] = SMALL_GIB
    client: ClassVar[str] = "tests.support.cuda_client"
    environment: ClassVar[Mapping[str, str]] = {}

    @property
    def gpu_id(self) -> str:
        """The first card's id."""
        return self.stand_in.gpu_id()

    def state_word(self, pid: int) -> str | None:
        """Return the state of a process as it really is."""
        process = self.administration.inspect().process(pid)
        return None if process is None else process.state

    def tenant(
        self, *, uid: int | None = None, client: str | None = None, **environment: str
    ) -> Tenant:
        """Start a process that uses the cards; it ends with them at the latest."""
        assert client in {None, self.client}, f"these cards have no {client}"
        chosen = environment.get("SUBLET_GPU_ID", self.gpu_id)
        return self.stand_in.tenant(uid=uid, cards=chosen, **environment)


@contextmanager
def nvidia_gpus(*, cards: int = 1, speed: float = 0.0) -> Iterator[NvidiaGpus]:
    """Run a stand-in of small cards in a folder of its own while the block lasts."""
    options = {"mib_per_gib": SMALL_GIB, "bytes_per_mib": 4096}
    with tempfile.TemporaryDirectory(prefix="sublet-gpus-") as folder:
        Path(folder).chmod(0o755)
        with (
            NvidiaStandIn.running(Path(folder), **options, cards=cards, speed=speed) as stand_in,
            stand_in.device() as device,
            closing(stand_in.administration) as administration,
        ):
            yield NvidiaGpus(stand_in, device, administration)
