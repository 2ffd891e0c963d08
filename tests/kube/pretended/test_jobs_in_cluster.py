"""Tokens of agents and pods of jobs on a real control plane; its nodes and agents are pretended."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.agents.identity import AgentIdentity
from sublet_hub.agents.kubernetes_tokens import AgentTokens, ServiceAccount
from sublet_hub.host.clock import utc_now
from sublet_hub.kubernetes_api.resources import PODS
from sublet_hub.kubernetes_api.writer_lease import WriterLease
from sublet_quota.reasons.installation.standings import AgentRefusal

from tests.support.hub_world import until
from tests.support.jobs_on_kube import SETTINGS
from tests.support.kube.api import Api, RefusedError
from tests.support.kube.manifests import pod, pretended_pod
from tests.support.kube.pretended_nodes import pretended_node
from tests.support.kube.service_on_plane import WITHIN_S, lend, service, way_in

pytestmark = [
    pytest.mark.kube,
    pytest.mark.asyncio,
    pytest.mark.usefixtures("pretended_nodes"),
]


@pytest.fixture
def node(namespace: Api) -> Iterator[str]:
    name = f"node-of-{namespace.namespace}"
    namespace.create(pretended_node(name, gpus=0))
    yield name
    namespace.delete("v1", "Node", name)


def make_agent(namespace: Api, node: str, account: str = "sublet-agent") -> None:
    """The agent's pod as its DaemonSet would make it, and its account."""
    if namespace.find("v1", "ServiceAccount", account) is None:
        metadata = {"name": account}
        namespace.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    inside = pretended_pod(node=node, serviceAccountName=account, nodeName=node)
    namespace.create(pod(f"pod-of-{account}", inside))


def token_of(
    namespace: Api, account: str = "sublet-agent", audience: str = "sublet", *, bound: bool = True
) -> str:
    """A token as a kubelet gets it for a projected volume."""
    spec: dict[str, Any] = {"audiences": [audience], "expirationSeconds": 3600}
    if bound:
        made = namespace.pod(f"pod-of-{account}")["metadata"]
        spec["boundObjectRef"] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": made["name"],
            "uid": made["uid"],
        }
    path = namespace.path("v1", "ServiceAccount", account) + "/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str(namespace.call("POST", path, body)["status"]["token"])


async def test_of_two_objects_with_one_name_the_one_that_is_meant_is_removed(
    namespace: Api,
) -> None:
    made = pod("again", pretended_pod(node="nowhere"))
    before = namespace.create(made)
    async with way_in(namespace) as api:
        await api.delete(PODS, namespace.namespace, before)
        await until(lambda: namespace.find("v1", "Pod", "again") is None)
        anew = namespace.create(made)
        await api.delete(PODS, namespace.namespace, before)
        assert namespace.pod("again")["metadata"]["uid"] == anew["metadata"]["uid"]
        assert "deletionTimestamp" not in namespace.pod("again")["metadata"]
        await api.delete(PODS, namespace.namespace, anew)
        await until(lambda: namespace.find("v1", "Pod", "again") is None)


async def test_the_api_server_says_on_which_node_an_agent_is(namespace: Api, node: str) -> None:
    make_agent(namespace, node)
    async with way_in(namespace) as api:
        agents = AgentTokens(api, ServiceAccount(namespace.namespace, "sublet-agent"), utc_now)
        identity = await agents.identify(token_of(namespace), "10.0.0.1")
        assert isinstance(identity, AgentIdentity)
        assert identity.node == node
        assert identity.expires_at is not None


async def test_no_other_token_of_the_cluster_is_an_agents(namespace: Api, node: str) -> None:
    make_agent(namespace, node)
    make_agent(namespace, node, "tenant")
    async with way_in(namespace) as api:
        agents = AgentTokens(api, ServiceAccount(namespace.namespace, "sublet-agent"), utc_now)
        for token, why in (
            (token_of(namespace, "tenant"), AgentRefusal.OTHER_ACCOUNT),
            (token_of(namespace, audience="other"), AgentRefusal.OTHER_AUDIENCE),
            (token_of(namespace, bound=False), AgentRefusal.NO_NODE),
        ):
            assert await agents.identify(token, "10.0.0.1") is why
        gone = token_of(namespace)
        namespace.delete("v1", "Pod", "pod-of-sublet-agent", grace_s=0)
        await until(lambda: namespace.find("v1", "Pod", "pod-of-sublet-agent") is None, WITHIN_S)

        async def is_unknown() -> bool:
            return await agents.identify(gone, "10.0.0.1") is AgentRefusal.UNKNOWN

        # What judges tokens hears of a pod that is gone later than who asks for it.
        await until(is_unknown, WITHIN_S)


async def test_a_job_waits_for_lent_room_and_runs_on_the_node_that_has_it(
    tmp_path: Path, namespace: Api, node: str
) -> None:
    async with service(tmp_path, namespace, node) as cluster:
        job_id = await cluster.submit()
        await cluster.until_state(job_id, "placed", "Insufficient sublet.dev/lent")
        lend(namespace, node, 20)
        await cluster.until_state(job_id, "running")
        (made,) = await cluster.pods(job_id)
        assert made["spec"]["nodeName"] == node
        held = [s for s in cluster.world.service.ledger.slices.values() if s.is_job]
        assert [(s.pod.uid, s.gpu.node) for s in held] == [(made["metadata"]["uid"], node)]
        await cluster.world.call("POST", f"jobs/{job_id}/cancel", cluster.token, {})
        await cluster.until_state(job_id, "cancelled")
        assert await cluster.pods(job_id) == []


async def test_a_job_whose_pod_is_evicted_goes_back_and_begins_anew(
    tmp_path: Path, namespace: Api, node: str
) -> None:
    lend(namespace, node, 40)
    async with service(tmp_path, namespace, node) as cluster:
        job_id = await cluster.submit()
        await cluster.until_state(job_id, "running")
        (first,) = await cluster.pods(job_id)
        name = first["metadata"]["name"]
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace.namespace},
        }
        path = namespace.path("v1", "Pod", name)
        await asyncio.to_thread(namespace.call, "POST", f"{path}/eviction", eviction)

        async def again() -> bool:
            _, job = await cluster.world.call("GET", f"jobs/{job_id}", cluster.token)
            return job["state"] == "running" and job["attempts"] == 2

        await until(again, WITHIN_S)
        (second,) = await cluster.pods(job_id)
        assert second["metadata"]["uid"] != first["metadata"]["uid"]


async def test_what_the_service_may_not_do_fails_the_job_with_kubernetes_words(
    tmp_path: Path, namespace: Api, node: str
) -> None:
    settings = replace(SETTINGS, namespace="default", priority_class="no-such-class")
    async with service(tmp_path, namespace, node, settings) as cluster:
        with pytest.raises((AssertionError, RefusedError)):
            await cluster.submit(environment={"SUBLET_X": "1"})
        job_id = await cluster.submit()
        job = await cluster.until_state(job_id, "failed")
        assert "namespace" in job["reason"]


async def test_of_two_services_one_writes_until_it_gives_the_lease_up(namespace: Api) -> None:
    async with way_in(namespace) as api:
        first, second = (
            WriterLease(api, namespace.namespace, "sublet-hub", name, time.monotonic)
            for name in ("first", "second")
        )
        await first.acquire()
        waiting = asyncio.create_task(second.acquire())
        holding = asyncio.create_task(first.hold())
        path = ("coordination.k8s.io/v1", "Lease", "sublet-hub")
        renewed = namespace.get(*path)["spec"]["renewTime"]
        await until(lambda: namespace.get(*path)["spec"]["renewTime"] != renewed, WITHIN_S)
        assert namespace.get(*path)["spec"]["holderIdentity"] == "first"
        assert not waiting.done()
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await first.release()
        async with asyncio.timeout(WITHIN_S):
            await waiting
        assert namespace.get(*path)["spec"]["holderIdentity"] == "second"
