"""A stand-in for NVIDIA's driver, a device over it, and its helper."""

from collections.abc import Iterator

import pytest
from sublet_agent.devices.nvidia import NvidiaDevice
from sublet_agent.driver_helper.client import DriverHelper

from tests.support.nvidia_stand_in.stand_in import NvidiaStandIn


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NvidiaStandIn]:
    with NvidiaStandIn.running(tmp_path_factory.mktemp("stand-in")) as running:
        yield running


@pytest.fixture(scope="module")
def device(stand_in: NvidiaStandIn) -> Iterator[NvidiaDevice]:
    with stand_in.device() as device:
        yield device


@pytest.fixture
def helper(stand_in: NvidiaStandIn, device: NvidiaDevice) -> Iterator[DriverHelper]:
    del device
    yield DriverHelper(stand_in.folder / "driver-helper")
    stand_in.reset()
    stand_in.end_tenants()
