"""The real card, for the tests of this folder; they skip where there is none."""

from collections.abc import Iterator

import pytest
from sublet_agent.devices.detection import find_device
from sublet_agent.devices.interface import Device
from sublet_agent.devices.nvidia import nvidia_gpus_found

from tests.support.nvidia_node import NvidiaNode


@pytest.fixture(scope="session")
def device() -> Device:
    if not nvidia_gpus_found():
        pytest.skip("NVML finds no NVIDIA GPU here")
    return find_device("nvidia")


@pytest.fixture
def node(device: Device) -> Iterator[NvidiaNode]:
    running = NvidiaNode(device)
    yield running
    running.close()
