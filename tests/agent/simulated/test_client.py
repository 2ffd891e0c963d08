"""The notebook's client against the real daemon, in real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sublet_agent.simulated.protocol.connection import ThreadConnections
from sublet_agent.simulated.protocol.errors import (
    DeviceGoneError,
    NotPermittedError,
    SimulatedGpuError,
)
from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable

from tests.support.memory_patterns import pattern_sha256
from tests.support.simulated_gpus import SimulatedGpus, simulated_gpus, wait_until
from tests.support.tenants import TenantError

MIB_OF_GIB = 1024
NOBODY = 65534
root_only = pytest.mark.skipif(os.getuid() != 0, reason="needs root to start other users")
MPS = Unsuspendable(Obstacle.MPS, "it is an MPS client")


@pytest.fixture(scope="module")
def gpus() -> Iterator[SimulatedGpus]:
    with simulated_gpus("--gpus", "2") as running:
        yield running


@pytest.fixture(autouse=True)
def _end_tenants(gpus: SimulatedGpus) -> Iterator[None]:
    yield
    gpus.stack.pop_all().close()
    wait_until(lambda: not gpus.administration.inspect().processes)


def test_a_buffer_has_a_real_mib_for_each_simulated_gib(gpus: SimulatedGpus) -> None:
    tenant = gpus.tenant()
    assert tenant.run("gpu.allocate(gib=3).length") == str(3 * 1024 * 1024)
    assert tenant.run("gpu.scale()") == "1024"


def test_it_says_that_it_is_simulated(gpus: SimulatedGpus) -> None:
    tenant = gpus.tenant()
    assert tenant.run("gpu.simulated") == "True"
    assert "Simulated" in tenant.run("gpu.gpu_name()")
    assert "simulated" in tenant.run("gpu.allocate(mib=2)")


def test_what_is_written_is_read_and_large_transfers_work(gpus: SimulatedGpus) -> None:
    tenant = gpus.tenant()
    tenant.run("import os, hashlib; data = os.urandom(20 << 20); b = gpu.allocate(gib=20)")
    tenant.run("b.write(0, data)")
    assert tenant.run("b.read() == data") == "True"
    assert tenant.run("b.sha256() == hashlib.sha256(data).hexdigest()") == "True"
    assert tenant.run("b.read(5 << 20, 100) == data[5 << 20:][:100]") == "True"


def test_fill_writes_what_the_seed_says(gpus: SimulatedGpus) -> None:
    tenant = gpus.tenant()
    expected = pattern_sha256(42, 2 * 1024 * 1024)
    assert tenant.run("gpu.allocate(gib=2).fill(42)") == repr(expected)


def test_memory_beyond_the_slices_cap_is_refused_by_the_client(gpus: SimulatedGpus) -> None:
    tenant = gpus.tenant(SUBLET_MEMORY_MIB=str(10 * MIB_OF_GIB))
    tenant.run("b = gpu.allocate(gib=9)")
    with pytest.raises(TenantError, match=r"OutOfMemoryError .* 10\.00 GiB allowed"):
        tenant.run("gpu.allocate(gib=2)")
    tenant.run("b.free(); b.free()")
    tenant.run("gpu.allocate(gib=10)")


def test_memory_beyond_the_card_is_refused_by_the_daemon(gpus: SimulatedGpus) -> None:
    with pytest.raises(TenantError, match="OutOfMemoryError"):
        gpus.tenant().run("gpu.allocate(gib=80)")


@pytest.mark.parametrize("variable", ["SUBLET_GPU_ID", "CUDA_VISIBLE_DEVICES"])
def test_the_environment_names_the_card(gpus: SimulatedGpus, variable: str) -> None:
    second = gpus.device.gpus()[1].gpu_id
    tenant = gpus.tenant(**{variable: second})
    assert tenant.run("gpu.memory_info().gpu_id") == repr(second)


def test_a_card_that_is_not_there_is_named_in_the_error(gpus: SimulatedGpus) -> None:
    with pytest.raises(TenantError, match="SIM-other"):
        gpus.tenant(SUBLET_GPU_ID="SIM-other").run("gpu.memory_info()")


def test_without_a_socket_the_error_says_which_variable_is_missing() -> None:
    code = "import sublet_agent.simulated.client as gpu; gpu.memory_info()"
    environment = {**os.environ}
    environment.pop("SUBLET_SIMULATED_SOCKET", None)
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "SUBLET_SIMULATED_SOCKET is not set" in ended.stderr


def test_a_blocked_call_can_be_interrupted_and_the_client_is_usable_afterwards(
    gpus: SimulatedGpus,
) -> None:
    tenant = gpus.tenant()
    tenant.run("b = gpu.allocate(gib=1); h = b.fill(1)")
    gpus.device.pause(tenant.pid, 1000)
    gpus.device.suspend(tenant.pid)
    tenant.begin("b.sha256() == h")
    wait_until(lambda: waiting(gpus, tenant.pid) == 1)
    os.kill(tenant.pid, signal.SIGINT)
    with pytest.raises(TenantError, match="KeyboardInterrupt"):
        tenant.end()
    wait_until(lambda: waiting(gpus, tenant.pid) == 0)
    gpus.device.resume(tenant.pid)
    gpus.device.unpause(tenant.pid)
    assert tenant.run("b.sha256() == h") == "True"


def test_an_interrupted_allocation_does_not_leak(gpus: SimulatedGpus) -> None:
    tenant = gpus.tenant()
    tenant.run("gpu.memory_info()")
    gpus.device.pause(tenant.pid, 1000)
    tenant.begin("gpu.allocate(gib=10)")
    wait_until(lambda: waiting(gpus, tenant.pid) == 1)
    os.kill(tenant.pid, signal.SIGINT)
    with pytest.raises(TenantError, match="KeyboardInterrupt"):
        tenant.end()
    gpus.device.unpause(tenant.pid)
    assert tenant.run("gpu.memory_info().held_mib") == "512"


def waiting(gpus: SimulatedGpus, pid: int) -> int:
    truth = gpus.administration.inspect().process(pid)
    return 0 if truth is None else truth.waiting_calls


def test_threads_call_at_the_same_time_over_connections_of_their_own(
    gpus: SimulatedGpus,
) -> None:
    tenant = gpus.tenant()
    tenant.run("from concurrent.futures import ThreadPoolExecutor as P; p = P(8)")
    tenant.run("bs = list(p.map(lambda i: gpu.allocate(gib=1), range(16)))")
    tenant.run("hs = list(p.map(lambda b: b.fill(b._handle), bs))")
    assert tenant.run("len(set(hs))") == "16"
    assert tenant.run("[b.sha256() for b in bs] == hs") == "True"
    truth = gpus.administration.inspect().process(tenant.pid)
    assert truth is not None
    assert truth.held_mib == 16 * MIB_OF_GIB + 512


_FORK = """
pid = os.fork()
if pid == 0:
    b2 = gpu.allocate(gib=2)
    try:
        b.sha256()
    except gpu.SimulatedGpuError:
        os.write(w, b"refused")
    os.read(go, 1)
    os._exit(0)
"""


def test_a_forked_child_is_a_process_of_its_own(gpus: SimulatedGpus) -> None:
    tenant = gpus.tenant()
    tenant.run("import os; b = gpu.allocate(gib=1); h = b.fill(1); r, w = os.pipe()")
    tenant.run("go, wait = os.pipe()")
    tenant.run(f"exec({_FORK!r})")
    assert tenant.run("os.read(r, 7)") == "b'refused'"
    child = int(tenant.run("pid"))
    both = gpus.administration.inspect()
    held = {each.pid: each.held_mib for each in both.processes}
    assert held == {tenant.pid: MIB_OF_GIB + 512, child: 2 * MIB_OF_GIB + 512}
    tenant.run("os.write(wait, b'x'), os.waitpid(pid, 0)")
    wait_until(lambda: gpus.administration.inspect().process(child) is None)
    assert tenant.run("b.sha256() == h") == "True"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("suspended", [False, True])
def test_a_signal_ends_a_blocked_process_and_frees_its_memory(
    gpus: SimulatedGpus, number: signal.Signals, *, suspended: bool
) -> None:
    tenant = gpus.tenant()
    tenant.run("b = gpu.allocate(gib=60)")
    gpus.device.pause(tenant.pid, 1000)
    if suspended:
        gpus.device.suspend(tenant.pid)
    tenant.begin("b.sha256()")
    wait_until(lambda: waiting(gpus, tenant.pid) == 1)
    os.kill(tenant.pid, number)
    tenant.process.wait(timeout=60)
    wait_until(lambda: gpus.device.memory(gpus.gpu_id).free_mib == 80 * MIB_OF_GIB)
    assert gpus.device.state(tenant.pid) is None


def test_cuda_ipc_shows_in_the_maps_of_both_and_in_neither_before(gpus: SimulatedGpus) -> None:
    parent, child = gpus.tenant(), gpus.tenant()
    parent.run("b = gpu.allocate(gib=1); h = b.fill(3)")
    child.run("gpu.memory_info()")
    for tenant in (parent, child):
        assert gpus.device.why_not_suspendable(tenant.pid) is None
    token = parent.run("b.share()")
    child.run(f"s = gpu.open_shared({token})")
    for tenant in (parent, child):
        assert "cuda.shm." in Path(f"/proc/{tenant.pid}/maps").read_text()
        assert "CUDA IPC" in str(gpus.device.why_not_suspendable(tenant.pid))
    assert repr(child.run("s.sha256()")) == repr(parent.run("h"))


def test_an_mps_client_is_seen_beforehand(gpus: SimulatedGpus) -> None:
    tenant = gpus.tenant(CUDA_MPS_PINNED_DEVICE_MEM_LIMIT="0=10G")
    tenant.run("gpu.join_mps()")
    assert gpus.device.why_not_suspendable(tenant.pid) == MPS
    with pytest.raises(TenantError, match="MPS limit is 10240 MiB"):
        tenant.run("gpu.allocate(gib=11)")


def test_a_context_can_be_given_up_and_made_anew(gpus: SimulatedGpus) -> None:
    tenant = gpus.tenant()
    tenant.run("b = gpu.allocate(gib=1)")
    tenant.run("gpu.reset()")
    assert gpus.device.state(tenant.pid) is None
    assert tenant.run("gpu.memory_info().held_mib") == "512"


def test_the_daemon_answers_others_while_a_large_buffer_is_hashed(gpus: SimulatedGpus) -> None:
    tenant = gpus.tenant()
    tenant.run("b = gpu.allocate(gib=70)")
    # Again and again: this process may be kept from asking for as long as a single one takes.
    tenant.begin("while True: b.fill(1)")
    answers = 0

    def ten_come_before_the_hash() -> bool:
        nonlocal answers
        hashed = gpus.administration.inspect().process(tenant.pid).buffers[0].sha256
        answers = answers + 1 if hashed is None else 0
        return answers > 10

    wait_until(ten_come_before_the_hash)


@root_only
def test_another_users_process_is_not_theirs_to_lock_or_inspect(gpus: SimulatedGpus) -> None:
    owner = gpus.tenant()
    owner.run("b = gpu.allocate(gib=1)")
    stranger = gpus.tenant(uid=NOBODY)
    stranger.run(f"d = SimulatedDevice({str(gpus.socket)!r})")
    for ask in (f"pause({owner.pid}, 100)", f"state({owner.pid})"):
        with pytest.raises(TenantError, match="SystemRefusedError"):
            stranger.run(f"d.{ask}")
    for ask in ("inspect()", "poison_restore()", f"lose_card({gpus.gpu_id!r})"):
        with pytest.raises(TenantError, match="NotPermittedError"):
            stranger.run(f"Administration({str(gpus.socket)!r}).{ask}")


@root_only
def test_another_users_buffers_cannot_be_reached_by_their_handles(gpus: SimulatedGpus) -> None:
    owner, stranger = gpus.tenant(), gpus.tenant(uid=NOBODY)
    owner.run("b = gpu.allocate(gib=1)")
    stranger.run("s = gpu._session()")
    with pytest.raises(TenantError, match="there is no buffer 1"):
        stranger.run("s.ask('read', handle=1, offset=0, length=10)")


def test_when_the_daemon_goes_away_the_error_says_so_and_the_next_daemon_starts_afresh() -> None:
    with simulated_gpus() as first:
        tenant = first.tenant()
        tenant.run("b = gpu.allocate(gib=1)")
        first.process.kill()
        first.process.wait()
        with pytest.raises(TenantError, match="DeviceGoneError"):
            tenant.run("b.sha256()")


def test_the_administration_is_refused_where_nothing_answers() -> None:
    with pytest.raises(DeviceGoneError, match="do not answer"):
        ThreadConnections("/nonexistent/socket").ask("gpus")


def test_errors_have_the_drivers_numbers(gpus: SimulatedGpus) -> None:
    with pytest.raises(SimulatedGpuError) as refused:
        ThreadConnections(str(gpus.socket)).ask("lock", pid=os.getpid())
    assert refused.value.code == 3
    assert not isinstance(refused.value, NotPermittedError)
