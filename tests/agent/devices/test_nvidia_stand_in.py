"""The stand-in for NVIDIA's driver does what its table says, as NVIDIA's own packages see it."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pynvml
import pytest
from sublet_agent.cgroups.trees import wait_frozen
from sublet_agent.devices.interface import Device, NotSupportedError
from sublet_agent.devices.nvidia import NvidiaDevice
from sublet_agent.simulated.machine.operations import OperationKind

from tests.support.control_groups import needs_freezer
from tests.support.nvidia_stand_in.stand_in import (
    CallerDies,
    ComputeMode,
    Meanwhile,
    NvidiaStandIn,
)
from tests.support.tenants import Tenant, TenantError

GIB = 1024
_CHILD = """
import sys
from cuda.bindings import driver
from cuda.core import checkpoint
import pynvml
if "init" in sys.argv:
    assert driver.cuInit(0)[0] == 0
pynvml.nvmlInit()
print(pynvml.nvmlSystemGetDriverVersion(), driver.cuDriverGetVersion()[1], flush=True)
for line in sys.stdin:
    call, pid = line.split()
    try:
        process = checkpoint.Process(int(pid))
        print(process.state if call == "state" else getattr(process, call)(), flush=True)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
"""


class Caller:
    """A process of its own that calls the checkpoint API, with NVIDIA's packages."""

    def __init__(self, stand_in: NvidiaStandIn, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, *arguments],
            env={**os.environ, **stand_in.environment()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.versions = self.line()

    def begin(self, call: str, pid: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{call} {pid}\n")
        self.process.stdin.flush()

    def call(self, call: str, pid: int) -> str:
        self.begin(call, pid)
        return self.line()

    def has_answered(self) -> bool:
        return bool(select.select([self.process.stdout], [], [], 0.3)[0])

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NvidiaStandIn]:
    folder = tmp_path_factory.mktemp("stand-in")
    with NvidiaStandIn.running(folder, cards=2) as running:
        yield running


@pytest.fixture
def stand_in(shared: NvidiaStandIn) -> Iterator[NvidiaStandIn]:
    yield shared
    shared.reset()
    shared.end_tenants()
    shared.until(lambda: not shared.truth().processes)


@pytest.fixture(scope="module")
def device(shared: NvidiaStandIn) -> Iterator[NvidiaDevice]:
    with shared.device() as made:
        yield made


@pytest.fixture
def caller(stand_in: NvidiaStandIn) -> Iterator[Caller]:
    made = Caller(stand_in)
    yield made
    made.kill()


def filled(stand_in: NvidiaStandIn, mib: int = GIB) -> Tenant:
    tenant = stand_in.tenant()
    tenant.run(f"b = gpu.allocate(mib={mib}); h = b.fill(7)")
    return tenant


def suspend(device: Device, tenant: Tenant) -> None:
    device.pause(tenant.pid, 1000)
    device.suspend(tenant.pid)


def resume(device: Device, tenant: Tenant) -> None:
    device.resume(tenant.pid)
    device.unpause(tenant.pid)


def test_a_child_process_finds_it_by_the_loader(stand_in: NvidiaStandIn, caller: Caller) -> None:
    tenant = filled(stand_in)
    assert caller.versions == "580.159.04 13000"
    assert caller.call("state", tenant.pid) == "running"
    assert caller.call("lock", tenant.pid) == "None"
    assert caller.call("state", tenant.pid) == "locked"


def test_with_every_byte_kept_every_byte_comes_back(tmp_path) -> None:
    with NvidiaStandIn.running(tmp_path, mib_per_gib=2, bytes_per_mib=2**20) as full:
        tenant = full.tenant()
        tenant.run("b = gpu.allocate(mib=24); h = b.fill(5)")
        with full.device() as device:
            suspend(device, tenant)
            resume(device, tenant)
        assert tenant.run("b.sha256() == h") == "True"
        tenant.run("b.put_everywhere(0x5EC2E7A1)")
        assert tenant.run("b.holds(0x5EC2E7A1)") == "True"
        assert tenant.run("b.sha256() == h") == "False"


def test_get_state_waits_or_tells_what_is_under_way(
    stand_in: NvidiaStandIn, device: NvidiaDevice, caller: Caller
) -> None:
    tenant = filled(stand_in)
    device.pause(tenant.pid, 1000)
    asking = Caller(stand_in)
    stand_in.delay(OperationKind.CHECKPOINT, tenant.pid)
    caller.begin("checkpoint", tenant.pid)
    stand_in.until(lambda: stand_in.truth().process(tenant.pid).operation == "checkpoint")
    stand_in.while_moving(Meanwhile.TELLS_BEFORE)
    assert asking.call("state", tenant.pid) == "locked"
    stand_in.while_moving(Meanwhile.TELLS_MOVING)
    assert "Unknown CUDA checkpoint process state: 4" in asking.call("state", tenant.pid)
    stand_in.while_moving(Meanwhile.TELLS_NEWER)
    assert asking.call("state", tenant.pid).startswith("ValueError")
    stand_in.while_moving(Meanwhile.WAITS)
    asking.begin("state", tenant.pid)
    assert not asking.has_answered()
    stand_in.end_delays()
    assert asking.line() == "checkpointed"
    asking.kill()


def killed_in_a_checkpoint(stand_in: NvidiaStandIn) -> Tenant:
    """Start a tenant, and kill a caller in the middle of its checkpoint."""
    tenant, caller = filled(stand_in), Caller(stand_in)
    assert caller.call("lock", tenant.pid) == "None"
    stand_in.delay(OperationKind.CHECKPOINT, tenant.pid)
    caller.begin("checkpoint", tenant.pid)
    stand_in.until(lambda: stand_in.calls("cuCheckpointProcessCheckpoint", caller.process.pid))
    caller.kill()
    return tenant


def test_what_a_killed_caller_began_goes_on_and_get_state_waits_for_its_end(
    stand_in: NvidiaStandIn, caller: Caller
) -> None:
    tenant = killed_in_a_checkpoint(stand_in)
    caller.begin("state", tenant.pid)
    assert not caller.has_answered()
    stand_in.end_delays()
    assert caller.line() == "checkpointed"


def test_what_a_killed_caller_began_may_be_left_half_way(
    stand_in: NvidiaStandIn, caller: Caller
) -> None:
    stand_in.when_the_caller_dies(CallerDies.LEFT_HALF_WAY)
    tenant = killed_in_a_checkpoint(stand_in)
    assert "CUDA_ERROR_ILLEGAL_STATE" in caller.call("unlock", tenant.pid)
    assert caller.call("state", tenant.pid) == "locked"
    tenant.begin("b.sha256()")
    assert not select.select([tenant.process.stdout], [], [], 0.3)[0]


@contextmanager
def stopped(pid: int, _: Path) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    yield
    os.kill(pid, signal.SIGCONT)


@contextmanager
def frozen(pid: int, folder: Path) -> Iterator[None]:
    tree, place = needs_freezer(folder), f"/sublet-stand-in-{pid}"
    home = tree.place_of(pid)
    tree.make(place)
    tree.move(pid, place)
    tree.begin_freezing(place)
    assert not wait_frozen([(tree, place)], 60)
    yield
    tree.thaw(place)
    tree.move(pid, home or "/")
    tree.remove(place)


@pytest.mark.parametrize("held", [stopped, frozen])
def test_a_process_that_stands_still_does_not_answer_until_it_runs(
    stand_in: NvidiaStandIn, caller: Caller, tmp_path: Path, held
) -> None:
    tenant = filled(stand_in)
    with held(tenant.pid, tmp_path):
        caller.begin("state", tenant.pid)
        assert not caller.has_answered()
    assert caller.line() == "running"


def test_a_restore_needs_cu_init_in_the_caller_or_persistence_mode(
    stand_in: NvidiaStandIn, device: NvidiaDevice, caller: Caller
) -> None:
    tenant = filled(stand_in)
    suspend(device, tenant)
    stand_in.card(0, persistence=False)
    assert "CUDA_ERROR_NOT_INITIALIZED" in caller.call("restore", tenant.pid)
    initialised = Caller(stand_in, "init")
    assert initialised.call("restore", tenant.pid) == "None"
    initialised.kill()


def test_a_card_in_exclusive_mode_takes_one_process(
    stand_in: NvidiaStandIn, device: NvidiaDevice, caller: Caller
) -> None:
    first = filled(stand_in)
    suspend(device, first)
    stand_in.card(0, compute_mode=ComputeMode.EXCLUSIVE_PROCESS)
    second = filled(stand_in)
    with pytest.raises(TenantError, match="failed with error 46"):
        filled(stand_in)
    assert "CUDA_ERROR_DEVICE_UNAVAILABLE" in caller.call("restore", first.pid)
    second.kill()
    stand_in.until(lambda: stand_in.truth().process(second.pid) is None)
    assert caller.call("restore", first.pid) == "None"


def test_a_process_on_two_cards_moves_whole_and_needs_room_on_both(
    stand_in: NvidiaStandIn, device: NvidiaDevice
) -> None:
    first, second = (gpu.gpu_id for gpu in device.gpus())
    tenant = filled(stand_in, 2 * GIB)
    tenant.run("gpu.use_card(1); c = gpu.allocate(mib=4096); k = c.fill(9); gpu.use_card(0)")
    used = [device.memory(gpu_id).used_mib for gpu_id in (first, second)]
    assert used == [2 * GIB + 512, 4 * GIB + 512]
    suspend(device, tenant)
    assert [device.memory(gpu_id).used_mib for gpu_id in (first, second)] == [0, 0]
    resume(device, tenant)
    assert [device.memory(gpu_id).used_mib for gpu_id in (first, second)] == used
    assert tenant.run("(b.sha256() == h, c.sha256() == k)") == "(True, True)"
    suspend(device, tenant)
    thief = stand_in.tenant(cards="1")
    thief.run(f"t = gpu.allocate(mib={device.memory(second).free_mib - 3 * GIB})")
    assert stand_in.truth().process(tenant.pid).lost is None
    with pytest.raises(Exception, match="OUT_OF_MEMORY"):
        device.resume(tenant.pid)
    assert stand_in.truth().process(tenant.pid).poisoned


def test_cards_are_swapped_by_a_mapping_of_all(
    stand_in: NvidiaStandIn, device: NvidiaDevice
) -> None:
    first, second = (gpu.gpu_id for gpu in device.gpus())
    tenant = filled(stand_in)
    suspend(device, tenant)
    device.resume(tenant.pid, {first: second, second: first})
    device.unpause(tenant.pid)
    assert [device.memory(gpu_id).used_mib for gpu_id in (first, second)] == [0, GIB + 512]
    assert tenant.run("b.sha256() == h") == "True"


def test_a_function_answers_what_was_said_so_many_times(
    stand_in: NvidiaStandIn, caller: Caller
) -> None:
    tenant = filled(stand_in)
    stand_in.answer("cuCheckpointProcessLock", 600, pid=tenant.pid, times=1)
    assert "CUDA_ERROR_NOT_READY" in caller.call("lock", tenant.pid)
    assert caller.call("lock", tenant.pid) == "None"


def test_a_held_call_returns_when_it_is_let_go(stand_in: NvidiaStandIn, caller: Caller) -> None:
    tenant = filled(stand_in)
    stand_in.hold("cuCheckpointProcessGetState", pid=tenant.pid)
    caller.begin("state", tenant.pid)
    stand_in.until(lambda: stand_in.calls("cuCheckpointProcessGetState", caller.process.pid))
    asking = Caller(stand_in)
    assert asking.call("lock", tenant.pid) == "None"
    stand_in.release()
    assert caller.line() == "locked"
    asking.kill()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to start other users")
def test_another_account_uses_the_cards_and_may_touch_its_own_processes_alone(
    stand_in: NvidiaStandIn, caller: Caller
) -> None:
    ours, theirs = filled(stand_in), stand_in.tenant(uid=65534)
    assert theirs.run("(b := gpu.allocate(mib=16)).fill(3) == b.sha256()") == "True"
    theirs.run("import ctypes; state = ctypes.c_int(); ask = gpu._cuda().library")
    asked = "ask.cuCheckpointProcessGetState({}, ctypes.byref(state))"
    assert theirs.run(asked.format(ours.pid)) == "304"
    assert theirs.run(asked.format(theirs.pid)) == "0"
    assert caller.call("state", theirs.pid) == "running"


def test_a_driver_may_be_old(stand_in: NvidiaStandIn) -> None:
    tenant = filled(stand_in)
    stand_in.versions("550.54.15", 12040)
    stand_in.lacks("cuCheckpointProcessGetState")
    old = Caller(stand_in)
    assert old.versions == "550.54.15 12040"
    assert "not supported by the installed NVIDIA driver" in old.call("state", tenant.pid)
    old.kill()


def test_a_profiler_and_an_mps_client_show(stand_in: NvidiaStandIn, device: NvidiaDevice) -> None:
    profiled, sharing = filled(stand_in), filled(stand_in)
    stand_in.load_profiler(profiled)
    assert "libcupti.so.13" in Path(f"/proc/{profiled.pid}/maps").read_text()
    stand_in.make_mps_client(sharing.pid)
    assert "MPS" in str(device.why_not_suspendable(sharing.pid))
    with pytest.raises(NotSupportedError):
        device.pause(sharing.pid, 1000)


def test_what_nvml_does_not_know_is_told_as_on_a_card(
    stand_in: NvidiaStandIn, device: NvidiaDevice
) -> None:
    del device
    tenant = filled(stand_in)
    tenant.run("gpu.compute(0.1)")
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    stand_in.card(0, memory_unknown=True)
    (listed,) = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    assert (listed.pid, listed.usedGpuMemory) == (tenant.pid, None)
    stand_in.card(0, utilisation_grows=True)
    with pytest.raises(pynvml.NVMLError_InsufficientSize):
        pynvml.nvmlDeviceGetProcessUtilization(handle, 0)
    stand_in.answer("nvmlDeviceGetComputeRunningProcesses", 13, card=0)
    with pytest.raises(pynvml.NVMLLibraryMismatchError):
        pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    stand_in.answer("nvmlDeviceGetUtilizationRates", 3, card=0, times=1)
    with pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetUtilizationRates(handle)
    assert pynvml.nvmlDeviceGetUtilizationRates(handle).gpu >= 0


def test_cards_tell_how_they_are_set(stand_in: NvidiaStandIn, device: NvidiaDevice) -> None:
    del device
    handle = pynvml.nvmlDeviceGetHandleByIndex(1)
    stand_in.card(1, mig=True, persistence=False, compute_mode=ComputeMode.PROHIBITED)
    assert pynvml.nvmlDeviceGetMigMode(handle) == [1, 1]
    assert pynvml.nvmlDeviceGetPersistenceMode(handle) == 0
    assert pynvml.nvmlDeviceGetComputeMode(handle) == pynvml.NVML_COMPUTEMODE_PROHIBITED
    assert pynvml.nvmlDeviceGetMigMode(pynvml.nvmlDeviceGetHandleByIndex(0)) == [0, 0]
    with pytest.raises(TenantError, match="failed with error 46"):
        stand_in.tenant(cards="1").run("gpu.allocate(mib=1)")


def test_a_forked_child_cannot_use_what_its_parent_began(stand_in: NvidiaStandIn) -> None:
    tenant = filled(stand_in)
    tenant.run(
        "import os; child = os.fork(); child or os._exit(gpu._cuda().library.cuCtxSynchronize())"
    )
    assert tenant.run("os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])") == "3"
    assert tenant.run("b.sha256() == h") == "True"


def test_a_lost_card_answers_nothing_but_that(
    stand_in: NvidiaStandIn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    del stand_in
    with NvidiaStandIn.running(tmp_path_factory.mktemp("lost"), cards=2) as losing:
        tenant = losing.tenant()
        tenant.run("b = gpu.allocate(mib=16)")
        program = (
            "import pynvml as n; n.nvmlInit(); h = n.nvmlDeviceGetHandleByIndex(0); input()\n"
            "for ask in (n.nvmlDeviceGetUUID, n.nvmlDeviceGetMemoryInfo, n.nvmlDeviceGetName):\n"
            "    try: ask(h)\n"
            "    except n.NVMLError as error: print(error)"
        )
        asking = subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, **losing.environment()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        losing.until(lambda: losing.calls("nvmlDeviceGetHandleByIndex", asking.pid))
        losing.report_xid(79)
        assert asking.communicate("\n")[0].split("\n")[:3] == ["GPU is lost"] * 3
        with pytest.raises(TenantError, match="failed with error 100"):
            tenant.run("b.sha256()")


def test_a_lost_card_hides_no_errors_of_another(tmp_path: Path) -> None:
    with NvidiaStandIn.running(tmp_path, cards=2, speed=0.0) as losing, losing.device() as device:
        losing.report_xid(79)
        told = [(each.gpu_id, each.fault) for each in device.health()]
        assert told == [(losing.gpu_id(0), "xid"), (losing.gpu_id(0), "gone")]
        losing.report_xid(48, card=1)
        assert [(each.gpu_id, each.detail) for each in device.health()] == [
            (losing.gpu_id(1), "XID 48")
        ]


def test_without_a_stand_in_there_is_no_driver(stand_in: NvidiaStandIn) -> None:
    with stand_in.in_this_process():
        pass
    program = "import pynvml; pynvml.nvmlInit()"
    environment = {**os.environ, "LD_LIBRARY_PATH": stand_in.environment()["LD_LIBRARY_PATH"]}
    environment.pop("SUBLET_NVIDIA_STAND_IN", None)
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Driver Not Loaded" in ended.stderr
