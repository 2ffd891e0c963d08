"""How a release is read from Kubernetes' objects, over an API server that a test plays."""

from typing import Any

import pytest
from sublet_hub.release_check.cluster import ReleaseReader
from sublet_hub.release_check.findings import find_faults
from sublet_quota.reasons.installation.faults import Fault

from tests.support.fake_kube_api import FakeKube, way_into
from tests.support.releases import release, seen

pytestmark = pytest.mark.asyncio


async def faults_of(kube: FakeKube, daemon_set: dict[str, Any]) -> list[Fault]:
    settings = release(priority_classes={}, admission_policy="", hub_labels={})
    kube.put("/api/v1/namespaces/jhub", {})
    kube.put("/apis/node.k8s.io/v1/runtimeclasses/nvidia", {})
    kube.put("/apis/apps/v1/namespaces/jhub/daemonsets/sublet-agent", daemon_set)
    async with way_into(kube) as api:
        facts = await ReleaseReader(api, settings).read()
    return [each.fault for each in find_faults(settings, seen(cluster=facts))]


async def test_a_set_of_agents_that_is_new_is_not_yet_one_without_nodes(
    kube: FakeKube,
) -> None:
    new: dict[str, Any] = {"metadata": {"generation": 1}, "status": {"desiredNumberScheduled": 0}}
    assert await faults_of(kube, new) == [Fault.STARTING]
    looked_at = {**new, "status": {**new["status"], "observedGeneration": 1}}
    assert await faults_of(kube, looked_at) == [Fault.NO_NODE]
