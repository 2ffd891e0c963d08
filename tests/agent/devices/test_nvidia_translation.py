"""What NVML and the checkpoint API say, in the interface's words: over fakes, without a card."""

import os
import sys
import time
from types import SimpleNamespace

import pytest
from sublet_agent.devices.detection import DevicePlaces, find_device
from sublet_agent.devices.interface import (
    DeviceError,
    GpuGoneError,
    GpuProcess,
    NoGpuContextError,
    NotSupportedError,
    OutOfGpuMemoryError,
    PauseTimeoutError,
    ProcessState,
    ResumeRefusedError,
    SystemRefusedError,
)
from sublet_agent.devices.nvidia import NvidiaDevice
from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable

from tests.support.nvidia_fakes import CUresult, FakeCard, FakeDriver, FakeNvml

PID = os.getpid()
MPS = Unsuspendable(Obstacle.MPS, "it is an MPS client")


@pytest.fixture
def card() -> FakeCard:
    return FakeCard()


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch, card: FakeCard) -> FakeNvml:
    fake = FakeNvml([card])
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver(states={PID: "running"})


@pytest.fixture
def device(nvml: FakeNvml, driver: FakeDriver) -> NvidiaDevice:
    del nvml
    return NvidiaDevice(driver)


def test_auto_finds_the_card(nvml: FakeNvml, driver: FakeDriver) -> None:
    del nvml
    places = DevicePlaces("/some/socket", driver)
    assert find_device("auto", places).simulated is False


def test_cards_split_by_mig_are_left_out(nvml: FakeNvml, driver: FakeDriver) -> None:
    nvml.cards.append(FakeCard(uuid="GPU-split", mig=True))
    assert [gpu.index for gpu in NvidiaDevice(driver).gpus()] == [0]


def test_a_driver_that_cannot_be_used_is_refused_with_the_reason(
    nvml: FakeNvml, driver: FakeDriver
) -> None:
    del nvml
    driver.problem = "the driver is too old"
    with pytest.raises(DeviceError, match="the driver is too old"):
        NvidiaDevice(driver)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(DeviceError, match="nvidia-ml-py is missing"):
        find_device("nvidia", DevicePlaces(None, FakeDriver()))


def test_memory_is_in_mib_and_adds_up(device: NvidiaDevice, card: FakeCard) -> None:
    memory = device.memory(device.gpus()[0].gpu_id)
    assert (memory.total_mib, memory.free_mib) == (81559, 80000)
    assert memory.used_mib == 1559
    card.lost = True
    with pytest.raises(GpuGoneError):
        device.memory(device.gpus()[0].gpu_id)


def test_processes_of_all_lists_are_told_once_with_their_utilisation(
    device: NvidiaDevice, card: FakeCard
) -> None:
    now = int(time.time() * 1e6)
    card.compute, card.mps = {1: 500, 2: None}, {1: 600, 3: 7}
    card.samples = [
        SimpleNamespace(pid=1, timeStamp=now, smUtil=40),
        SimpleNamespace(pid=1, timeStamp=now, smUtil=60),
        SimpleNamespace(pid=3, timeStamp=now, smUtil=4000),
        SimpleNamespace(pid=2, timeStamp=now - 10**8, smUtil=99),
    ]
    assert device.processes(device.gpus()[0].gpu_id) == [
        GpuProcess(1, 600, 50),
        GpuProcess(2, 0, 0),
        GpuProcess(3, 7, 100),
    ]


def test_what_a_card_cannot_tell_is_none_or_empty(device: NvidiaDevice, card: FakeCard) -> None:
    card.energy_mj = None
    gpu_id = device.gpus()[0].gpu_id
    assert device.energy_mj(gpu_id) is None
    assert device.processes(gpu_id) == []


def test_health_tells_of_cards_and_not_of_programs(
    device: NvidiaDevice, nvml: FakeNvml, card: FakeCard
) -> None:
    nvml.event(card, nvml.nvmlEventTypeXidCriticalError, 79)
    nvml.event(card, nvml.nvmlEventTypeXidCriticalError, 31)
    nvml.event(card, nvml.nvmlEventTypeDoubleBitEccError, 0)
    card.lost = True
    assert [each.fault for each in device.health()] == ["xid", "ecc", "gone"]
    assert device.health() == []


def test_an_mps_client_is_seen_beforehand(device: NvidiaDevice, card: FakeCard) -> None:
    assert device.why_not_suspendable(PID) is None
    card.mps = {PID: 1}
    assert device.why_not_suspendable(PID) == MPS


def test_what_is_gone_or_unreadable_must_not_be_suspended(device: NvidiaDevice) -> None:
    assert "is gone" in str(device.why_not_suspendable(2**22 - 1))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (CUresult.CUDA_ERROR_NOT_INITIALIZED, NoGpuContextError),
        (CUresult.CUDA_ERROR_OPERATING_SYSTEM, SystemRefusedError),
        (CUresult.CUDA_ERROR_NOT_READY, PauseTimeoutError),
        (CUresult.CUDA_ERROR_NOT_SUPPORTED, NotSupportedError),
        (CUresult.CUDA_ERROR_ILLEGAL_STATE, DeviceError),
    ],
)
def test_each_error_of_a_pause_has_its_class(
    device: NvidiaDevice, driver: FakeDriver, code: CUresult, error: type[DeviceError]
) -> None:
    driver.answers["lock"] = [code]
    with pytest.raises(error) as raised:
        device.pause(PID, 250)
    assert type(raised.value) is error
    assert ("lock", PID, 250) in driver.calls


def test_not_supported_is_believed_only_where_the_state_agrees(
    device: NvidiaDevice, driver: FakeDriver
) -> None:
    device.pause(PID, 250)
    driver.answers["checkpoint"] = [CUresult.CUDA_ERROR_NOT_SUPPORTED]
    with pytest.raises(NotSupportedError):
        device.suspend(PID)
    assert device.state(PID) is ProcessState.PAUSED
    driver.answers["checkpoint"] = [CUresult.CUDA_ERROR_NOT_SUPPORTED]
    driver.after["checkpoint"] = "checkpointed"
    device.suspend(PID)


def test_a_resume_without_room_and_a_refused_one_are_told_apart(
    device: NvidiaDevice, driver: FakeDriver
) -> None:
    driver.states[PID] = "checkpointed"
    driver.answers["restore"] = [
        CUresult.CUDA_ERROR_OUT_OF_MEMORY,
        CUresult.CUDA_ERROR_OPERATING_SYSTEM,
        CUresult.CUDA_ERROR_INVALID_VALUE,
    ]
    with pytest.raises(OutOfGpuMemoryError):
        device.resume(PID)
    for _ in range(2):
        with pytest.raises(ResumeRefusedError):
            device.resume(PID)
    del driver.states[PID]
    with pytest.raises(SystemRefusedError):
        device.resume(PID)


def test_a_mapping_names_every_card_by_its_bare_uuid(nvml: FakeNvml, driver: FakeDriver) -> None:
    nvml.cards += [FakeCard(uuid="GPU-b"), FakeCard(uuid="GPU-c")]
    device = NvidiaDevice(driver)
    first, second, third = (gpu.gpu_id for gpu in device.gpus())
    driver.states[PID] = "checkpointed"
    device.resume(PID, {first: second})
    bare = first.removeprefix("GPU-")
    assert driver.calls[-1] == ("restore", PID, {bare: "b", "b": "b", "c": "c"})
    assert third == "GPU-c"


def test_a_move_under_way_is_waited_for(device: NvidiaDevice, driver: FakeDriver) -> None:
    checkpointing = 4
    driver.states[PID] = checkpointing
    assert device.state(PID) is ProcessState.SUSPENDED


def test_unpausing_is_always_safe(device: NvidiaDevice, driver: FakeDriver) -> None:
    driver.answers["unlock"] = [CUresult.CUDA_ERROR_ILLEGAL_STATE]
    device.unpause(PID)
    driver.states[PID] = "checkpointed"
    driver.answers["unlock"] = [CUresult.CUDA_ERROR_ILLEGAL_STATE]
    with pytest.raises(DeviceError):
        device.unpause(PID)
