"""An NVIDIA card is held to the suite that the simulated device is held to."""

import pytest

from tests.support.device_conformance import DeviceConformance

pytestmark = pytest.mark.gpu


class TestNvidiaDevice(DeviceConformance):
    pass
