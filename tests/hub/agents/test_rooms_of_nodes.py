"""What nodes have beside their cards, as the cluster says, and what slices take of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.agents.cluster_nodes import WatchedNodes
from sublet_hub.app.application import SubletHub
from sublet_hub.errors import ConfigurationError
from sublet_quota.amounts.node_amounts import NodeAmount, NodeRoom
from sublet_quota.names.ids import NodeId, SliceId

from tests.support.fake_agent import a_gpu
from tests.support.fake_kube_api import FakeKube, fake_kube, way_into
from tests.support.hub_world import OTHER_SECRET, FakeHub, HubWorld, hub_world, until
from tests.support.line_world import ask, give_back, settings_with

pytestmark = pytest.mark.asyncio

GIB = 1024
NODES = ("node-a", "node-b")


def path_of(node: str) -> str:
    return f"/api/v1/nodes/{node}"


@pytest_asyncio.fixture
async def kube() -> AsyncIterator[FakeKube]:
    async with fake_kube() as fake:
        for name in NODES:
            fake.put(path_of(name), {"spec": {}})
        yield fake


async def two_agents(world: HubWorld) -> None:
    await world.agent()
    card = a_gpu("SIM-1")
    await world.agent(node="node-b", boot_id="boot-b", secret=OTHER_SECRET, gpus=(card,))


@pytest_asyncio.fixture
async def cluster(tmp_path: Path, hub: FakeHub, kube: FakeKube) -> AsyncIterator[HubWorld]:
    async with (
        way_into(kube) as api,
        hub_world(tmp_path, hub, settings_with(tmp_path), nodes=WatchedNodes(api)) as world,
    ):
        await two_agents(world)
        yield world


def left(world: HubWorld, node: str) -> NodeRoom:
    room: NodeRoom = world.service.capacity.holdings.node_room(NodeId(node))
    return room


async def tell(world: HubWorld, kube: FakeKube, node: str, **allocatable: str) -> None:
    """As a kubelet does it, with much else."""
    status = {"allocatable": {"pods": "110", **allocatable}, "images": [{"names": ["x"]}]}
    kube.change(path_of(node), status=status)
    known = world.service.capacity.holdings.nodes_told.told
    before = known.get(NodeId(node))
    await until(lambda: known.get(NodeId(node)) not in {None, before})


def taking(cpu_milli: int = 0, memory_mib: int = 0, of_cap_milli: int = 0) -> dict[str, Any]:
    amounts = {"cpu_milli": cpu_milli, "memory_mib": memory_mib, "of_cap_milli": of_cap_milli}
    return {"takes": amounts}


async def test_what_the_cluster_says_of_nodes_is_known_and_what_it_does_not_say_is_not(
    cluster: HubWorld, kube: FakeKube
) -> None:
    assert left(cluster, "node-a") == NodeRoom()
    await tell(cluster, kube, "node-a", cpu="63770m", memory="131898668Ki")
    assert left(cluster, "node-a") == NodeRoom(63770, 131898668 // 1024)
    await tell(cluster, kube, "node-b", cpu="8")
    assert left(cluster, "node-b") == NodeRoom(8000, None)
    kube.remove(path_of("node-b"))
    await until(lambda: left(cluster, "node-b") == NodeRoom())
    kube.change(path_of("node-a"), status={"allocatable": {"cpu": "?", "memory": "1Gi"}})
    await until(lambda: left(cluster, "node-a") == NodeRoom())


async def test_what_is_set_aside_for_others_is_not_there(
    tmp_path: Path, hub: FakeHub, kube: FakeKube
) -> None:
    async with way_into(kube) as api:
        nodes = WatchedNodes(api, NodeAmount(1500, 2 * GIB))
        async with hub_world(tmp_path, hub, settings_with(tmp_path), nodes=nodes) as world:
            await two_agents(world)
            await tell(world, kube, "node-a", cpu="8", memory="16Gi")
            assert left(world, "node-a") == NodeRoom(6500, 14 * GIB)


@pytest.mark.parametrize(("cpu", "memory"), [("1500m", "much"), ("-1", "2Gi")])
async def test_what_is_set_aside_must_be_an_amount(kube: FakeKube, cpu: str, memory: str) -> None:
    async with way_into(kube) as api:
        options = {"agent_identity": "kubernetes", "others_cpu": cpu, "others_memory": memory}
        with pytest.raises(ConfigurationError, match="others_cpu and others_memory"):
            SubletHub(**options).nodes_of(api)


async def test_a_server_goes_where_its_node_has_what_it_asks_for(
    cluster: HubWorld, kube: FakeKube
) -> None:
    await tell(cluster, kube, "node-a", cpu="4", memory="64Gi")
    await tell(cluster, kube, "node-b", cpu="16", memory="64Gi")
    assert (await cluster.slice_for("ada", size="half", **taking(8000)))["node"] == "node-b"
    assert left(cluster, "node-b").cpu_milli == 8000
    # The half of a card, and as much memory of the node for when it is suspended.
    lease = await cluster.slice_for("bob", size="half", **taking(6000, GIB, 1000))
    assert lease["node"] == "node-b"
    assert left(cluster, "node-b") == NodeRoom(2000, 63 * GIB - lease["memory_mib"])


async def test_what_is_too_little_on_the_node_is_said_and_who_waits_in_line_has_it_when_it_is_free(
    cluster: HubWorld, kube: FakeKube
) -> None:
    for node in NODES:
        await tell(cluster, kube, node, cpu="10")
    held = [
        await cluster.slice_for(name, size="half", **taking(8000)) for name in ("eve", "mallory")
    ]
    assert {lease["node"] for lease in held} == set(NODES)
    status, wait = await ask(cluster, "ada", **taking(4000))
    assert status == 202
    assert "that takes 4 CPU, and 'node-" in wait["message"]
    assert "has 2 CPU left" in wait["message"]
    await give_back(cluster, held[0]["slice_id"])
    await until(lambda: "ada" in [owner for owner, _, _ in cluster.hub.started])
    status, lease = await ask(cluster, "ada", **taking(4000))
    assert (status, lease["node"]) == (201, held[0]["node"])


async def test_who_waits_has_its_turn_when_the_cluster_says_that_a_node_has_more(
    cluster: HubWorld, kube: FakeKube
) -> None:
    for node in NODES:
        await tell(cluster, kube, node, cpu="2")
    assert (await ask(cluster, "ada", **taking(4000)))[0] == 202
    await tell(cluster, kube, "node-b", cpu="4")
    await until(lambda: [owner for owner, _, _ in cluster.hub.started] == ["ada"])


async def test_who_does_not_say_what_it_takes_goes_anywhere(
    cluster: HubWorld, kube: FakeKube
) -> None:
    for node in NODES:
        await tell(cluster, kube, node, cpu="0", memory="0")
    for name in ("ada", "bob"):
        await cluster.slice_for(name)
    assert [record.takes for record in cluster.service.ledger.slices.values()] == [None, None]


async def test_who_is_there_stays_whatever_a_node_has(cluster: HubWorld, kube: FakeKube) -> None:
    for node in NODES:
        await tell(cluster, kube, node, cpu="8")
    lease = await cluster.slice_for("ada", **taking(8000))
    await tell(cluster, kube, lease["node"], cpu="1")
    assert left(cluster, lease["node"]).cpu_milli == -7000
    _, info = await cluster.hub_call("GET", f"slices/{lease['slice_id']}")
    assert info["lease"]["gpu_id"] == lease["gpu_id"]
    # Another that asks for CPU finds none there, and one that asks for none does.
    assert (await cluster.slice_for("bob", **taking(8000)))["node"] != lease["node"]
    assert (await ask(cluster, "eve", **taking(100)))[0] == 202


async def test_what_the_pod_asks_for_counts_in_place_of_what_was_thought(
    cluster: HubWorld, kube: FakeKube
) -> None:
    for node in NODES:
        await tell(cluster, kube, node, cpu="8", memory="64Gi")
    lease = await cluster.slice_for("ada", **taking(1000))
    node, path = lease["node"], f"slices/{lease['slice_id']}/pod"
    pod = {"pod_uid": "uid-1", "namespace": "hub", "pod_name": "jupyter-ada"}
    assert (await cluster.hub_call("POST", path, pod))[0] == 204
    assert left(cluster, node) == NodeRoom(7000, 64 * GIB)
    told = {**pod, "node": node, **taking(2500, 3 * GIB)}
    assert (await cluster.hub_call("POST", path, told))[0] == 204
    assert left(cluster, node) == NodeRoom(5500, 61 * GIB)
    # An older spawner says nothing, and that changes nothing.
    assert (await cluster.hub_call("POST", path, {**pod, "node": node}))[0] == 204
    assert left(cluster, node) == NodeRoom(5500, 61 * GIB)


async def test_what_slices_take_is_kept_over_a_restart_of_the_service(
    tmp_path: Path, hub: FakeHub, kube: FakeKube
) -> None:
    async with way_into(kube) as api:
        for again in (False, True):
            nodes = WatchedNodes(api)
            async with hub_world(tmp_path, hub, settings_with(tmp_path), nodes=nodes) as world:
                await world.agent()
                if not again:
                    await tell(world, kube, "node-a", cpu="8")
                    held = await world.slice_for("ada", **taking(5000, 7))
                await until(lambda: left(world, "node-a").cpu_milli == 3000)
                record = world.service.ledger.slices[SliceId(held["slice_id"])]
                assert record.takes == NodeAmount(5000, 7)
