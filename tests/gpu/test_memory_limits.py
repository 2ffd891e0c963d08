"""NVIDIA's memory limits are held to the suite that the simulated driver's are held to.

Skipped, with the reason, where driver, control groups or account do not let any be set. What this
suite does not show: moving memory of a group with a limit, which the agent never does.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sublet_agent.cgroups.trees import FreezerTree
from sublet_agent.devices.interface import NoControllerError
from sublet_quota.reasons.cap_keepers import driver_limit_meaning

from tests.support.agent_world import Gpus
from tests.support.control_groups import needs_freezer
from tests.support.memory_limits_conformance import LimitedGroups, MemoryLimitsConformance

pytestmark = pytest.mark.gpu


@pytest.fixture
def limited(node: Gpus, tmp_path: Path) -> Iterator[LimitedGroups]:
    tree: FreezerTree = needs_freezer(tmp_path, 2)
    own = f"{(tree.place_of(os.getpid()) or '/').rstrip('/')}/limits-{os.getpid()}"
    groups = LimitedGroups(node.device, tree, own, node.tenant, node.mib_per_gib)
    tree.make(own)
    try:
        folder = groups.folder("probe")
        why_not = groups.limits.why_not(groups.gpu_id, folder)
        if why_not is not None:
            pytest.skip(driver_limit_meaning(why_not))
        try:
            groups.limits.set(groups.gpu_id, folder, 1024)
        except NoControllerError as error:
            pytest.skip(f"the group lacks the kernel's controller: {error}")
        yield groups
    finally:
        groups.close()


class TestNvidiaMemoryLimits(MemoryLimitsConformance):
    pass
