"""An NVIDIA card is held to the suite that the simulated device is held to."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from sublet_agent.devices import find_device
from sublet_agent.devices.interface import Device
from sublet_agent.devices.nvidia import nvidia_gpus_found

from tests.support.device_conformance import DeviceConformance
from tests.support.tenants import Tenant

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not nvidia_gpus_found(), reason="NVML finds no NVIDIA GPU here"),
]


@dataclass
class NvidiaNode:
    device: Device
    tenants: list[Tenant] = field(default_factory=list)

    def tenant(self) -> Tenant:
        environment = {
            "CUDA_VISIBLE_DEVICES": self.device.gpus()[0].gpu_id,
            "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
            "PYTHONPATH": os.getcwd(),  # noqa: PTH109 - where `tests` lies
        }
        tenant = Tenant.start("tests.support.cuda_client", environment)
        self.tenants.append(tenant)
        return tenant


@pytest.fixture(scope="module")
def device() -> Device:
    return find_device("nvidia")


@pytest.fixture
def node(device: Device) -> Iterator[NvidiaNode]:
    running = NvidiaNode(device)
    yield running
    for tenant in running.tenants:
        tenant.close()


class TestNvidiaDevice(DeviceConformance):
    pass
