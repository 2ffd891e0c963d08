"""A real card and the processes that a test lets use it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from sublet_agent.devices.detection import DevicePlaces, find_device
from sublet_agent.devices.interface import Device, ProcessState
from sublet_agent.driver_helper.client import DriverHelper

from tests.support.tenants import Tenant

REPOSITORY = Path(__file__).parents[2]
_WORD_OF_STATE = {
    ProcessState.RUNNING: "running",
    ProcessState.PAUSED: "locked",
    ProcessState.SUSPENDED: "checkpointed",
    ProcessState.FAILED: "failed",
}


@dataclass
class NvidiaNode:
    """The first card of this machine."""

    device: Device
    mib_per_gib: ClassVar[int] = int(os.environ.get("SUBLET_TEST_MIB_PER_GIB", "1024"))
    """Less where a stand-in for the driver has small cards."""
    client: ClassVar[str] = "tests.support.cuda_client"
    tenants: list[Tenant] = field(default_factory=list)

    @property
    def gpu_id(self) -> str:
        """The first card's id."""
        return self.device.gpus()[0].gpu_id

    @property
    def agent_options(self) -> tuple[str, ...]:
        """How an agent finds this card."""
        return ("--device=nvidia", f"--margin-mib={self.mib_per_gib}")

    @property
    def environment(self) -> dict[str, str]:
        """How a program finds this card."""
        return {
            "CUDA_VISIBLE_DEVICES": self.gpu_id,
            "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
            "PYTHONPATH": str(REPOSITORY),
        }

    def tenant(
        self, *, uid: int | None = None, client: str | None = None, **environment: Any
    ) -> Tenant:
        """Start a process that uses the card; it ends with the test."""
        tenant = Tenant.start(client or self.client, {**self.environment, **environment}, uid=uid)
        self.tenants.append(tenant)
        return tenant

    def tenant_that_sees(self, *, all_cards: bool) -> Tenant:
        """Start a process that uses the first card, and sees the others too, or not."""
        if not all_cards:
            return self.tenant()
        hidden = "CUDA_VISIBLE_DEVICES"
        environment = {name: text for name, text in self.environment.items() if name != hidden}
        tenant = Tenant.start(self.client, environment)
        self.tenants.append(tenant)
        return tenant

    def state_word(self, pid: int) -> str | None:
        """Return the state of a process in the driver's own words."""
        state = self.device.state(pid)
        return None if state is None else _WORD_OF_STATE[state]

    def close(self) -> None:
        """End the processes."""
        for tenant in self.tenants:
            tenant.close()


@contextmanager
def nvidia_node() -> Iterator[NvidiaNode]:
    """Open the node's cards; ``DeviceError`` where they cannot be used."""
    with tempfile.TemporaryDirectory(prefix="sublet-driver-helper-") as folder:
        helper = DriverHelper(Path(folder))
        node = NvidiaNode(find_device("nvidia", DevicePlaces(driver_helper=helper)))
        try:
            yield node
        finally:
            node.close()
            helper.stop()
