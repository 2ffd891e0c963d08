"""Who calls the stand-in's checkpoint API in tests, and whose memory it moves."""

import os
import select
import subprocess
import sys

from sublet_agent.devices.interface import Device

from tests.support.nvidia_stand_in.stand_in import (
    NvidiaStandIn,
)
from tests.support.tenants import Tenant

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
