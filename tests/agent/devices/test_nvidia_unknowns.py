"""What NVML does not tell, through NVIDIA's own module over the stand-in for the driver."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sublet_agent.devices.interface import DeviceError, GpuGoneError
from sublet_agent.devices.nvidia import NvidiaDevice
from sublet_quota.reasons.obstacles import Obstacle

from tests.support.nvidia_stand_in.stand_in import NvidiaStandIn

NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, UNKNOWN = 3, 4, 13, 999


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NvidiaStandIn]:
    folder: Path = tmp_path_factory.mktemp("stand-in")
    with NvidiaStandIn.running(folder, cards=2) as made:
        yield made


@pytest.fixture
def stand_in(running: NvidiaStandIn) -> Iterator[NvidiaStandIn]:
    yield running
    running.reset()
    running.end_tenants()


@pytest.fixture
def device(stand_in: NvidiaStandIn) -> Iterator[NvidiaDevice]:
    with stand_in.device() as made:
        yield made


def obstacle(device: NvidiaDevice, pid: int) -> Obstacle | None:
    why = device.why_not_suspendable(pid)
    return None if why is None else why.obstacle


def test_memory_that_is_not_told_is_neither_nothing_nor_nobodys(
    stand_in: NvidiaStandIn, device: NvidiaDevice
) -> None:
    tenant = stand_in.tenant(cards=stand_in.gpu_id())
    tenant.run("b = gpu.allocate(gib=2)")
    assert obstacle(device, tenant.pid) is None
    stand_in.card(0, memory_unknown=True)
    (listed,) = device.processes(stand_in.gpu_id())
    assert (listed.pid, listed.memory_mib) == (tenant.pid, None)
    assert obstacle(device, tenant.pid) is Obstacle.MEMORY_UNKNOWN


@pytest.mark.parametrize("code", [NOT_SUPPORTED, NO_PERMISSION, UNKNOWN])
def test_a_list_that_a_card_does_not_give_is_an_error(
    stand_in: NvidiaStandIn, device: NvidiaDevice, code: int
) -> None:
    stand_in.answer("nvmlDeviceGetComputeRunningProcesses", code)
    with pytest.raises(DeviceError):
        device.processes(stand_in.gpu_id())


@pytest.mark.parametrize("code", [NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, UNKNOWN])
def test_figures_that_are_not_told_take_nothing_with_them(
    stand_in: NvidiaStandIn, device: NvidiaDevice, code: int
) -> None:
    figures = "ProcessUtilization", "UtilizationRates", "TotalEnergyConsumption", "Temperature"
    for figure in figures:
        stand_in.answer(f"nvmlDeviceGet{figure}", code)
    tenant = stand_in.tenant(cards=stand_in.gpu_id())
    tenant.run("b = gpu.allocate(gib=2)")
    gpu_id = stand_in.gpu_id()
    assert (device.utilisation_percent(gpu_id), device.energy_mj(gpu_id)) == (None, None)
    assert device.temperature_c(gpu_id) is None
    (listed,) = device.processes(gpu_id)
    assert (listed.pid, listed.utilisation_percent) == (tenant.pid, None)


def test_samples_that_grow_again_and_again_are_not_told_this_time(
    stand_in: NvidiaStandIn, device: NvidiaDevice
) -> None:
    tenant = stand_in.tenant(cards=stand_in.gpu_id())
    tenant.run("b = gpu.allocate(gib=2)")
    stand_in.card(0, utilisation_grows=True)
    (listed,) = device.processes(stand_in.gpu_id())
    assert listed.utilisation_percent is None


def test_a_process_that_has_pytorchs_profiling_library_and_no_profiler_may_be_suspended(
    stand_in: NvidiaStandIn, device: NvidiaDevice
) -> None:
    tenant = stand_in.tenant(cards=stand_in.gpu_id())
    tenant.run("b = gpu.allocate(gib=2)")
    stand_in.load_profiler(tenant)
    assert obstacle(device, tenant.pid) is None
    tool = stand_in.folder / "libToolsInjection64.so"
    tool.write_bytes(bytes(4096))
    tenant.run(f"tool = open({str(tool)!r}, 'r+b'); mapped = mmap.mmap(tool.fileno(), 0)")
    assert obstacle(device, tenant.pid) is Obstacle.PROFILER


def test_a_process_on_two_cards_stays_there(stand_in: NvidiaStandIn, device: NvidiaDevice) -> None:
    tenant = stand_in.tenant()
    tenant.run("b = gpu.allocate(gib=2)")
    assert obstacle(device, tenant.pid) is None
    tenant.run("gpu.use_card(1)")
    tenant.run("c = gpu.allocate(gib=2)")
    assert obstacle(device, tenant.pid) is Obstacle.SEVERAL_GPUS


def test_a_card_that_fell_off_the_bus_is_told_though_it_tells_nothing(tmp_path: Path) -> None:
    with NvidiaStandIn.running(tmp_path, cards=2) as stand_in, stand_in.device() as device:
        assert device.health() == []
        stand_in.report_xid(79, card=1)
        told = {(event.gpu_id, event.fault.value) for event in device.health()}
        assert told == {(stand_in.gpu_id(1), "xid"), (stand_in.gpu_id(1), "gone")}
        with pytest.raises(GpuGoneError):
            device.memory(stand_in.gpu_id(1))
        assert device.memory(stand_in.gpu_id(0)).free_mib
