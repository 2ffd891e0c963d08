"""Calls of the driver helper in tests: who asks, who holds memory, what stands in the driver."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
from sublet_agent.devices.interface import ProcessState
from sublet_agent.devices.nvidia import NvidiaDevice
from sublet_agent.driver_helper.client import DriverHelper
from sublet_agent.driver_helper.messages import DriverRequest, Operation, Outcome
from sublet_agent.processes.process_table import LinuxProcessTable

from tests.support.live_processes import command_of, live_processes
from tests.support.nvidia_stand_in.stand_in import NvidiaStandIn
from tests.support.tenants import Tenant

LONG = 60.0
AT_ONCE = 0.3
RESTORE = "cuCheckpointProcessRestore"
STATE = "cuCheckpointProcessGetState"
LOCK = "cuCheckpointProcessLock"
UNLOCK = "cuCheckpointProcessUnlock"
CHECKPOINTED = 2


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
    (found,) = (each for each in live_processes() if command_of(each)[-2:] == ["--folder", folder])
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
    commands = map(command_of, live_processes())
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


@contextlib.contextmanager
def a_new_helper(folder: Path) -> Iterator[DriverHelper]:
    made = DriverHelper(folder)
    try:
        yield made
    finally:
        made.stop()
