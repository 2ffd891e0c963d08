"""The stand-in for NVIDIA's driver does what its table says, as NVIDIA's own packages see it."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sublet_agent.cgroups.trees import wait_frozen
from sublet_agent.devices.nvidia import NvidiaDevice
from sublet_agent.simulated.machine.operations import OperationKind

from tests.support.control_groups import needs_freezer
from tests.support.nvidia_stand_in.callers import GIB, Caller, filled, resume, suspend
from tests.support.nvidia_stand_in.stand_in import (
    CallerDies,
    Meanwhile,
    NvidiaStandIn,
)
from tests.support.tenants import Tenant


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
