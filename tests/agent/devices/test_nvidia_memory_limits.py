"""What NVML is asked for a limit of a control group, and what its answers mean: over a fake."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from sublet_agent.devices.interface import DeviceError, GpuGoneError, NoControllerError
from sublet_agent.devices.memory_limits import GroupLimit
from sublet_agent.devices.nvidia_memory_limits import NvidiaMemoryLimits
from sublet_agent.devices.nvml import Nvml
from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.cap_keepers import DriverLimit

from tests.support.nvidia_fakes import MIB, FakeCard, FakeNvml

MAX = FakeNvml.NVML_DEVICE_MEMORY_LIMIT_MAX


@dataclass
class World:
    nvml: FakeNvml
    card: FakeCard
    limits: NvidiaMemoryLimits
    root: Path
    mps: str | None = None

    @property
    def gpu_id(self) -> GpuId:
        return GpuId(self.card.uuid)

    @property
    def group(self) -> Path:
        return self.root / "ours" / "a"

    @property
    def why_not(self) -> DriverLimit | None:
        return self.limits.why_not(self.gpu_id, self.group)

    @property
    def limit(self) -> GroupLimit | None:
        return self.limits.limit(self.gpu_id, self.group)


@pytest.fixture
def world(tmp_path, monkeypatch):
    card = FakeCard()
    fake = FakeNvml([card], driver="615.71")
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    nvml = Nvml()
    nvml.add(GpuId(card.uuid), fake.nvmlDeviceGetHandleByIndex(0))
    (tmp_path / "cgroup.controllers").touch()
    made = World(fake, card, NvidiaMemoryLimits(nvml, tmp_path, lambda: made.mps), tmp_path)
    return made


def test_the_hard_limit_is_set_in_bytes_and_nothing_is_guaranteed(world):
    world.limits.set(world.gpu_id, world.group, 1000)
    assert world.card.limits == {str(world.group): (0, 1000 * MIB)}


def test_a_limit_is_told_with_what_is_used_rounded_up(world):
    world.limits.set(world.gpu_id, world.group, 1000)
    world.card.used_of_limits = 10 * MIB + 1
    assert world.limit == GroupLimit(1000, 11)


def test_lifting_sets_both_limits_to_what_clears_them(world):
    world.limits.set(world.gpu_id, world.group, 1000)
    world.limits.lift(world.gpu_id, world.group)
    assert world.card.limits == {str(world.group): (0, MAX)}
    assert world.limit is None


@pytest.mark.parametrize("code", [FakeNvml.NVML_ERROR_NOT_FOUND, FakeNvml.NVML_ERROR_NOT_SUPPORTED])
def test_a_group_that_nvml_knows_no_limit_of_has_none(world, code):
    world.card.errors["GetMemoryLimits"] = code
    assert world.limit is None


def test_a_group_that_lacks_the_controller_is_told_as_such_and_needs_no_lifting(world):
    world.card.errors["SetMemoryLimits"] = FakeNvml.NVML_ERROR_NOT_FOUND
    with pytest.raises(NoControllerError):
        world.limits.set(world.gpu_id, world.group, 1000)
    world.limits.lift(world.gpu_id, world.group)


def test_other_errors_are_told(world):
    world.card.errors["SetMemoryLimits"] = FakeNvml.NVML_ERROR_NO_PERMISSION
    for ask in (
        lambda: world.limits.set(world.gpu_id, world.group, 1000),
        lambda: world.limits.lift(world.gpu_id, world.group),
    ):
        with pytest.raises(DeviceError):
            ask()
    world.card.lost = True
    with pytest.raises(GpuGoneError):
        world.limits.limit(world.gpu_id, world.group)


@pytest.mark.parametrize("driver", ["615.71", "620.10.01"])
def test_drivers_from_615_on_have_limits(world, driver):
    world.nvml.driver = driver
    assert world.why_not is None


@pytest.mark.parametrize("driver", ["580.159.04", "610.57", "?"])
def test_older_drivers_have_none(world, driver):
    world.nvml.driver = driver
    assert world.why_not is DriverLimit.OLD_DRIVER


def test_an_older_nvidia_ml_py_has_none(world, monkeypatch):
    monkeypatch.delattr(FakeNvml, "nvmlDeviceSetMemoryLimits_v1")
    assert world.why_not is DriverLimit.OLD_DRIVER


def test_groups_of_version_2_are_needed_where_nvml_looks_for_them(world, tmp_path):
    elsewhere = tmp_path.parent / "unified" / "a"
    assert world.limits.why_not(world.gpu_id, elsewhere) is DriverLimit.OLD_GROUPS
    (tmp_path / "cgroup.controllers").unlink()
    assert world.why_not is DriverLimit.OLD_GROUPS


def test_where_mps_runs_none_is_set_as_its_server_ends_who_has_more_than_is_guaranteed(world):
    world.mps = "process 7, nvidia-cuda-mps-control"
    assert world.why_not is DriverLimit.MPS


def test_the_fakes_records_are_those_of_nvidia_ml_py():
    real = pytest.importorskip("pynvml")
    if not hasattr(real, "c_nvmlSetMemoryLimits_v1_t"):
        pytest.skip("this nvidia-ml-py is older than 13.615")
    for name in ("c_nvmlSetMemoryLimits_v1_t", "c_nvmlGetMemoryLimits_v1_t"):
        assert list(getattr(real, name)._fields_) == list(getattr(FakeNvml, name)._fields_)
    assert real.NVML_DEVICE_MEMORY_LIMIT_MAX == MAX
