"""A real card and the processes that a test lets use it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sublet_agent.devices.interface import Device, ProcessState

from tests.support.tenants import Tenant

REPOSITORY = Path(__file__).parents[2]
CLIENT = "tests.support.cuda_client"
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
    tenants: list[Tenant] = field(default_factory=list)

    @property
    def gpu_id(self) -> str:
        """The first card's id."""
        return self.device.gpus()[0].gpu_id

    @property
    def agent_options(self) -> tuple[str, ...]:
        """How an agent is told of this card."""
        return ("--device=nvidia",)

    def tenant(self, *, uid: int | None = None, client: str = CLIENT, **environment: Any) -> Tenant:
        """Start a process that uses the card; it ends with the test."""
        more = {
            "CUDA_VISIBLE_DEVICES": self.gpu_id,
            "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
            "PYTHONPATH": str(REPOSITORY),
            **environment,
        }
        tenant = Tenant.start(client, more, uid=uid)
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
