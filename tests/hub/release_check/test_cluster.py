"""How a release is read from Kubernetes' objects, over an API server that a test plays."""

from typing import Any

import pytest
from sublet_hub.release_check.cluster import ReleaseReader
from sublet_hub.release_check.findings import find_faults
from sublet_quota.reasons.installation.faults import Fault, Finding

from tests.support.fake_kube_api import FakeKube, way_into
from tests.support.releases import release, seen

pytestmark = pytest.mark.asyncio


async def found_of(kube: FakeKube, daemon_set: dict[str, Any]) -> list[Finding]:
    settings = release(priority_classes={}, admission_policies=(), owner_records=(), hub_labels={})
    kube.put("/api/v1/namespaces/jhub", {})
    kube.put("/apis/node.k8s.io/v1/runtimeclasses/nvidia", {})
    kube.put("/apis/apps/v1/namespaces/jhub/daemonsets/sublet-agent", daemon_set)
    async with way_into(kube) as api:
        facts = await ReleaseReader(api, settings).read()
    return list(find_faults(settings, seen(cluster=facts)))


async def faults_of(kube: FakeKube, daemon_set: dict[str, Any]) -> list[Fault]:
    return [each.fault for each in await found_of(kube, daemon_set)]


async def test_a_set_of_agents_that_is_new_is_not_yet_one_without_nodes(
    kube: FakeKube,
) -> None:
    new: dict[str, Any] = {"metadata": {"generation": 1}, "status": {"desiredNumberScheduled": 0}}
    assert await faults_of(kube, new) == [Fault.STARTING]
    looked_at = {**new, "status": {**new["status"], "observedGeneration": 1}}
    assert await faults_of(kube, looked_at) == [Fault.NO_NODE]


async def test_what_a_node_writes_into_events_is_nothing_that_a_terminal_obeys(
    kube: FakeKube,
) -> None:
    about: dict[str, Any] = {"generation": 1, "uid": "the-set"}
    status = {"desiredNumberScheduled": 2, "observedGeneration": 1}
    events = "/api/v1/namespaces/jhub/events"
    of_the_set = {"involvedObject": {"uid": "the-set"}, "type": "Warning"}
    kube.put(f"{events}/without-reason", of_the_set)
    told = {"reason": "FailedCreate", "message": "for\x1b[2J\x07bidden", **of_the_set}
    kube.put(f"{events}/with-reason", told)
    (finding,) = await found_of(kube, {"metadata": about, "status": status})
    assert finding.fault is Fault.PODS_REFUSED
    assert "for?[2J?bidden" in finding.sentence
