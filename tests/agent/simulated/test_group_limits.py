"""Memory limits of control groups on a simulated card, by hand-driven time and made-up groups."""

import pytest
from sublet_agent.simulated.machine.machine import CONTEXT_MIB
from sublet_agent.simulated.protocol.errors import CudaCode, SimulatedGpuError

from tests.support.simulated_machine import Bench

GIB = 1024
GROUP = "/sys/fs/cgroup/ours/a"


@pytest.fixture
def bench():
    made = Bench(gpus=2)
    made.machine.driver_version = "615.71"
    made.host.groups = {GROUP: {1}, f"{GROUP}/rest": {2}, f"{GROUP}b": {3}}
    made.card.limits.set(GROUP, 10 * GIB)
    return made


def test_a_limit_counts_whoever_is_in_the_group_or_below_it_and_nobody_beside_it(bench):
    assert bench.tenant(1).allocate(1, 5 * GIB).ok
    assert bench.tenant(2).allocate(1, 5 * GIB).code == CudaCode.OUT_OF_MEMORY
    assert bench.tenant(2).allocate(1, 3 * GIB).ok
    assert bench.tenant(3).allocate(1, 20 * GIB).ok


def test_contexts_count_as_all_memory_does(bench):
    bench.card.limits.set(GROUP, CONTEXT_MIB)
    assert bench.tenant(1).allocate(1, 1).code == CudaCode.OUT_OF_MEMORY
    assert bench.tenant(2).memory_info().code == CudaCode.OUT_OF_MEMORY


def test_a_limit_is_one_cards(bench):
    assert bench.tenant(1, gpu="SIM-1").allocate(1, 20 * GIB).ok


def test_limits_within_each_other_all_hold(bench):
    bench.card.limits.set(f"{GROUP}/rest", 20 * GIB)
    assert bench.tenant(2).allocate(1, 12 * GIB).code == CudaCode.OUT_OF_MEMORY


def test_the_nearest_group_with_a_limit_is_told(bench):
    told = bench.monitor.memory_limit("SIM-0", f"{GROUP}/rest")
    assert told == {"has_limits": True, "limit_mib": 10 * GIB, "used_mib": 0}
    assert bench.monitor.memory_limit("SIM-0", f"{GROUP}b")["limit_mib"] is None


def test_a_limit_is_gone_with_its_group_also_where_another_has_its_name(bench):
    bench.host.groups[GROUP] = {1}
    assert bench.tenant(1).allocate(1, 20 * GIB).ok


def test_what_is_restored_beyond_a_limit_is_lost_as_without_room(bench):
    bench.tenant(1).allocate(1, 8 * GIB)
    bench.suspend(1)
    bench.card.limits.set(GROUP, 4 * GIB)
    assert bench.restore(1).code == CudaCode.OUT_OF_MEMORY
    assert bench.machine.processes[1].poisoned


@pytest.mark.parametrize(("driver", "has"), [("610.57", False), ("615.00", True), ("620.1", True)])
def test_the_drivers_version_says_whether_there_are_limits(bench, driver, has):
    bench.machine.driver_version = driver
    assert bench.monitor.memory_limit("SIM-0", GROUP)["has_limits"] is has
    if not has:
        with pytest.raises(SimulatedGpuError, match="has no memory limits"):
            bench.monitor.check_limits(GROUP)
