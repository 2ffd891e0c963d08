"""The stand-in tells of cards, accounts and faults what NVIDIA's driver tells."""

import os
import subprocess
import sys
from pathlib import Path

import pynvml
import pytest
from sublet_agent.devices.interface import NotSupportedError
from sublet_agent.devices.nvidia import NvidiaDevice

from tests.support.nvidia_stand_in.callers import Caller, filled, suspend
from tests.support.nvidia_stand_in.stand_in import (
    ComputeMode,
    NvidiaStandIn,
)
from tests.support.tenants import TenantError


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


def test_a_function_answers_what_was_said_so_many_times(
    stand_in: NvidiaStandIn, caller: Caller
) -> None:
    tenant = filled(stand_in)
    stand_in.answer("cuCheckpointProcessLock", 600, pid=tenant.pid, times=1)
    assert "CUDA_ERROR_NOT_READY" in caller.call("lock", tenant.pid)
    assert caller.call("lock", tenant.pid) == "None"


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
