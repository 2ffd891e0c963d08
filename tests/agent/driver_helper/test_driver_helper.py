"""The helper as a process, with NVIDIA's own package, over the stand-in for the driver."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
from sublet_agent.devices.interface import (
    DeviceError,
    NoAnswerError,
    NoSuchProcessError,
    ProcessState,
    StandsStillError,
    SystemRefusedError,
)
from sublet_agent.devices.nvidia import NvidiaDevice
from sublet_agent.driver_helper.__main__ import CALLS_AT_ONCE
from sublet_agent.driver_helper.client import DriverHelper
from sublet_agent.driver_helper.messages import Operation, Outcome
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_agent.simulated.machine.operations import OperationKind

from tests.support.driver_helper_calls import (
    AT_ONCE,
    LOCK,
    LONG,
    STATE,
    hang,
    holding,
    request,
    stop,
)
from tests.support.nvidia_stand_in.stand_in import Meanwhile, NvidiaStandIn
from tests.support.tenants import Tenant


def test_a_stopped_process_is_asked_nothing_and_answers_once_it_goes_on(
    stand_in: NvidiaStandIn, helper: DriverHelper
) -> None:
    tenant = holding(stand_in)
    stop(stand_in, psutil.Process(tenant.pid))
    stand_in.forget_calls()
    for operation in Operation:
        answer = helper.ask(request(operation, tenant.pid))
        assert answer.outcome is Outcome.STANDS_STILL
        assert "Ctrl-Z" in answer.detail
    assert stand_in.calls() == []
    psutil.Process(tenant.pid).resume()
    assert helper.ask(request(Operation.STATE, tenant.pid)).outcome is Outcome.DONE


def test_the_device_says_at_once_that_a_process_is_stopped(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    del helper
    tenant = holding(stand_in)
    stop(stand_in, psutil.Process(tenant.pid))
    for ask in (device.state, device.suspend, device.resume, device.unpause):
        with pytest.raises(StandsStillError, match="is stopped"):
            ask(tenant.pid)
    with pytest.raises(StandsStillError):
        device.pause(tenant.pid, 1000)


def test_a_call_that_does_not_end_keeps_nobody_else_waiting(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    silent, others = holding(stand_in), [holding(stand_in) for _ in range(2)]
    hang(stand_in, helper, LOCK, request(Operation.LOCK, silent.pid, AT_ONCE))
    answer = helper.ask(request(Operation.LOCK, silent.pid, AT_ONCE))
    assert f"lock of process {silent.pid} is under way" in answer.detail
    for other in others:
        device.pause(other.pid, 1000)
        device.unpause(other.pid)
    assert helper.ask(request(Operation.STATE, silent.pid, AT_ONCE)).outcome is Outcome.NO_ANSWER
    stand_in.release()
    # The lock came after all, and was taken back.
    assert device.state(silent.pid) is ProcessState.RUNNING
    assert silent.run("b.sha256() == h") == "True"


def test_more_calls_that_do_not_end_than_there_are_workers_stop_nothing(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    silent, other = [stand_in.tenant() for _ in range(CALLS_AT_ONCE + 1)], holding(stand_in)
    for each in silent:
        each.run("gpu.memory_info()")
        hang(stand_in, helper, STATE, request(Operation.STATE, each.pid, 0.05))
    assert device.state(other.pid) is ProcessState.RUNNING


def test_error_304_of_a_process_that_lives_does_not_mean_that_it_is_gone(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    del helper
    tenant = holding(stand_in)
    stand_in.answer(STATE, 304, pid=tenant.pid)
    stand_in.answer(LOCK, 304, pid=tenant.pid)
    with pytest.raises(SystemRefusedError, match="which lives"):
        device.state(tenant.pid)
    with pytest.raises(SystemRefusedError):
        device.pause(tenant.pid, 1000)
    tenant.kill()
    assert device.state(tenant.pid) is None
    with pytest.raises(NoSuchProcessError):
        device.pause(tenant.pid, 1000)


def test_a_pid_that_changed_hands_is_not_called_for(
    stand_in: NvidiaStandIn, helper: DriverHelper
) -> None:
    tenant = holding(stand_in)
    asked = request(Operation.LOCK, tenant.pid)
    other = asked.model_copy(update={"start_ticks": asked.start_ticks + 1})
    stand_in.forget_calls()
    assert helper.ask(other).outcome is Outcome.GONE
    assert stand_in.calls() == []


@contextlib.contextmanager
def checkpoint_by_somebody_else(
    stand_in: NvidiaStandIn, device: NvidiaDevice, tenant: Tenant
) -> Iterator[subprocess.Popen[str]]:
    """Begin a checkpoint that the helper knows nothing of, and that get-state tells meanwhile.

    It lasts until ``end_delays``.
    """
    stand_in.while_moving(Meanwhile.TELLS_MOVING)
    stand_in.forget_calls()
    device.pause(tenant.pid, 1000)
    stand_in.delay(OperationKind.CHECKPOINT, tenant.pid)
    direct = (
        "import sys; from cuda.bindings import driver; driver.cuInit(0);"
        "print(int(driver.cuCheckpointProcessCheckpoint(int(sys.argv[1]), None)[0]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", direct, str(tenant.pid)], stdout=subprocess.PIPE, text=True
    ) as other:
        stand_in.until(lambda: stand_in.calls("cuCheckpointProcessCheckpoint"))
        yield other


def test_a_state_in_the_middle_of_somebody_elses_operation_is_waited_for(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    tenant = holding(stand_in)
    with checkpoint_by_somebody_else(stand_in, device, tenant) as other:
        assert helper.ask(request(Operation.STATE, tenant.pid)).state == 4
        asked = len(stand_in.calls(STATE))

        def end_it_once_it_is_waited_for() -> None:
            stand_in.until(lambda: len(stand_in.calls(STATE)) > asked + 1, LONG)
            stand_in.end_delays()

        ends = threading.Thread(target=end_it_once_it_is_waited_for)
        ends.start()
        assert device.state(tenant.pid) is ProcessState.SUSPENDED
        ends.join()
        assert other.communicate()[0].strip() == "0"


def test_a_state_that_is_not_to_be_had_is_said_so_whenever_the_time_ends(
    stand_in: NvidiaStandIn,
    device: NvidiaDevice,
    helper: DriverHelper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del helper
    monkeypatch.setattr("sublet_agent.devices.nvidia_checkpoint._UNDER_WAY_WITHIN_S", 0.03)
    tenant = holding(stand_in)
    with checkpoint_by_somebody_else(stand_in, device, tenant) as other:
        for _ in range(20):
            with pytest.raises(NoAnswerError):
                device.state(tenant.pid)
        other.kill()
        tenant.kill()


def test_on_a_full_disk_who_is_locked_is_unlocked_and_nobody_is_locked(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    del helper
    tenant, other = holding(stand_in), holding(stand_in)
    device.pause(tenant.pid, 1000)
    # A folder where the note would be fails as a disk without room does.
    for each in (tenant, other):
        identity = LinuxProcessTable().identify(each.pid)
        assert identity is not None
        note = stand_in.folder / "driver-helper" / "calls" / f"{each.pid}-{identity.start_ticks}"
        note.mkdir()
    device.unpause(tenant.pid)
    assert device.state(tenant.pid) is ProcessState.RUNNING
    with pytest.raises(DeviceError, match="not begun: it cannot be noted down"):
        device.pause(other.pid, 1000)
    assert device.state(other.pid) is ProcessState.RUNNING


def test_who_was_paused_for_a_while_is_let_run_though_all_who_would_do_that_are_gone(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    del helper
    for_a_while, for_good = holding(stand_in), holding(stand_in)
    asker = (
        "import sys; from pathlib import Path;"
        "from sublet_agent.devices.checkpoint_device import CallTerms, DriverCall;"
        "from sublet_agent.devices.nvidia_checkpoint import NvidiaCheckpoint;"
        "from sublet_agent.driver_helper.client import DriverHelper;"
        "helper = DriverHelper(Path(sys.argv[1]), is_ours=False);"
        "calls = NvidiaCheckpoint(helper, list);"
        "pids = map(int, sys.argv[2:]);"
        "[calls.operate(DriverCall.LOCK, pid, CallTerms(1000, 0.5)) for pid in pids]"
    )
    folder, pids = stand_in.folder / "driver-helper", (for_a_while.pid, for_good.pid)
    subprocess.run([sys.executable, "-c", asker, str(folder), *map(str, pids)], check=True)
    # The other was paused by a turn first, and then for owners, too.
    with contextlib.suppress(DeviceError):
        device.pause(for_good.pid, 1000)
    deadline = time.monotonic() + LONG
    while device.state(for_a_while.pid) is not ProcessState.RUNNING:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert device.state(for_good.pid) is ProcessState.PAUSED
    assert for_a_while.run("b.sha256() == h") == "True"
    device.unpause(for_good.pid)
