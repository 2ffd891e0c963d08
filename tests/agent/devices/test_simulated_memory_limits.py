"""The simulated driver's memory limits are held to the suite that a real card's are held to."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sublet_agent.devices.interface import DeviceError
from sublet_agent.devices.simulated import SimulatedDevice
from sublet_agent.simulated.machine.card import CardSetup
from sublet_quota.reasons.cap_keepers import DriverLimit

from tests.support.control_groups import needs_freezer
from tests.support.memory_limits_conformance import LimitedGroups, MemoryLimitsConformance
from tests.support.simulated_gpus import SimulatedGpus, simulated_gpus
from tests.support.tenants import TenantError

NEW, OLD = "615.71", "610.57"


@pytest.fixture
def daemon() -> Iterator[SimulatedGpus]:
    with simulated_gpus("--scale", "16384") as gpus:
        gpus.administration.set_up(gpus.gpu_id, CardSetup(), driver=NEW)
        yield gpus


@pytest.fixture
def limited(daemon: SimulatedGpus, tmp_path: Path) -> Iterator[LimitedGroups]:
    place = f"/limits-{os.getpid()}"
    groups = LimitedGroups(daemon.device, needs_freezer(tmp_path, 2), place, daemon.tenant)
    groups.tree.make(place)
    yield groups
    groups.close()


class TestSimulatedMemoryLimits(MemoryLimitsConformance):
    pass


def test_an_older_driver_has_no_limits(limited: LimitedGroups, daemon: SimulatedGpus) -> None:
    daemon.administration.set_up(daemon.gpu_id, CardSetup(), driver=OLD)
    folder = limited.folder("a")
    assert limited.limits.why_not(limited.gpu_id, folder) is DriverLimit.OLD_DRIVER
    assert limited.limits.limit(limited.gpu_id, folder) is None
    with pytest.raises(DeviceError, match="no memory limits"):
        limited.set("a", 4)


def test_a_card_under_mps_gets_none(limited: LimitedGroups, daemon: SimulatedGpus) -> None:
    daemon.administration.set_up(daemon.gpu_id, CardSetup(mps=True), driver=NEW)
    assert limited.limits.why_not(limited.gpu_id, limited.folder("a")) is DriverLimit.MPS


def test_what_is_no_control_group_has_no_limit(limited: LimitedGroups, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="no control group"):
        limited.limits.set(limited.gpu_id, tmp_path, 1024)


def test_a_daemon_that_is_gone_is_no_error_of_who_looks(tmp_path: Path) -> None:
    device = SimulatedDevice(str(tmp_path / "nobody.sock"))
    assert device.memory_limits.why_not("SIM-0", tmp_path) is DriverLimit.REFUSED


def test_tenants_set_no_limits(daemon: SimulatedGpus, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("another account needs root")
    tenant = daemon.tenant(uid=65534)
    tenant.run(f"device = SimulatedDevice({str(daemon.socket)!r})")
    tenant.run("from pathlib import Path")
    with pytest.raises(TenantError, match="this is for root"):
        tenant.run(f"device.memory_limits.set({daemon.gpu_id!r}, Path({str(tmp_path)!r}), 1)")
