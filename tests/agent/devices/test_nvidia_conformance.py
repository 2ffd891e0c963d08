"""NVIDIA cards' device is held to the suite that a real card is held to, over the stand-in.

The very classes that drive a card, with NVIDIA's own packages, down to the driver's library.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sublet_agent.devices.interface import Device

from tests.support.device_conformance import DeviceConformance
from tests.support.nvidia_stand_in.stand_in import NvidiaStandIn
from tests.support.tenants import Tenant


@dataclass(frozen=True)
class StandInNode:
    stand_in: NvidiaStandIn
    device: Device

    def tenant(self) -> Tenant:
        return self.stand_in.tenant()

    def tenant_that_sees(self, *, all_cards: bool) -> Tenant:
        return self.stand_in.tenant(cards=None if all_cards else "0")


@pytest.fixture(scope="module", params=[20.0], ids=["20 times as fast as a card"])
def stand_in(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NvidiaStandIn]:
    folder = tmp_path_factory.mktemp("stand-in")
    with NvidiaStandIn.running(folder, cards=2, speed=request.param) as running:
        yield running


@pytest.fixture(scope="module")
def device(stand_in: NvidiaStandIn) -> Iterator[Device]:
    with stand_in.device() as device:
        yield device


@pytest.fixture
def node(stand_in: NvidiaStandIn, device: Device) -> Iterator[StandInNode]:
    yield StandInNode(stand_in, device)
    stand_in.end_tenants()
    stand_in.until(lambda: not stand_in.truth().processes)


class TestNvidiaDevice(DeviceConformance):
    pass
