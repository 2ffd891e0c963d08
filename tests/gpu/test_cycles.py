"""Hundreds of random pauses, suspends, resumes and kills, with every byte looked at by its hash.

By the driver's client alone on every kind of card, and by PyTorch, CuPy and JAX on a real one,
where they are installed.
"""

import importlib.util
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sublet_agent.devices.interface import Device, ProcessState

from tests.support.agent_world import Gpus
from tests.support.device_conformance import eventually
from tests.support.tenants import Tenant

SEED = int(os.environ.get("SUBLET_GPU_CYCLES_SEED", "20261129"))
CYCLES = {"nvidia": 500, "simulated": 60, "stand-in": 60}
LEAVES_S = 60.0
"""Of a part's time: what was not done by then is left, and said."""
TENANTS = 3
MOST_MIB = 512
FRAMEWORKS = {
    "driver": (None, None),
    "torch": ("torch", "tests.support.torch_client"),
    "cupy": ("cupy", "tests.support.cupy_client"),
    "jax": ("jax", "tests.support.jax_client"),
}


class Cycles:
    """Some processes on a card, and what is done to them."""

    def __init__(self, node: Gpus, start: Callable[[], Tenant], seed: int) -> None:
        self.device: Device = node.device
        self.start = start
        self.rng = random.Random(seed)  # noqa: S311 - a walk, not a secret
        self.counts: Counter[str] = Counter()
        self.tenants = [self._filled() for _ in range(TENANTS)]

    def cycle(self) -> None:
        """Do one thing to one of them, and look at its bytes."""
        index = self.rng.randrange(TENANTS)
        tenant = self.tenants[index]
        wish = self.rng.random()
        if wish < 0.4:
            self.counts["paused"] += 1
            self._paused(tenant, lambda: None)
        elif wish < 0.8:
            self.counts["suspended"] += 1
            self._paused(tenant, lambda: self._away(tenant))
        elif wish < 0.9:
            self.counts["called while suspended"] += 1
            self.device.pause(tenant.pid, 5000)
            self.device.suspend(tenant.pid)
            tenant.begin("b.sha256() == h")
            self.device.resume(tenant.pid)
            self.device.unpause(tenant.pid)
            assert tenant.end() == "True"
        else:
            self.counts["killed"] += 1
            self._killed(index)
            return
        assert tenant.run("b.sha256() == h") == "True", f"bytes are lost: {dict(self.counts)}"
        if self.rng.random() < 0.3:
            tenant.run(f"gpu.compute(0.01); h = b.fill({self.rng.randrange(1 << 30)})")

    def _paused(self, tenant: Tenant, meanwhile: Callable[[], None]) -> None:
        self.device.pause(tenant.pid, 5000)
        meanwhile()
        self.device.unpause(tenant.pid)
        assert self.device.state(tenant.pid) is ProcessState.RUNNING

    def _away(self, tenant: Tenant) -> None:
        self.device.suspend(tenant.pid)
        assert self.device.state(tenant.pid) is ProcessState.SUSPENDED
        self.device.resume(tenant.pid)

    def _killed(self, index: int) -> None:
        """End one in a state that is drawn, and begin another."""
        victim = self.tenants[index]
        if self.rng.random() < 0.7:
            self.device.pause(victim.pid, 5000)
            if self.rng.random() < 0.5:
                self.device.suspend(victim.pid)
        victim.kill()
        eventually(lambda: self.device.state(victim.pid) is None, "a dead process has no state")
        self.tenants[index] = self._filled()

    def _filled(self) -> Tenant:
        tenant = self.start()
        mib, seed = self.rng.randrange(16, MOST_MIB), self.rng.randrange(1 << 30)
        tenant.run(f"b = gpu.allocate(mib={mib}); h = b.fill({seed})")
        return tenant


@contextmanager
def starter(node: Gpus, kind: str, framework: str) -> Iterator[Callable[[], Tenant]]:
    """Give what starts a process of a framework."""
    module, client = FRAMEWORKS[framework]
    if kind != "nvidia":
        if module is not None:
            pytest.skip("a simulated card has no CUDA for it")
    elif module is not None and importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed here")
    yield lambda: node.tenant(client=client, XLA_PYTHON_CLIENT_PREALLOCATE="false")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_no_byte_is_lost_in_hundreds_of_cycles(
    node: Gpus, kind: str, framework: str, record_property: Callable[[str, object], None]
) -> None:
    wanted = int(os.environ.get("SUBLET_GPU_CYCLES", CYCLES[kind]))
    part_s = float(os.environ.get("SUBLET_CARD_LIMIT_S", "inf"))
    ends = time.monotonic() + (part_s - LEAVES_S) / len(FRAMEWORKS)
    with starter(node, kind, framework) as start:
        cycles = Cycles(node, start, SEED)
        done = 0
        while done < wanted and time.monotonic() < ends:
            cycles.cycle()
            done += 1
    record_property("cycles", f"{done} of {wanted}, seed {SEED}: {dict(cycles.counts)}")
    assert done > 0
