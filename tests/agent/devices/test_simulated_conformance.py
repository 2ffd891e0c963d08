"""The simulated device is held to the suite that a real card is held to."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sublet_agent.devices.detection import DevicePlaces, find_device
from sublet_agent.devices.interface import Device

from tests.support.device_conformance import DeviceConformance
from tests.support.simulated_gpus import SimulatedGpus, simulated_gpus, wait_until
from tests.support.tenants import Tenant


@dataclass(frozen=True)
class SimulatedNode:
    gpus: SimulatedGpus
    device: Device

    def tenant(self) -> Tenant:
        return self.gpus.tenant()

    def tenant_that_sees(self, *, all_cards: bool) -> Tenant:
        seen = "" if all_cards else self.device.gpus()[0].gpu_id
        return self.gpus.tenant(CUDA_VISIBLE_DEVICES=seen)


@pytest.fixture(scope="module", params=["instant", "20 times as fast as a card"])
def daemon(request: pytest.FixtureRequest) -> Iterator[SimulatedGpus]:
    instant = request.param == "instant"
    with simulated_gpus(
        "--gpus", "2", *([] if instant else ["--speed", "20"]), instant=instant
    ) as gpus:
        yield gpus


@pytest.fixture
def node(daemon: SimulatedGpus) -> Iterator[SimulatedNode]:
    device = find_device("simulated", DevicePlaces(str(daemon.socket)))
    yield SimulatedNode(daemon, device)
    daemon.stack.pop_all().close()
    wait_until(lambda: not daemon.administration.inspect().processes)


class TestSimulatedDevice(DeviceConformance):
    pass
