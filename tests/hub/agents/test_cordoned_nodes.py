"""A node that an admin has cordoned takes no new slices, and keeps those that it has."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.agents.cluster_nodes import WatchedNodes
from sublet_hub.app.application import SubletHub

from tests.support.fake_agent import a_gpu
from tests.support.fake_kube_api import FakeKube, fake_kube, way_into
from tests.support.hub_world import OTHER_SECRET, FakeHub, HubWorld, hub_world, until

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def kube() -> AsyncIterator[FakeKube]:
    async with fake_kube() as fake:
        for name in ("node-a", "node-b"):
            fake.put(f"/api/v1/nodes/{name}", {"spec": {}})
        yield fake


@pytest_asyncio.fixture
async def cluster(tmp_path: Path, hub: FakeHub, kube: FakeKube) -> AsyncIterator[HubWorld]:
    async with (
        way_into(kube) as api,
        hub_world(tmp_path, hub, nodes=WatchedNodes(api)) as world,
    ):
        await world.agent()
        await world.agent(
            node="node-b", boot_id="boot-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-1"),)
        )
        yield world


async def cordon(world: HubWorld, kube: FakeKube, *nodes: str) -> None:
    """As ``kubectl cordon`` and ``uncordon`` do."""
    for name in ("node-a", "node-b"):
        unschedulable = True if name in nodes else None
        kube.change(f"/api/v1/nodes/{name}", spec={"unschedulable": unschedulable})
    await until(lambda: world.service.fleet.cordoned == set(nodes))


async def closed(world: HubWorld) -> dict[str, Any]:
    """What admins are told of each node's card."""
    _, gpus = await world.call("GET", "gpus", world.admin())
    return {gpu["node"]: gpu["report"]["closed"] for gpu in gpus}


async def test_new_slices_go_elsewhere_until_the_node_is_cordoned_no_longer(
    cluster: HubWorld, kube: FakeKube
) -> None:
    await cordon(cluster, kube, "node-a")
    assert (await cluster.slice_for("ada"))["node"] == "node-b"
    await cordon(cluster, kube)
    assert (await cluster.slice_for("bob", size="whole", never_suspended="-"))["node"] == "node-a"


async def test_slices_that_are_there_stay(cluster: HubWorld, kube: FakeKube) -> None:
    lease = await cluster.slice_for("ada")
    assert lease["node"] == "node-a"
    await until(lambda: cluster.service.fleet.report(lease["slice_id"]) is not None)
    await cordon(cluster, kube, "node-a")
    _, info = await cluster.hub_call("GET", f"slices/{lease['slice_id']}")
    assert info["lease"]["node"] == "node-a"
    assert info["report"] is not None


async def test_admins_are_told_which_cards_are_closed_and_why(
    cluster: HubWorld, kube: FakeKube
) -> None:
    await cordon(cluster, kube, "node-a")
    assert await closed(cluster) == {"node-a": "an admin has cordoned node node-a", "node-b": None}
    await cordon(cluster, kube)
    assert await closed(cluster) == {"node-a": None, "node-b": None}


async def test_where_all_nodes_are_cordoned_a_server_is_refused_in_plain_words(
    cluster: HubWorld, kube: FakeKube
) -> None:
    await cordon(cluster, kube, "node-a", "node-b")
    body = {"owner": "ada", "account": cluster.account("ada")}
    status, problem = await cluster.hub_call("POST", "slices", body)
    assert (status, problem["reason"]) == (409, "gpu-closed")
    assert "an admin has cordoned node node-a" in problem["message"]
    assert problem["message"].endswith("An administrator has to open a GPU.")


async def test_an_agent_s_reports_do_not_open_the_cards_again(
    cluster: HubWorld, kube: FakeKube
) -> None:
    await cordon(cluster, kube, "node-a")
    view = cluster.service.fleet.node("node-a")
    before = view.seen_at
    await cluster.agents[0].report()
    await until(lambda: view.seen_at != before)
    cluster.service.capacity.look_for_silence()
    assert (await cluster.slice_for("ada"))["node"] == "node-b"


async def test_a_card_that_fails_says_so_on_a_cordoned_node_too(
    cluster: HubWorld, kube: FakeKube
) -> None:
    await cordon(cluster, kube, "node-a")
    # For good: it reports again whenever it is told something.
    cluster.agents[0].gpus = (a_gpu(closed="XID 79"),)
    await cluster.agents[0].report()

    async def told() -> bool:
        return (await closed(cluster))["node-a"] == "XID 79"

    await until(told)


async def test_nodes_are_watched_only_where_agents_are_known_by_their_names(
    kube: FakeKube,
) -> None:
    async with way_into(kube) as api:
        assert SubletHub(agent_identity="kubernetes").nodes_of(api) is not None
        assert SubletHub(agent_identity="secrets").nodes_of(api) is None
        assert SubletHub(agent_identity="kubernetes").nodes_of(None) is None
