"""A node that has left the cluster is forgotten with its cards, unless something is held there."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from sublet_hub.agents.cluster_nodes import WatchedNodes
from sublet_hub.agents.departed_nodes import DepartedNodes

from tests.support.fake_agent import FakeAgent, a_gpu
from tests.support.fake_kube_api import FakeKube, fake_kube, way_into
from tests.support.hub_world import OTHER_SECRET, FakeHub, HubWorld, hub_world, until

pytestmark = pytest.mark.asyncio

NODE_B = "/api/v1/nodes/node-b"


@pytest_asyncio.fixture
async def kube() -> AsyncIterator[FakeKube]:
    async with fake_kube() as fake:
        for name in ("node-a", "node-b"):
            fake.put(f"/api/v1/nodes/{name}", {"spec": {}})
        yield fake


@asynccontextmanager
async def service(folder: Path, hub: FakeHub, kube: FakeKube) -> AsyncIterator[HubWorld]:
    async with way_into(kube) as api, hub_world(folder, hub, nodes=WatchedNodes(api)) as world:
        yield world


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub, kube: FakeKube) -> AsyncIterator[HubWorld]:
    async with service(tmp_path, hub, kube) as running:
        await running.agent()
        yield running


async def agent_of_b(world: HubWorld) -> FakeAgent:
    return await world.agent(
        node="node-b", boot_id="boot-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-1"),)
    )


async def end(world: HubWorld, agent: FakeAgent) -> None:
    await agent.close()
    await until(lambda: not world.service.fleet.is_connected("node-b"))


async def forget(world: HubWorld, kube: FakeKube) -> None:
    """As the service does once a minute."""
    running = world.service
    async with way_into(kube) as api:
        nodes = WatchedNodes(api)
        await DepartedNodes(running.ledger, running.fleet, nodes, running.now).forget()


async def until_silent(world: HubWorld, count: int) -> None:
    async def is_so() -> bool:
        health = json.loads((await world.raw("GET", "health")).body)
        return bool(health["silent_agents"] == count)

    await until(is_so)


async def test_a_node_that_was_scaled_down_is_silent_no_more(
    world: HubWorld, kube: FakeKube
) -> None:
    await end(world, await agent_of_b(world))
    await until_silent(world, 1)
    kube.remove(NODE_B)
    await forget(world, kube)
    # What was told a moment ago may be told again for another.
    await until_silent(world, 0)
    assert list(world.service.ledger.gpus) == ["SIM-0"]
    assert [gpu.gpu_id for gpu in world.service.capacity.holdings.gpus()] == ["SIM-0"]
    assert b"node-b" not in (await world.raw("GET", "metrics", world.admin())).body


async def test_what_went_while_the_service_was_away_is_forgotten_as_it_starts(
    tmp_path: Path, hub: FakeHub, kube: FakeKube
) -> None:
    async with service(tmp_path, hub, kube) as world:
        await world.agent()
        await agent_of_b(world)
    kube.remove(NODE_B)
    async with service(tmp_path, hub, kube) as world:
        await until(lambda: list(world.service.ledger.gpus) == ["SIM-0"])
    async with hub_world(tmp_path, hub) as world:
        assert list(world.service.ledger.gpus) == ["SIM-0"]


async def test_a_node_that_is_only_silent_stays(world: HubWorld, kube: FakeKube) -> None:
    await end(world, await agent_of_b(world))
    await forget(world, kube)
    assert "SIM-1" in world.service.ledger.gpus


async def test_a_node_stays_while_the_cluster_cannot_be_asked(
    world: HubWorld, kube: FakeKube
) -> None:
    await end(world, await agent_of_b(world))
    kube.remove(NODE_B)
    kube.refuses["GET", "/api/v1/nodes"] = (403, "not now")
    await forget(world, kube)
    assert "SIM-1" in world.service.ledger.gpus


async def test_a_node_stays_while_its_agent_is_connected(world: HubWorld, kube: FakeKube) -> None:
    await agent_of_b(world)
    kube.remove(NODE_B)
    await forget(world, kube)
    assert "SIM-1" in world.service.ledger.gpus


async def test_a_node_stays_while_a_slice_is_held_there(world: HubWorld, kube: FakeKube) -> None:
    agent = await agent_of_b(world)
    lease = await world.slice_for("ada")
    path = f"slices/{lease['slice_id']}"
    pod = {"pod_uid": "uid-1", "namespace": "hub", "pod_name": "jupyter-ada", "node": "node-b"}
    await world.hub_call("POST", f"{path}/pod", pod)
    await end(world, agent)
    kube.remove(NODE_B)
    await forget(world, kube)
    assert world.service.ledger.slices[lease["slice_id"]].gpu.gpu_id == "SIM-1"
    assert "SIM-1" in world.service.ledger.gpus
    await world.hub_call("DELETE", path)
    await forget(world, kube)
    assert "SIM-1" not in world.service.ledger.gpus


async def test_a_node_that_comes_back_is_known_by_its_agent_s_report(
    world: HubWorld, kube: FakeKube
) -> None:
    await end(world, await agent_of_b(world))
    kube.remove(NODE_B)
    await forget(world, kube)
    await agent_of_b(world)
    assert world.service.ledger.gpus["SIM-1"].node == "node-b"
    await until_silent(world, 0)
