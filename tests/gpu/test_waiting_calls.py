"""What a CUDA call costs that waits for a lock or a suspend: CPU time, thread states, ``wchan``.

Prints the figures (GPU_FACTS 6 asks for them): waking by CPU time works only if waiting is cheap.
"""

import time
from pathlib import Path

import pytest

from tests.support.nvidia_node import NvidiaNode

OBSERVED_S = 2.0
CALLS = {
    "kernel": "gpu.compute(0.001)",
    "allocation": "gpu.allocate(mib=64) is not None",
    "query": "gpu.memory_info()",
    "copy": "b.sha256()",
}

pytestmark = [pytest.mark.gpu, pytest.mark.benchmark]


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def threads(pid: int) -> list[str]:
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
        found.append(f"{state}:{(thread / 'wchan').read_text() or '-'}")
    return sorted(found)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("suspended", [False, True], ids=["locked", "suspended"])
def test_a_call_that_waits_is_measured(node: NvidiaNode, call: str, *, suspended: bool) -> None:
    tenant = node.tenant()
    tenant.run("b = gpu.allocate(mib=64); gpu.compute(0.01)")
    node.device.pause(tenant.pid, 5000)
    if suspended:
        node.device.suspend(tenant.pid)
    tenant.begin(CALLS[call])
    before = cpu_ticks(tenant.pid)
    time.sleep(OBSERVED_S)
    used = (cpu_ticks(tenant.pid) - before) / 100 / OBSERVED_S
    where = "suspended" if suspended else "locked"
    print(f"\n{call}, {where}: {used:.0%} of a CPU; {threads(tenant.pid)}")
    if suspended:
        node.device.resume(tenant.pid)
    node.device.unpause(tenant.pid)
    tenant.end()
