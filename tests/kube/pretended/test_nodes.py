"""Nodes by the thousand, and nodes that are emptied or gone: kwok plays them, their agents too.

What the cluster does about them is the scheduler's and the controllers' own work.
"""

import asyncio
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.hub_world import until
from tests.support.kube.api import Api, Manifest
from tests.support.kube.control_plane import ControlPlane
from tests.support.kube.manifests import pod, pretended_pod
from tests.support.kube.pretended_nodes import pretended_node, start_kwok
from tests.support.kube.processes import wait_for
from tests.support.kube.service_on_plane import WITHIN_S, Cluster, lend, service

pytestmark = [
    pytest.mark.kube,
    pytest.mark.asyncio,
    pytest.mark.usefixtures("pretended_nodes"),
]

MANY: Final = 1000
JOBS: Final = 20
AT_ONCE: Final = 8
_MARK: Final = "sublet.test/many"


@pytest.fixture
def thousand(control_plane: ControlPlane, cluster: Api) -> Iterator[list[str]]:
    """So many nodes, ready, with four GPUs each."""
    # A kwok of their own: it would go on to renew their leases when they are gone.
    playing = start_kwok(control_plane, "many")
    names = [f"many-{number:04}" for number in range(MANY)]
    with ThreadPoolExecutor(AT_ONCE) as at_once:
        made = (pretended_node(name, 4, "many", **{_MARK: "true"}) for name in names)
        list(at_once.map(cluster.create, made))

    # To list a thousand again and again would take longer than to make them.
    while late := _late(cluster):
        wait_for(
            lambda name=late[-1]: _takes_pods(cluster.get("v1", "Node", name)),
            WITHIN_S,
            lambda name=late[-1]: f"the node {cluster.get('v1', 'Node', name)}",
        )
    yield names
    control_plane.programs.running.remove(playing)
    playing.stop()
    cluster.call("DELETE", f"/api/v1/nodes?labelSelector={_MARK}")
    one = f"/api/v1/nodes?labelSelector={_MARK}&limit=1"
    wait_for(lambda: not cluster.call("GET", one)["items"], WITHIN_S, "the nodes to go")


@pytest.fixture
def two_nodes(namespace: Api) -> Iterator[tuple[str, str]]:
    first, second = (f"{which}-of-{namespace.namespace}" for which in ("first", "second"))
    for name in (first, second):
        namespace.create(pretended_node(name, gpus=0))
    yield first, second
    for name in (first, second):
        namespace.delete("v1", "Node", name)


async def test_of_a_thousand_nodes_jobs_find_those_that_lend(
    tmp_path: Path, namespace: Api, thousand: list[str]
) -> None:
    lending = thousand[:: MANY // JOBS]
    async with service(tmp_path, namespace, lending[0]) as cluster:
        first = await cluster.submit()
        waiting = await cluster.until_state(first, "placed", "Insufficient sublet.dev/lent")
        assert "nodes are available" in waiting["reason"]
        for node in lending[1:]:
            await cluster.agent_on(node)
        # A notebook that the service has placed runs where it was placed.
        await asyncio.to_thread(_run_pinned, namespace, thousand[MANY // 2 + 1])
        jobs = [first, *[await cluster.submit() for _ in lending[1:]]]
        await asyncio.to_thread(lambda: [lend(namespace, node, 20) for node in lending])
        for job_id in jobs:
            await cluster.until_state(job_id, "running")
        where = {job_id: (await cluster.pods(job_id))[0]["spec"]["nodeName"] for job_id in jobs}
        assert sorted(where.values()) == sorted(lending)
        held = {s.job_id: s.gpu.node for s in cluster.world.service.ledger.slices.values()}
        assert {job_id: held[job_id] for job_id in jobs} == where


async def test_a_job_of_a_node_that_is_drained_goes_on_at_another(
    tmp_path: Path, namespace: Api, two_nodes: tuple[str, str]
) -> None:
    first, second = two_nodes
    lend(namespace, first, 20)
    async with service(tmp_path, namespace, first) as cluster:
        await cluster.agent_on(second)
        job_id = await cluster.submit()
        await cluster.until_state(job_id, "running")
        # As `kubectl drain` does it.
        await asyncio.to_thread(_cordon, namespace, first)
        passed_over = lambda: _is_passed_over(namespace, first)  # noqa: E731
        await asyncio.to_thread(wait_for, passed_over, WITHIN_S, "the cordon to be known")
        still = await cluster.until_state(job_id, "running")
        assert still["attempts"] == 1
        lend(namespace, second, 20)
        (before,) = await cluster.pods(job_id)
        await asyncio.to_thread(_evict, namespace, before["metadata"]["name"])
        assert await _runs_again(cluster, job_id) == second


async def test_a_job_of_a_node_that_is_gone_goes_on_at_another(
    tmp_path: Path, namespace: Api, two_nodes: tuple[str, str]
) -> None:
    first, second = two_nodes
    lend(namespace, first, 20)
    async with service(tmp_path, namespace, first) as cluster:
        await cluster.agent_on(second)
        job_id = await cluster.submit()
        await cluster.until_state(job_id, "running")
        lend(namespace, second, 20)
        await cluster.world.agents[0].close()
        namespace.delete("v1", "Node", first)
        # The cluster's own controller removes the pods of a node that is gone, after a minute.
        assert await _runs_again(cluster, job_id) == second


async def _runs_again(cluster: Cluster, job_id: str) -> str:
    """Wait for a job's second attempt to run; returns the node that it runs on."""

    async def again() -> bool:
        _, job = await cluster.world.call("GET", f"jobs/{job_id}", cluster.token)
        return (job["state"], job["attempts"]) == ("running", 2)

    await until(again, 2 * WITHIN_S)
    (made,) = await cluster.pods(job_id)
    (held,) = (s for s in cluster.world.service.ledger.slices.values() if s.job_id == job_id)
    node = str(made["spec"]["nodeName"])
    assert (held.pod.uid, held.gpu.node) == (made["metadata"]["uid"], node)
    return node


def _run_pinned(namespace: Api, node: str) -> None:
    namespace.create(pod("notebook", pretended_pod(gpus=1, node=node)))
    assert namespace.wait_for_phase("notebook", "Running")["spec"]["nodeName"] == node


def _cordon(namespace: Api, node: str) -> None:
    namespace.patch("v1", "Node", node, {"spec": {"unschedulable": True}})


def _is_passed_over(namespace: Api, node: str) -> bool:
    """Whether the scheduler has heard that a node is cordoned: it puts a pod there no more."""
    name = f"trial-{secrets.token_hex(4)}"
    namespace.create(pod(name, pretended_pod(node=node)))

    def judged() -> Manifest | None:
        found = namespace.pod(name)
        conditions = found["status"].get("conditions", ())
        return found if any(each["type"] == "PodScheduled" for each in conditions) else None

    found = wait_for(judged, WITHIN_S, lambda: namespace.story_of(name))
    namespace.delete("v1", "Pod", name, grace_s=0)
    return "nodeName" not in found["spec"]


def _evict(namespace: Api, name: str) -> None:
    eviction: Manifest = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace.namespace},
    }
    namespace.call("POST", f"{namespace.path('v1', 'Pod', name)}/eviction", eviction)


def _late(cluster: Api) -> list[str]:
    nodes = cluster.all("v1", "Node", _MARK)
    assert len(nodes) == MANY
    return [each["metadata"]["name"] for each in nodes if not _takes_pods(each)]


def _takes_pods(node: dict[str, Any]) -> bool:
    """Whether it is ready, and the cluster has taken note of that."""
    conditions = node["status"].get("conditions", ())
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and len(node["spec"]["taints"]) == 1
