"""A real card and the processes that a test lets use it."""

from dataclasses import dataclass, field
from pathlib import Path

from sublet_agent.devices.interface import Device

from tests.support.tenants import Tenant

REPOSITORY = Path(__file__).parents[2]


@dataclass
class NvidiaNode:
    """The first card of this machine."""

    device: Device
    tenants: list[Tenant] = field(default_factory=list)

    def tenant(self, *, uid: int | None = None) -> Tenant:
        """Start a process that uses the card; it ends with the test."""
        environment = {
            "CUDA_VISIBLE_DEVICES": self.device.gpus()[0].gpu_id,
            "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
            "PYTHONPATH": str(REPOSITORY),
        }
        tenant = Tenant.start("tests.support.cuda_client", environment, uid=uid)
        self.tenants.append(tenant)
        return tenant

    def close(self) -> None:
        """End the processes."""
        for tenant in self.tenants:
            tenant.close()
