"""The helper as a process, with NVIDIA's own package, over the stand-in for the driver."""

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

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
from sublet_agent.driver_helper.client import CLAIM_NAME, DriverHelper, NoHelperError
from sublet_agent.driver_helper.messages import DriverAnswer, DriverRequest, Operation, Outcome
from sublet_agent.driver_helper.workers import WorkerDidNotStartError, WorkerProcess, Workers
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_agent.simulated.machine.operations import OperationKind

from tests.support.nvidia_stand_in.stand_in import Meanwhile, NvidiaStandIn
from tests.support.tenants import Tenant

LONG = 60.0
AT_ONCE = 0.3
RESTORE = "cuCheckpointProcessRestore"
STATE = "cuCheckpointProcessGetState"
LOCK = "cuCheckpointProcessLock"
UNLOCK = "cuCheckpointProcessUnlock"
CHECKPOINTED = 2


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


def request(operation: Operation, pid: int, within_s: float = LONG) -> DriverRequest:
    identity = LinuxProcessTable().identify(pid)
    assert identity is not None
    return DriverRequest(
        operation=operation,
        pid=pid,
        start_ticks=identity.start_ticks,
        within_s=within_s,
        timeout_ms=500 if operation is Operation.LOCK else 0,
    )


def holding(stand_in: NvidiaStandIn, gib: int = 1) -> Tenant:
    tenant = stand_in.tenant()
    tenant.run(f"b = gpu.allocate(gib={gib}); h = b.fill(7)")
    return tenant


def helper_process(stand_in: NvidiaStandIn) -> psutil.Process:
    folder = str(stand_in.folder / "driver-helper")
    (found,) = (
        each
        for each in psutil.process_iter(["cmdline"])
        if (each.info["cmdline"] or [])[-2:] == ["--folder", folder]
    )
    return found


def connections(stand_in: NvidiaStandIn) -> int:
    """Return how many the helper has at its socket."""
    path = str(stand_in.folder / "driver-helper" / "socket")
    return sum(each.laddr == path for each in helper_process(stand_in).net_connections("unix"))


def hang(stand_in: NvidiaStandIn, helper: DriverHelper, symbol: str, asked: DriverRequest) -> None:
    """Let a call stand in the driver, which the helper gives up."""
    stand_in.hold(symbol, pid=asked.pid)

    def stands() -> bool:
        # What did not begin in time, as on a busy machine, is asked for again.
        assert helper.ask(asked).outcome is Outcome.NO_ANSWER
        return any(call["first"] == asked.pid for call in stand_in.calls(symbol))

    stand_in.until(stands, LONG)


def workers_of(stand_in: NvidiaStandIn) -> int:
    """Return how many workers the helper has, busy, idle or just started."""
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    folder = str(stand_in.folder)
    return sum(
        "sublet_agent.driver_helper.worker" in words and words[-1].startswith(folder)
        for words in commands
    )


def start_asker(stand_in: NvidiaStandIn, asked: DriverRequest) -> subprocess.Popen[str]:
    """Start a process that asks the helper for one call, and prints the outcome."""
    ask = (
        "import sys; from pathlib import Path;"
        "from sublet_agent.driver_helper.client import DriverHelper;"
        "from sublet_agent.driver_helper.messages import DriverRequest;"
        "helper = DriverHelper(Path(sys.argv[1]));"
        "helper.first_word();"
        "print('asking', flush=True);"
        "print(helper.ask(DriverRequest.model_validate_json(sys.argv[2])).outcome)"
    )
    folder = str(stand_in.folder / "driver-helper")
    process = subprocess.Popen(
        [sys.executable, "-c", ask, folder, asked.model_dump_json()],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "asking\n"
    return process


@contextlib.contextmanager
def restore_under_way(
    stand_in: NvidiaStandIn, device: NvidiaDevice, tenant: Tenant
) -> Iterator[subprocess.Popen[str]]:
    """Begin a restore that lasts until ``release``; give the process that asked for it."""
    take_away(device, tenant)
    stand_in.hold(RESTORE, pid=tenant.pid)
    stand_in.forget_calls()
    with start_asker(stand_in, request(Operation.RESTORE, tenant.pid)) as asking:
        stand_in.until(lambda: stand_in.calls(RESTORE))
        yield asking


def take_away(device: NvidiaDevice, tenant: Tenant) -> None:
    device.pause(tenant.pid, 1000)
    device.suspend(tenant.pid)


def assert_back_whole(device: NvidiaDevice, tenant: Tenant) -> None:
    assert device.state(tenant.pid) is ProcessState.PAUSED
    device.unpause(tenant.pid)
    assert tenant.run("b.sha256() == h") == "True"


def stop(stand_in: NvidiaStandIn, process: psutil.Process) -> None:
    """Stop a process, and wait until it stands: until its threads run, they may still answer."""
    process.suspend()
    stand_in.until(lambda: process.status() == psutil.STATUS_STOPPED)


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


def test_a_restore_goes_on_when_who_asked_for_it_is_killed(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    tenant = holding(stand_in)
    with restore_under_way(stand_in, device, tenant) as asker:
        asker.kill()
    answer = helper.ask(request(Operation.STATE, tenant.pid, AT_ONCE))
    assert "restore of process" in answer.detail
    stand_in.release()
    assert_back_whole(device, tenant)


def test_a_restore_goes_on_when_the_helper_is_killed_and_the_next_one_knows(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    tenant = holding(stand_in)
    with restore_under_way(stand_in, device, tenant) as asker:
        first = helper_process(stand_in)
        first.kill()
        assert asker.communicate()[0].strip() == "no answer"
    answer = helper.ask(request(Operation.STATE, tenant.pid, AT_ONCE))
    assert "restore of process" in answer.detail
    assert helper_process(stand_in).pid != first.pid
    stand_in.release()
    assert_back_whole(device, tenant)
    assert len(stand_in.calls(RESTORE)) == 1


def test_a_helper_that_is_told_to_stop_breaks_no_call_off(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    tenant = holding(stand_in)
    with restore_under_way(stand_in, device, tenant) as asker:
        helper.stop()
        assert asker.communicate()[0].strip() == "no answer"
    stand_in.release()
    assert_back_whole(device, tenant)


def test_a_worker_that_is_killed_in_a_call_is_told_and_the_driver_is_asked(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    tenant = holding(stand_in)
    with restore_under_way(stand_in, device, tenant) as asker:
        (call,) = stand_in.calls(RESTORE)
        os.kill(call["pid"], signal.SIGKILL)
        assert asker.communicate()[0].strip() == "worker died"
    stand_in.release()
    assert device.state(tenant.pid) is ProcessState.SUSPENDED
    assert helper.ask(request(Operation.RESTORE, tenant.pid)).outcome is Outcome.DONE


def test_a_helper_that_is_stopped_is_waited_for_no_longer_than_was_said(
    stand_in: NvidiaStandIn, helper: DriverHelper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sublet_agent.driver_helper.client._BEYOND_S", 0.1)
    tenant = holding(stand_in)
    assert helper.ask(request(Operation.STATE, tenant.pid)).outcome is Outcome.DONE
    stopped = helper_process(stand_in)
    stop(stand_in, stopped)
    try:
        answer = helper.ask(request(Operation.STATE, tenant.pid, AT_ONCE))
    finally:
        stopped.resume()
    assert answer.outcome is Outcome.NO_ANSWER
    assert helper.ask(request(Operation.STATE, tenant.pid)).outcome is Outcome.DONE


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


def test_a_restore_works_without_persistence_mode(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    del helper
    stand_in.card(0, persistence=False)
    tenant = holding(stand_in)
    device.pause(tenant.pid, 1000)
    device.suspend(tenant.pid)
    device.resume(tenant.pid)
    device.unpause(tenant.pid)
    assert tenant.run("b.sha256() == h") == "True"


@contextlib.contextmanager
def a_new_helper(folder: Path) -> Iterator[DriverHelper]:
    made = DriverHelper(folder)
    try:
        yield made
    finally:
        made.stop()


def test_a_restore_that_nobody_waits_for_any_more_is_not_begun(
    stand_in: NvidiaStandIn,
    device: NvidiaDevice,
    helper: DriverHelper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sublet_agent.driver_helper.client._BEYOND_S", 0.1)
    tenant = holding(stand_in, 40)
    take_away(device, tenant)
    assert helper.ask(request(Operation.STATE, tenant.pid)).state == CHECKPOINTED
    stand_in.forget_calls()
    stopped = helper_process(stand_in)
    stop(stand_in, stopped)
    try:
        answer = helper.ask(request(Operation.RESTORE, tenant.pid, AT_ONCE))
        assert answer.outcome is Outcome.NO_ANSWER
        thief = holding(stand_in, 60)
    finally:
        stopped.resume()
    # Of the same process, so it is behind the other in turn.
    assert helper.ask(request(Operation.STATE, tenant.pid)).state == CHECKPOINTED
    assert stand_in.calls(RESTORE) == []
    thief.kill()
    assert helper.ask(request(Operation.RESTORE, tenant.pid)).outcome is Outcome.DONE


def test_a_restore_that_waits_for_its_turn_ends_with_who_asked_for_it(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    tenant = holding(stand_in, 40)
    take_away(device, tenant)
    stand_in.hold(STATE, pid=tenant.pid)
    stand_in.forget_calls()
    with start_asker(stand_in, request(Operation.STATE, tenant.pid)) as looking:
        stand_in.until(lambda: stand_in.calls(STATE))
        with start_asker(stand_in, request(Operation.RESTORE, tenant.pid)) as asking:
            # What it sleeps for is the answer: it has asked.
            stand_in.until(lambda: psutil.Process(asking.pid).status() == psutil.STATUS_SLEEPING)
            connected = connections(stand_in)
            asking.kill()
        stand_in.until(lambda: connections(stand_in) < connected)
        stand_in.release()
        assert looking.communicate()[0].strip() == "done"
    assert helper.ask(request(Operation.STATE, tenant.pid)).state == CHECKPOINTED
    assert stand_in.calls(RESTORE) == []


def test_a_call_whose_worker_starts_too_late_is_not_made(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    tenant = holding(stand_in)
    take_away(device, tenant)
    hanging = 0
    # There may be more of them than calls at once: one that began too late for its call is kept.
    while hanging < max(CALLS_AT_ONCE, workers_of(stand_in)):
        silent = holding(stand_in)
        hang(stand_in, helper, STATE, request(Operation.STATE, silent.pid, AT_ONCE))
        hanging += 1
    stand_in.hold("cuInit")
    stand_in.forget_calls()
    answer = helper.ask(request(Operation.RESTORE, tenant.pid, 1.0))
    assert answer.outcome is Outcome.NO_ANSWER
    stand_in.release()
    assert helper.ask(request(Operation.STATE, tenant.pid)).state == CHECKPOINTED
    assert stand_in.calls(RESTORE) == []


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


def test_a_driver_that_does_not_start_is_told_and_not_waited_for_without_end(
    stand_in: NvidiaStandIn,
    helper: DriverHelper,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del helper
    monkeypatch.setattr("sublet_agent.driver_helper.workers._START_WITHIN_S", 0.5)
    stand_in.hold("cuInit")
    with pytest.raises(WorkerDidNotStartError, match="the driver does not start"):
        asyncio.run(Workers(tmp_path, 1).make_ready(1))


def test_no_more_workers_are_made_ready_than_calls_may_be_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Path] = []

    async def start(folder: Path) -> tuple[object, DriverAnswer]:
        started.append(folder)
        return object(), DriverAnswer(outcome=Outcome.DONE)

    async def made_ready() -> None:
        workers = Workers(tmp_path, 3)
        await workers.make_ready(2)
        for _ in range(2):
            await workers.make_others_ready()

    monkeypatch.setattr(WorkerProcess, "start", start)
    asyncio.run(made_ready())
    assert len(started) == 3


class BegunError(Exception):
    """A helper would be started now."""


def test_while_a_helper_starts_no_other_is_started(
    stand_in: NvidiaStandIn, helper: DriverHelper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del stand_in, helper
    monkeypatch.setattr("sublet_agent.driver_helper.client._START_WITHIN_S", 0.3)

    def begin(folder: Path) -> None:
        raise BegunError(folder)

    monkeypatch.setattr("sublet_agent.driver_helper.client.start_helper", begin)
    with (tmp_path / CLAIM_NAME).open("w") as claim:
        fcntl.flock(claim, fcntl.LOCK_EX)
        with pytest.raises(NoHelperError, match="no driver helper answers"):
            DriverHelper(tmp_path).first_word()
    monkeypatch.setattr("sublet_agent.driver_helper.client._START_WITHIN_S", LONG)
    with pytest.raises(BegunError):
        DriverHelper(tmp_path).first_word()


def test_a_driver_without_the_checkpoint_api_is_refused_with_its_version(
    stand_in: NvidiaStandIn, helper: DriverHelper, tmp_path: Path
) -> None:
    del helper
    stand_in.versions("550.54", 12040)
    with a_new_helper(tmp_path) as fresh, pytest.raises(NoHelperError, match=r"speaks CUDA 12\.4"):
        fresh.first_word()


def test_a_driver_that_does_not_tell_its_version_is_refused_with_what_it_said(
    stand_in: NvidiaStandIn, helper: DriverHelper, tmp_path: Path
) -> None:
    del helper
    stand_in.answer("cuDriverGetVersion", 34)
    with a_new_helper(tmp_path) as fresh, pytest.raises(NoHelperError, match="STUB_LIBRARY"):
        fresh.first_word()


def test_a_module_that_is_missing_is_named_with_what_brings_it(
    stand_in: NvidiaStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del stand_in
    shadow = tmp_path / "shadow" / "cuda"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(shadow.parent))
    with a_new_helper(tmp_path / "helper") as fresh:
        wanted = r"module cuda\.bindings .*`sublet\[nvidia\]`.*cuda-bindings"
        with pytest.raises(NoHelperError, match=wanted):
            fresh.first_word()


def test_bindings_that_could_suspend_and_not_bring_back_are_refused(
    stand_in: NvidiaStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del stand_in
    # As 13.0.0 and 13.0.1 are.
    shadow = tmp_path / "shadow" / "cuda" / "bindings"
    shadow.mkdir(parents=True)
    for folder in (shadow.parent, shadow):
        (folder / "__init__.py").touch()
    names = (
        "cuCheckpointProcessGetState",
        "cuCheckpointProcessLock",
        "cuCheckpointProcessCheckpoint",
    )
    (shadow / "driver.py").write_text("".join(f"{name} = print\n" for name in names))
    monkeypatch.setenv("PYTHONPATH", str(shadow.parents[1]))
    with a_new_helper(tmp_path / "helper") as fresh:
        wanted = r"cuda-bindings here has no cuCheckpointProcessRestore: .*`sublet\[nvidia\]`"
        with pytest.raises(NoHelperError, match=wanted):
            fresh.first_word()


def test_nobody_but_the_agents_account_and_root_may_ask(
    stand_in: NvidiaStandIn, helper: DriverHelper
) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to be somebody else")
    helper.first_word()
    folder = stand_in.folder / "driver-helper"
    for each in (folder, *folder.iterdir()):
        assert each.stat().st_mode & 0o077 == 0, each


def test_a_call_that_nobody_can_make_is_an_error_of_the_device(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    del helper
    tenant = holding(stand_in)
    stand_in.hold(UNLOCK, pid=tenant.pid)
    device.pause(tenant.pid, 1000)

    def stands() -> bool:
        # As in ``hang``.
        with pytest.raises(NoAnswerError) as told:
            device.unpause(tenant.pid)
        return "unlock of process" in str(told.value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sublet_agent.devices.nvidia_checkpoint._SHORT_WITHIN_S", AT_ONCE)
        stand_in.until(stands, LONG)
    stand_in.release()
    assert device.state(tenant.pid) is ProcessState.RUNNING
