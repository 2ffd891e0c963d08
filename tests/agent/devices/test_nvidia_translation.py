"""What NVML and the checkpoint API say, in the interface's words: over fakes, without a card."""

import os
import sys
import time
from types import SimpleNamespace

import pytest
from sublet_agent.devices.detection import DevicePlaces, find_device
from sublet_agent.devices.interface import (
    ComputeMode,
    DeviceError,
    GpuGoneError,
    GpuProcess,
    GpuUnavailableError,
    NoGpuContextError,
    NotSupportedError,
    OutOfGpuMemoryError,
    PauseTimeoutError,
    ProcessState,
    ResumeRefusedError,
    SystemRefusedError,
)
from sublet_agent.devices.nvidia import NvidiaDevice
from sublet_quota.reasons.fitness import Unfit
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
        GpuProcess(2, None, 0),
        GpuProcess(3, 7, 100),
    ]


def test_a_card_with_nobody_on_it_lists_nobody(device: NvidiaDevice) -> None:
    assert device.processes(device.gpus()[0].gpu_id) == []


def test_memory_that_one_of_the_lists_does_not_tell_is_not_told(
    device: NvidiaDevice, card: FakeCard
) -> None:
    card.compute, card.mps = {1: 500, 2: None}, {1: None, 2: 600}
    told = device.processes(device.gpus()[0].gpu_id)
    assert [each.memory_mib for each in told] == [None, None]


@pytest.mark.parametrize("code", [3, 4, 7, 13, 999])
@pytest.mark.parametrize("call", ["ComputeRunning", "MemoryInfo"])
def test_a_card_that_cannot_say_what_is_on_it_is_an_error_and_not_empty(
    device: NvidiaDevice, card: FakeCard, call: str, code: int
) -> None:
    card.errors[call] = code
    gpu_id = device.gpus()[0].gpu_id
    with pytest.raises(DeviceError) as raised:
        (device.memory if call == "MemoryInfo" else device.processes)(gpu_id)
    assert not isinstance(raised.value, GpuGoneError)


@pytest.mark.parametrize("call", ["MPSRunning", "GraphicsRunning"])
def test_lists_that_older_cards_lack_have_nobody_on_them_there(
    device: NvidiaDevice, nvml: FakeNvml, card: FakeCard, call: str
) -> None:
    card.compute, card.errors[call] = {1: 500}, nvml.NVML_ERROR_NOT_SUPPORTED
    assert [each.pid for each in device.processes(device.gpus()[0].gpu_id)] == [1]
    card.errors[call] = nvml.NVML_ERROR_NO_PERMISSION
    with pytest.raises(DeviceError):
        device.processes(device.gpus()[0].gpu_id)


@pytest.mark.parametrize("code", [3, 4, 7, 13, 15, 999])
def test_figures_that_nobody_depends_on_are_not_told_and_take_nothing_with_them(
    device: NvidiaDevice, card: FakeCard, code: int
) -> None:
    card.compute = {1: 500}
    for call in ("ProcessUtilization", "UtilizationRates", "Energy", "Temperature"):
        card.errors[call] = code
    gpu_id = device.gpus()[0].gpu_id
    assert device.utilisation_percent(gpu_id) is None
    assert device.energy_mj(gpu_id) is None
    assert device.temperature_c(gpu_id) is None
    assert device.processes(gpu_id) == [GpuProcess(1, 500, None)]


def test_a_list_that_has_grown_between_two_calls_is_asked_for_again(
    device: NvidiaDevice, nvml: FakeNvml, card: FakeCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    card.compute = {1: 500}
    answers = [nvml.NVML_ERROR_INSUFFICIENT_SIZE, nvml.NVML_ERROR_INSUFFICIENT_SIZE]
    plain = nvml.nvmlDeviceGetComputeRunningProcesses

    def growing(handle: object) -> object:
        if answers:
            raise nvml.NVMLError(answers.pop())
        return plain(handle)

    monkeypatch.setattr(nvml, "nvmlDeviceGetComputeRunningProcesses", growing)
    assert [each.pid for each in device.processes(device.gpus()[0].gpu_id)] == [1]


def test_cards_that_are_split_are_left_out_and_told(nvml: FakeNvml, driver: FakeDriver) -> None:
    nvml.cards.append(FakeCard(uuid="GPU-split", mig=True))
    (left_out,) = NvidiaDevice(driver).left_out()
    assert (left_out.gpu_id, left_out.index, left_out.reason.why) == ("GPU-split", 1, Unfit.SPLIT)


@pytest.mark.parametrize("broken", [{"lost": True}, {"errors": {"MemoryInfo": 3}}])
def test_a_card_that_tells_nothing_keeps_the_others_from_nobody(
    nvml: FakeNvml, driver: FakeDriver, broken: dict[str, object]
) -> None:
    nvml.cards.append(FakeCard(uuid="GPU-broken", **broken))
    device = NvidiaDevice(driver)
    assert [gpu.index for gpu in device.gpus()] == [0]
    (left_out,) = device.left_out()
    assert (left_out.index, left_out.reason.why) == (1, Unfit.UNREADABLE)


def test_how_a_card_is_set_up_is_told(device: NvidiaDevice, card: FakeCard) -> None:
    setup = device.setup(device.gpus()[0].gpu_id)
    assert (setup.driver, setup.persistent, setup.initialised) == ("580.159.04", True, True)
    assert setup.compute_mode is ComputeMode.DEFAULT
    card.persistent, card.compute_mode = False, FakeNvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS
    setup = device.setup(device.gpus()[0].gpu_id)
    assert (setup.persistent, setup.compute_mode) == (False, ComputeMode.EXCLUSIVE)
    card.compute_mode = FakeNvml.NVML_COMPUTEMODE_PROHIBITED
    assert device.setup(device.gpus()[0].gpu_id).compute_mode is ComputeMode.PROHIBITED


def test_a_setup_that_is_not_told_is_no_error(device: NvidiaDevice, card: FakeCard) -> None:
    card.errors = {"PersistenceMode": 3, "ComputeMode": 4}
    setup = device.setup(device.gpus()[0].gpu_id)
    assert (setup.persistent, setup.compute_mode) == (None, None)


def test_a_program_is_shown_the_card_alone(device: NvidiaDevice, card: FakeCard) -> None:
    gpu_id = device.gpus()[0].gpu_id
    assert device.client_environment(gpu_id) == {"CUDA_VISIBLE_DEVICES": card.uuid}


def test_whether_a_card_is_split_by_mig_must_be_known(nvml: FakeNvml, driver: FakeDriver) -> None:
    nvml.cards[0].errors["MigMode"] = nvml.NVML_ERROR_NO_PERMISSION
    (left_out,) = NvidiaDevice(driver).left_out()
    assert left_out.reason.why is Unfit.UNREADABLE
    nvml.cards[0].errors["MigMode"] = nvml.NVML_ERROR_NOT_SUPPORTED
    assert len(NvidiaDevice(driver).gpus()) == 1


def test_health_tells_of_cards_and_not_of_programs(
    device: NvidiaDevice, nvml: FakeNvml, card: FakeCard
) -> None:
    nvml.event(card, nvml.nvmlEventTypeXidCriticalError, 79)
    nvml.event(card, nvml.nvmlEventTypeXidCriticalError, 31)
    nvml.event(card, nvml.nvmlEventTypeDoubleBitEccError, 0)
    card.lost = True
    assert [each.fault for each in device.health()] == ["xid", "ecc", "gone"]
    assert device.health() == []


def test_a_card_that_fell_off_the_bus_is_told_although_it_says_nothing_any_more(
    nvml: FakeNvml, driver: FakeDriver
) -> None:
    lost = FakeCard(uuid="GPU-lost")
    nvml.cards.append(lost)
    device = NvidiaDevice(driver)
    lost.lost = True
    nvml.event(lost, nvml.nvmlEventTypeXidCriticalError, 79)
    told = [(each.gpu_id, each.fault, each.detail) for each in device.health()]
    assert told[0] == ("GPU-lost", "xid", "XID 79")
    assert [each[:2] for each in told[1:]] == [("GPU-lost", "gone")]
    assert device.health() == []


def test_a_lost_card_hides_no_events_of_another(nvml: FakeNvml, driver: FakeDriver) -> None:
    other = FakeCard(uuid="GPU-other")
    nvml.cards.append(other)
    device = NvidiaDevice(driver)
    nvml.cards[0].lost = True
    assert [each.fault for each in device.health()] == ["gone"]
    nvml.event(other, nvml.nvmlEventTypeXidCriticalError, 48)
    assert [(each.gpu_id, each.detail) for each in device.health()] == [("GPU-other", "XID 48")]


def test_a_card_that_cannot_report_its_errors_leaves_the_others_watched(
    nvml: FakeNvml, driver: FakeDriver
) -> None:
    other = FakeCard(uuid="GPU-other")
    nvml.cards.append(other)
    nvml.cards[0].errors["RegisterEvents"] = nvml.NVML_ERROR_UNKNOWN
    device = NvidiaDevice(driver)
    nvml.event(other, nvml.nvmlEventTypeXidCriticalError, 48)
    assert [each.gpu_id for each in device.health()] == ["GPU-other"]


def test_events_that_cannot_be_read_are_said_once_and_do_not_hide_a_lost_card(
    device: NvidiaDevice, nvml: FakeNvml, card: FakeCard, caplog: pytest.LogCaptureFixture
) -> None:
    nvml.event_error = nvml.NVML_ERROR_UNKNOWN
    assert [each for _ in range(3) for each in device.health()] == []
    assert caplog.text.count("cannot be read") == 1
    card.lost = True
    assert [each.fault for _ in range(3) for each in device.health()] == ["gone"]


def test_a_process_on_two_cards_is_seen_beforehand(nvml: FakeNvml, driver: FakeDriver) -> None:
    nvml.cards.append(FakeCard(uuid="GPU-b"))
    device = NvidiaDevice(driver)
    nvml.cards[0].compute = {PID: 500}
    assert device.why_not_suspendable(PID) is None
    nvml.cards[1].compute = {PID: 300}
    assert device.why_not_suspendable(PID) == Unsuspendable(
        Obstacle.SEVERAL_GPUS, f"process {PID} uses more than one GPU (0 and 1)"
    )
    nvml.cards[1].lost = True
    assert obstacle_of(device) is Obstacle.SEVERAL_GPUS


def test_a_second_card_that_cannot_list_its_processes_leaves_it_open(
    nvml: FakeNvml, driver: FakeDriver
) -> None:
    nvml.cards.append(FakeCard(uuid="GPU-b"))
    device = NvidiaDevice(driver)
    nvml.cards[0].compute = {PID: 500}
    nvml.cards[1].errors["ComputeRunning"] = nvml.NVML_ERROR_UNKNOWN
    with pytest.raises(DeviceError):
        device.why_not_suspendable(PID)


def test_a_process_whose_memory_is_not_told_is_seen_beforehand(
    device: NvidiaDevice, card: FakeCard
) -> None:
    card.compute = {PID: None}
    assert obstacle_of(device) is Obstacle.MEMORY_UNKNOWN


def obstacle_of(device: NvidiaDevice) -> Obstacle | None:
    why = device.why_not_suspendable(PID)
    return None if why is None else why.obstacle


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
        (CUresult.CUDA_ERROR_DEVICE_UNAVAILABLE, GpuUnavailableError),
        (CUresult.CUDA_ERROR_NO_DEVICE, GpuGoneError),
        (CUresult.CUDA_ERROR_ECC_UNCORRECTABLE, GpuGoneError),
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
    assert driver.calls[-1] == ("restore", PID, {bare: "b", "b": bare, "c": "c"})
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
