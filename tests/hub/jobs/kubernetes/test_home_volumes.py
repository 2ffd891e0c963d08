"""Homes that one node alone can mount: servers and jobs of an owner go where it is in use."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.jobs.backends.kubernetes.factory import ClusterRuns
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings

from tests.support.fake_agent import a_gpu
from tests.support.fake_kube_api import fake_kube, way_into
from tests.support.hub_world import OTHER_SECRET, FakeHub, HubWorld, hub_world, until
from tests.support.jobs_on_kube import ACCOUNT, SETTINGS, owner_with_pods

pytestmark = pytest.mark.asyncio

HOME = "claim-ada"
"""As in the template of her pods."""


@asynccontextmanager
async def a_cluster(
    folder: Path, hub: FakeHub, settings: KubeJobSettings = SETTINGS
) -> AsyncIterator[HubWorld]:
    """Two nodes with a card each; only the second has room for jobs."""
    async with (
        fake_kube() as kube,
        way_into(kube) as api,
        hub_world(folder, hub, runs=ClusterRuns(api, settings)) as world,
    ):
        await world.agent(boot_id="boot-a", gpus=(a_gpu(lendable_mib=0),))
        await world.agent(
            node="node-b", boot_id="boot-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-1"),)
        )
        yield world


@pytest_asyncio.fixture
async def cluster(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    async with a_cluster(tmp_path, hub) as world:
        yield world


async def a_job_on_node_b(world: HubWorld) -> None:
    token = await owner_with_pods(world)
    body = {"notebook": "train.ipynb", "name": "train", "memory_mib": 20 * 1024}
    status, _ = await world.call("POST", "jobs", token, body)
    assert status in {201, 202}
    slices = world.service.ledger.slices
    await until(lambda: [s.gpu.node for s in slices.values() if s.is_job] == ["node-b"])


async def a_server(world: HubWorld, claim: str | None, server: str = "", **wish: Any) -> str:
    """The node that a server with this home goes to."""
    wish = {"size": "small", "account": ACCOUNT, "home_claim": claim, **wish}
    return str((await world.slice_for("ada", server, **wish))["node"])


async def test_a_server_goes_where_its_owner_s_job_has_their_files(cluster: HubWorld) -> None:
    await a_job_on_node_b(cluster)
    assert await a_server(cluster, HOME) == "node-b"


async def test_a_server_whose_node_the_cluster_chooses_is_not_bound(cluster: HubWorld) -> None:
    await a_job_on_node_b(cluster)
    assert await a_server(cluster, None) == "node-a"


@pytest.mark.parametrize("claim", ["", "claim-ada--b"], ids=["no claim", "another claim"])
async def test_a_server_with_other_files_than_the_job_is_not_bound(
    cluster: HubWorld, claim: str
) -> None:
    await a_job_on_node_b(cluster)
    assert await a_server(cluster, claim) == "node-a"


async def test_a_server_for_which_that_node_is_full_is_refused_with_what_to_do(
    cluster: HubWorld,
) -> None:
    await a_job_on_node_b(cluster)
    bobs = await cluster.slice_for("bob", size="whole", never_suspended="MPS")
    eves = await cluster.slice_for("eve", size="whole", never_suspended="MPS")
    assert (bobs["node"], eves["node"]) == ("node-a", "node-b")
    await cluster.hub_call("DELETE", f"slices/{bobs['slice_id']}")
    body = {"owner": "ada", "account": ACCOUNT, "size": "small", "home_claim": HOME}
    status, problem = await cluster.hub_call("POST", "slices", body)
    assert (status, problem["reason"]) == (409, "no-room")
    assert "in use on node 'node-b', by your job 'train'" in problem["message"]
    assert await a_server(cluster, "") == "node-a"


async def test_nothing_is_bound_where_nodes_share_homes(tmp_path: Path, hub: FakeHub) -> None:
    async with a_cluster(tmp_path, hub, replace(SETTINGS, home_is_shared=True)) as world:
        await a_job_on_node_b(world)
        assert await a_server(world, HOME) == "node-a"


async def test_servers_with_one_home_go_to_one_node_and_with_a_home_each_where_there_is_room(
    cluster: HubWorld,
) -> None:
    assert await a_server(cluster, HOME) == "node-a"
    await cluster.slice_for("bob", size="large")
    assert await a_server(cluster, HOME, "second", size="large") == "node-a"
    assert await a_server(cluster, "claim-ada--third", "third", size="large") == "node-b"


async def test_a_server_of_before_the_service_began_binds_nobody(cluster: HubWorld) -> None:
    """Its home may be any of its owner's."""
    assert await a_server(cluster, HOME) == "node-a"
    await cluster.slice_for("bob", size="large")
    homes = cluster.service.allocation._homes
    assert homes is not None
    homes._claims.clear()
    assert await a_server(cluster, "claim-ada--b", "b", size="large") == "node-b"


async def test_a_server_that_starts_anew_is_not_bound_by_what_it_had(cluster: HubWorld) -> None:
    assert await a_server(cluster, HOME) == "node-a"
    assert (await cluster.slice_for("bob", size="large"))["node"] == "node-a"
    assert await a_server(cluster, HOME, size="whole") == "node-b"


async def test_a_job_goes_where_its_owner_s_server_is_about_to_start(cluster: HubWorld) -> None:
    token = await owner_with_pods(cluster)
    assert await a_server(cluster, HOME) == "node-a"
    body = {"notebook": "train.ipynb", "memory_mib": 20 * 1024}
    _, job = await cluster.call("POST", "jobs", token, body)

    async def waits() -> bool:
        _, told = await cluster.call("GET", f"jobs/{job['job_id']}", token)
        return "node-a" in told["reason"]

    await until(waits)
    assert not [s for s in cluster.service.ledger.slices.values() if s.is_job]
