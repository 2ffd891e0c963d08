"""The agents' WebSocket: who may connect, what is believed, what is answered."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.agents.node_secrets import NodeSecrets
from sublet_hub.errors import TooManyRequestsError
from sublet_hub.host.private_files import write_private
from sublet_hub.security.rate_limits import Rate
from sublet_quota.reasons.installation.standings import AgentRefusal
from sublet_quota.wire.agent_link import AgentEvent, Hello
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.support.fake_agent import FakeAgent, a_gpu, a_report
from tests.support.hub_world import (
    NODE_SECRET,
    OTHER_SECRET,
    FakeHub,
    HubWorld,
    hub_world,
    until,
    write_node_secrets,
)

pytestmark = pytest.mark.asyncio


def _event(number: int, **values: Any) -> AgentEvent:
    facts: dict[str, Any] = {
        "event_id": f"event-{number}",
        "at": datetime.now(UTC),
        "kind": "suspended",
        "gpu_id": "SIM-0",
    }
    return AgentEvent(**{**facts, **values})


@pytest.mark.parametrize(
    ("secret", "headers", "query", "status"),
    [
        ("wrong-secret-0123456789", {}, "", 401),
        (NODE_SECRET, {"Origin": "http://127.0.0.1"}, "", 403),
        (NODE_SECRET, {"Sec-Fetch-Mode": "websocket"}, "", 403),
        (NODE_SECRET, {}, f"?token={NODE_SECRET}", 403),
        ("", {}, "", 401),
    ],
)
async def test_who_is_no_agent_does_not_get_in(
    world: HubWorld, secret: str, headers: dict[str, str], query: str, status: int
) -> None:
    agent = FakeAgent(world.link_url + query, secret)
    with pytest.raises(HTTPClientError) as refused:
        await agent.connect(headers)
    assert refused.value.code == status
    assert not list(world.service.fleet.nodes())


async def test_who_sends_false_secrets_waits_and_an_agent_of_the_same_address_does_not(
    tmp_path: Path, hub: FakeHub
) -> None:
    agents = NodeSecrets(tmp_path / "nodes", Rate(3, 0.01))
    async with hub_world(tmp_path, hub, agents=agents) as world:
        answers = [await _refusal(world, f"wrong-secret-012345678{n}") for n in range(6)]
        assert answers == [401] * 3 + [429] * 3
        assert (await world.agent()).close_reason is None
        write_private(tmp_path / "nodes" / "node-a", b"another-secret-0123456789")
        assert await _refusal(world, NODE_SECRET) == 401
        assert await _refusal(world, NODE_SECRET) == 429


async def test_false_secrets_that_must_wait_are_looked_up_nowhere(tmp_path: Path) -> None:
    folder = write_node_secrets(tmp_path / "nodes")
    agents = NodeSecrets(folder, Rate(1, 0.01))
    refused = await agents.identify("wrong-secret-0123456789", "10.0.0.1")
    assert refused is AgentRefusal.UNKNOWN
    shutil.rmtree(folder)
    with pytest.raises(TooManyRequestsError):
        await agents.identify("wrong-secret-0123456789", "10.0.0.1")


async def _refusal(world: HubWorld, secret: str) -> int:
    with pytest.raises(HTTPClientError) as refused:
        await FakeAgent(world.link_url, secret).connect()
    return refused.value.code


async def test_a_secret_is_good_for_its_own_node_alone(world: HubWorld) -> None:
    agent = FakeAgent(world.link_url, OTHER_SECRET, node="node-a")
    await agent.connect()
    await agent.close()
    assert "not of node-a" in (agent.close_reason or "")
    assert world.service.fleet.node("node-a") is None


async def test_a_later_connection_replaces_the_earlier_with_a_new_epoch(world: HubWorld) -> None:
    first = await world.agent()
    second = await world.agent()
    await first.until(lambda: first.close_reason is not None)
    assert (first.epoch, second.epoch) == (1, 2)
    assert not world.service.fleet.is_silent("node-a")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epoch": 99}, "epoch 99"),
        ({"sequence": 0}, "status 0 came after"),
    ],
)
async def test_old_epochs_and_replayed_reports_end_the_connection(
    world: HubWorld, values: dict[str, int], words: str
) -> None:
    agent = await world.agent()
    await agent.report(**values)
    await agent.until(lambda: agent.close_reason is not None)
    assert words in (agent.close_reason or "")


@pytest.mark.parametrize(
    "message", ["{", "[]", '{"type":"status"}', '{"type":"welcome","epoch":1}']
)
async def test_what_is_not_in_the_schema_ends_the_connection(world: HubWorld, message: str) -> None:
    agent = await world.agent()
    await agent.send(message)
    await agent.until(lambda: agent.close_reason is not None)


async def test_nothing_is_believed_before_the_greeting_or_after_a_second_one(
    world: HubWorld,
) -> None:
    agent = await world.agent()
    await agent.send(Hello(node="node-a", boot_id="b", version="0", nonce="0" * 32))
    await agent.until(lambda: agent.close_reason is not None)
    assert "second greeting" in (agent.close_reason or "")


async def test_an_agent_says_nothing_of_another_nodes_slices_and_cards(world: HubWorld) -> None:
    a = await world.agent()
    b = await world.agent(node="node-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-9"),))
    lease = await world.slice_for("ada", memory_mib=1000, compute_milli=100)
    holder, other = (a, b) if lease["node"] == "node-a" else (b, a)
    slice_id, gpu_id = lease["slice_id"], lease["gpu_id"]
    await holder.until(lambda: holder.assignments.slices)
    await until(lambda: world.service.fleet.report(slice_id) is not None)
    other.gpus = (a_gpu(gpu_id, type="Forged"),)
    await other.report(slices=(a_report(slice_id, memory_mib=77_777),))
    await other.tell(_event(1, slice_id=slice_id, kind="lost"), _event(2, gpu_id=gpu_id))
    fleet = world.service.fleet
    assert fleet.report(slice_id).memory_mib != 77_777
    assert world.service.ledger.gpus[gpu_id].type != "Forged"
    _, events = await world.call("GET", "events", world.admin())
    assert not [e for e in events if e["kind"] in {"lost", "suspended"}]


async def test_events_told_twice_are_stored_once(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    told = _event(1, slice_id=lease["slice_id"], bytes_mib=5, took_s=0.5)
    await agent.tell(told)
    agent.taken.clear()
    await agent.tell(told, told)
    _, events = await world.call("GET", "events", world.user("ada"))
    assert [(e["bytes_mib"], e["took_s"]) for e in events if e["kind"] == "suspended"] == [(5, 0.5)]


async def test_one_nodes_event_cannot_hide_anothers_of_the_same_number(world: HubWorld) -> None:
    a = await world.agent()
    b = await world.agent(node="node-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-9"),))
    await a.tell(_event(1))
    await b.tell(_event(1, gpu_id="SIM-9"))
    _, events = await world.call("GET", "events", world.admin())
    assert sorted(e["node"] for e in events if e["kind"] == "suspended") == ["node-a", "node-b"]


async def test_an_event_from_the_future_is_stored_as_now(world: HubWorld) -> None:
    agent = await world.agent()
    await agent.tell(_event(1, at=datetime(2999, 1, 1, tzinfo=UTC)))
    _, events = await world.call("GET", "events", world.admin())
    assert events[-1]["at"] < "2999"


async def test_a_gpu_that_fails_is_closed_to_new_slices(world: HubWorld) -> None:
    agent = await world.agent()
    agent.gpus = (a_gpu(closed="XID 79"),)
    await agent.report()

    async def closed() -> bool:
        _, problem = await world.hub_call(
            "POST", "slices", {"owner": "ada", "account": world.account("ada"), "size": "huge"}
        )
        _, offers = await world.hub_call("GET", "offers?owner=ada")
        return problem is not None and not any(o["allowed"] for o in offers["offers"])

    await until(closed)
    status, problem = await world.hub_call(
        "POST", "slices", {"owner": "ada", "account": world.account("ada")}
    )
    assert (status, problem["reason"], "XID 79" in problem["message"]) == (409, "gpu-closed", True)


async def test_a_message_larger_than_the_bound_ends_the_connection(world: HubWorld) -> None:
    agent = await world.agent()
    await agent.send('{"type":"status","epoch":1,"x":"' + "x" * 9_000_000 + '"}')
    await agent.until(lambda: agent.close_reason is not None)


async def test_a_status_is_a_level_so_what_is_left_out_is_gone(world: HubWorld) -> None:
    agent = await world.agent(gpus=(a_gpu("SIM-0"), a_gpu("SIM-1", index=1)))
    agent.gpus = (a_gpu("SIM-0"),)
    await agent.report()
    await until(lambda: world.service.fleet.gpu_report("SIM-1") is None)
    assert world.service.fleet.gpu_report("SIM-0") is not None
    room = world.service.capacity.holdings.gpu("SIM-1")
    assert "no longer" in room.closed


async def test_of_connections_that_do_not_greet_a_node_has_a_few(world: HubWorld) -> None:
    honest = await world.agent()
    silent = [await _connect(world, OTHER_SECRET) for _ in range(6)]
    assert [await connection.read_message() for connection in silent[:2]] == [None, None]
    assert [connection.close_code for connection in silent] == [1013, 1013, *[None] * 4]
    assert honest.close_reason is None
    other = await world.agent(node="node-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-9"),))
    assert other.close_reason is None
    for connection in silent:
        connection.close()


async def test_what_comes_after_the_end_of_a_connection_is_not_read(world: HubWorld) -> None:
    connection = await _connect(world, OTHER_SECRET)
    hello = Hello(node="node-b", boot_id="b", version="1").model_dump_json()
    for message in ("nothing that is understood", hello, hello):
        await connection.write_message(message)
    assert await connection.read_message() is None
    assert not list(world.service.fleet.nodes())
    connection.close()


async def _connect(world: HubWorld, secret: str) -> WebSocketClientConnection:
    headers = {"Authorization": f"Bearer {secret}"}
    return await websocket_connect(HTTPRequest(world.link_url, headers=headers))
