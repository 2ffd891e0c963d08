"""What each kernel of a server holds, from its sessions and from what the agent says."""

from typing import Any

from sublet_lab.server.kernel_holdings import join
from sublet_quota.wire.tenant_socket import ShareProcess

from tests.support.lab_shares import a_share

KERNELS: list[dict[str, Any]] = [
    {"id": "k1", "name": "python3", "execution_state": "busy"},
    {"id": "k2", "name": "julia", "execution_state": "idle"},
    {"id": "k3", "name": "python3"},
]
SESSIONS: list[dict[str, Any]] = [
    {"path": "work/fit.ipynb", "kernel": {"id": "k1"}},
    {"path": "", "kernel": {"id": "k2"}},
    {"path": "gone.ipynb", "kernel": None},
]


def test_a_kernel_holds_what_its_processes_hold() -> None:
    share = a_share(
        processes=(
            ShareProcess(pid=10, kernel="k1", memory_mib=100),
            ShareProcess(pid=11, kernel="k1", memory_mib=5, host_mib=7),
            ShareProcess(pid=99, kernel=None, memory_mib=3),
        ),
        waiting_kernels=("k1",),
    )
    first, second, third = join(KERNELS, SESSIONS, {}, share)
    assert (first.kernel_id, first.notebook, first.state) == ("k1", "work/fit.ipynb", "busy")
    assert (first.pids, first.memory_mib, first.host_mib) == ((10, 11), 105, 7)
    assert first.waits
    assert (second.notebook, second.pids, second.memory_mib, second.waits) == (None, (), 0, False)
    assert (third.notebook, third.state) == (None, "unknown")


def test_a_kernel_that_the_agent_does_not_know_is_found_by_its_processes() -> None:
    others = ShareProcess(pid=21, kernel="other", memory_mib=2)
    share = a_share(processes=(ShareProcess(pid=20, memory_mib=40), others))
    _, second, _ = join(KERNELS, SESSIONS, {"k2": frozenset({20, 21})}, share)
    assert (second.pids, second.memory_mib) == ((20, 21), 42)
