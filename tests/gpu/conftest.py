"""The real card, for the tests of this folder; they skip where there is none."""

from collections.abc import Iterator

import pytest
from sublet_agent.devices.detection import DevicePlaces, find_device
from sublet_agent.devices.interface import Device
from sublet_agent.devices.nvidia import nvidia_gpus_found
from sublet_agent.driver_helper.client import DriverHelper

from tests.support.nvidia_node import NvidiaNode


@pytest.fixture(scope="session")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    if not nvidia_gpus_found():
        pytest.skip("NVML finds no NVIDIA GPU here")
    helper = DriverHelper(tmp_path_factory.mktemp("driver-helper"))
    yield find_device("nvidia", DevicePlaces(driver_helper=helper))
    helper.stop()


@pytest.fixture
def node(device: Device) -> Iterator[NvidiaNode]:
    running = NvidiaNode(device)
    yield running
    running.close()
