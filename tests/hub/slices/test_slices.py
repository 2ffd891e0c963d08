"""Slices handed out, shown, kept, woken, and taken back when their server is gone."""

import asyncio
import json
import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from sublet_hub.ledger.events import event
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.installation.standings import HubStanding
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.agent_link import AgentEvent, WaitReport
from sublet_quota.wire.api import NEXT_PAGE
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import GIB, a_gpu, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until

pytestmark = pytest.mark.asyncio


async def test_a_server_gets_a_slice_and_the_agent_is_told(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada", size="medium")
    assert (lease["gpu_id"], lease["node"], lease["holder"]) == ("SIM-0", "node-a", "notebook")
    await agent.until(lambda: [s.slice_id for s in agent.assignments.slices] == [lease["slice_id"]])
    assert agent.assignments.slices[0].owner == "ada"
    assert agent.assignments.slices[0].uid == os.getuid()
    assert agent.assignments.gpus[0].pool == "interactive"


async def test_a_user_of_as_many_groups_as_are_possible_is_offered_something(
    world: HubWorld,
) -> None:
    await world.agent()
    groups = "".join(f"&groups={number:03}{'g' * 252}" for number in range(200))
    status, offers = await world.hub_call("GET", f"offers?owner=ada{groups}")
    assert (status, offers["owner"]) == (200, "ada")


async def test_offers_say_what_is_to_be_had_and_why_the_rest_is_not(world: HubWorld) -> None:
    await world.agent()
    status, offers = await world.hub_call("GET", "offers?owner=ada&groups=a&groups=b")
    assert status == 200
    assert {o["size"]: o["allowed"] for o in offers["offers"]}["small"]
    await world.slice_for("bob", size="whole")
    await world.slice_for("carol", size="whole")
    _, offers = await world.hub_call("GET", "offers?owner=ada")
    refused = [o for o in offers["offers"] if not o["allowed"]]
    assert refused
    assert all(o["why_not"] for o in refused)


@pytest.mark.parametrize(
    ("wish", "status", "reason"),
    [
        ({"size": "huge"}, 400, "unknown-size"),
        ({"pool": "nowhere"}, 400, "unknown-pool"),
        ({"memory_mib": -5, "compute_milli": 100}, 400, "bad-amount"),
        ({"memory_mib": 900 * GIB, "compute_milli": 100}, 400, "larger-than-gpu"),
        ({"gpu_type": "B9000"}, 409, "no-gpu"),
        ({"memory_mib": "much"}, 400, "bad-request"),
        ({"owner": ""}, 400, "bad-request"),
    ],
)
async def test_a_wrong_wish_is_refused_and_nothing_has_changed(
    world: HubWorld, wish: dict[str, Any], status: int, reason: str
) -> None:
    await world.agent()
    body = {"owner": "ada", "account": world.account("ada"), **wish}
    answered, problem = await world.hub_call("POST", "slices", body)
    assert (answered, problem["reason"]) == (status, reason)
    assert not world.service.ledger.slices


async def test_without_an_agent_no_gpu_takes_a_slice(world: HubWorld) -> None:
    agent = await world.agent()
    await agent.close()
    await until(lambda: world.service.fleet.is_silent("node-a"))
    world.service.capacity.look_for_silence()
    status, problem = await world.hub_call(
        "POST", "slices", {"owner": "ada", "account": world.account("ada")}
    )
    assert (status, problem["reason"]) == (409, "gpu-closed")
    assert "node-a does not report" in problem["message"]


async def test_asking_again_for_the_same_server_replaces_its_slice(world: HubWorld) -> None:
    await world.agent()
    first = await world.slice_for("ada", size="whole")
    second = await world.slice_for("ada", size="whole")
    assert list(world.service.ledger.slices) == [second["slice_id"]]
    assert first["slice_id"] != second["slice_id"]


async def test_a_refused_request_leaves_the_slice_that_was_there(world: HubWorld) -> None:
    await world.agent()
    first = await world.slice_for("ada", size="small")
    body = {"owner": "ada", "account": world.account("ada"), "size": "huge"}
    assert (await world.hub_call("POST", "slices", body))[0] == 400
    assert list(world.service.ledger.slices) == [first["slice_id"]]
    assert world.service.capacity.holdings.held_by("ada").slices == 1


async def test_a_released_slice_is_gone_everywhere_and_releasing_it_again_is_no_error(
    world: HubWorld,
) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    path = f"slices/{lease['slice_id']}"
    assert await world.hub_call("DELETE", path) == (204, None)
    assert await world.hub_call("DELETE", path) == (204, None)
    assert (await world.hub_call("GET", path))[0] == 404
    assert (await world.hub_call("POST", f"{path}/started", {"root_pid": 1, "root_start_time": 1}))[
        0
    ] == 404
    await agent.until(lambda: agent.assignments.slices == ())


@pytest.mark.parametrize("reason", [WaitReason.TURN, WaitReason.CALLED_BACK])
async def test_my_share_shows_what_i_have_and_whom_i_wait_for_without_names(
    world: HubWorld, reason: WaitReason
) -> None:
    agent = await world.agent()
    bobs = await world.slice_for("bob", size="whole")
    adas = await world.slice_for("ada", size="small")
    await agent.until(lambda: len(agent.assignments.slices) == 2)
    wait = WaitReport(reason=reason, place=1, waits_for=(bobs["slice_id"],))
    agent.says = {
        adas["slice_id"]: a_report(
            adas["slice_id"],
            state=SliceState.SUSPENDED,
            gate_open=False,
            wait=wait,
            lent_to=(bobs["slice_id"],),
        )
    }
    await agent.report()
    token, admin = world.user("ada"), world.admin()

    async def waits() -> bool:
        _, share = await world.call("GET", "share", token)
        return share["slices"][0]["waits_for"] == ["another owner"]

    await until(waits)
    _, share = await world.call("GET", "share", token)
    assert (share["quota"]["own"]["held_mib"], share["lending"]) == (adas["memory_mib"], True)
    assert share["agents_silent"] == []
    assert share["slices"][0]["report"]["wait"]["reason"] == reason
    assert "bob" not in str(share)
    assert bobs["slice_id"] not in str(share)
    _, seen = await world.call("GET", "share?owner=ada", admin)
    assert seen["slices"][0]["waits_for"] == ["bob"]
    assert seen["slices"][0]["report"]["lent_to"] == [bobs["slice_id"]]


async def test_events_name_the_slice_that_room_was_made_for_to_its_owner_and_to_admins(
    world: HubWorld,
) -> None:
    agent = await world.agent()
    adas = await world.slice_for("ada", size="small")
    for other, seen in (("ada", True), ("bob", False)):
        made_for = await world.slice_for(other, "second", size="small")
        suspended = AgentEvent(
            event_id=f"e-{other}",
            at=datetime.now(UTC),
            kind=EventKind.SUSPENDED,
            gpu_id="SIM-0",
            slice_id=adas["slice_id"],
            for_slice_id=made_for["slice_id"],
        )
        await agent.tell(suspended)
        for token, expected in ((world.user("ada"), seen), (world.admin(), True)):
            _, events = await world.call("GET", "events", token)
            told = [each["for_slice_id"] for each in events if each["kind"] == "suspended"]
            assert (made_for["slice_id"] in told) is expected


async def test_a_silent_agent_is_said_so_in_share_and_cards(world: HubWorld) -> None:
    agent = await world.agent()
    await world.slice_for("ada")
    await agent.close()
    await until(lambda: world.service.fleet.is_silent("node-a"))
    _, share = await world.call("GET", "share", world.user("ada"))
    assert share["agents_silent"] == ["node-a"]
    _, gpus = await world.call("GET", "gpus", world.admin())
    assert (gpus[0]["silent"], gpus[0]["slices"][0]["lease"]["owner"]) == (True, "ada")


async def test_a_slice_whose_server_the_hub_does_not_know_is_released(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("ada")
    kept = await world.slice_for("bob")
    world.hub.broken = True
    del world.hub.servers["ada"]
    await asyncio.sleep(0.6)
    assert len(world.service.ledger.slices) == 2
    world.hub.broken = False
    await until(lambda: list(world.service.ledger.slices) == [kept["slice_id"]])
    _, events = await world.call("GET", "events?owner=ada", world.admin())
    assert events[-1]["detail"] == "the hub has no such server"


async def until_no_answer_is_on_its_way(world: HubWorld) -> None:
    """Wait until the hub has told whose the token is: it is not asked again once that was so."""
    await until(lambda: world.service.reconciliation.hub_standing is HubStanding.OK)


async def test_a_role_that_may_not_stop_servers_lets_slices_be_compared_all_the_same(
    world: HubWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await world.agent()
    await world.slice_for("ada")
    await until_no_answer_is_on_its_way(world)
    reconciliation = world.service.reconciliation
    world.hub.service_may_stop = False
    with caplog.at_level("WARNING", "sublet_hub.slices.reconciliation"):
        reconciliation.hub_standing = HubStanding.UNASKED
        await until(lambda: reconciliation.hub_standing is HubStanding.CANNOT_STOP_SERVERS)
        world.hub.servers["ada"].clear()
        await until(lambda: not world.service.ledger.slices)
    assert sum("lacks delete:servers" in line for line in caplog.messages) == 1


async def test_what_the_hub_shows_to_another_token_ends_no_slice(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("ada")
    await until_no_answer_is_on_its_way(world)
    reconciliation = world.service.reconciliation
    world.hub.service, reconciliation.hub_standing = "tests", HubStanding.UNASKED
    await until(lambda: reconciliation.hub_standing is HubStanding.TOKEN_OF_ANOTHER)
    del world.hub.servers["ada"]
    await asyncio.sleep(1)
    assert len(world.service.ledger.slices) == 1
    world.hub.service = "sublet"
    await until(lambda: not world.service.ledger.slices)


async def test_a_server_that_a_new_hub_tells_of_again_has_begun_once(world: HubWorld) -> None:
    await world.agent()
    path = f"slices/{(await world.slice_for('ada'))['slice_id']}/started"
    own = psutil.Process()
    began = own.create_time() - psutil.boot_time()
    started = {"root_pid": own.pid, "root_start_time": began}
    for told in (started, started, {**started, "root_start_time": began + 1}):
        assert await world.hub_call("POST", path, told) == (204, None)
    _, events = await world.call("GET", "events", world.admin())
    assert [event["kind"] for event in events].count("slice-started") == 2


async def test_a_slice_whose_first_process_is_dead_is_released(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    child = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE)
    start_time = psutil.Process(child.pid).create_time() - psutil.boot_time()
    unit = "/system.slice/jupyter-ada.service"
    started = {"root_pid": child.pid, "root_start_time": start_time, "unit_group": unit}
    path = f"slices/{lease['slice_id']}/started"
    assert await world.hub_call("POST", path, started) == (204, None)
    await agent.until(lambda: agent.serves(lambda told: told.root_pid == child.pid))
    assert agent.assignments.slices[0].unit_group == unit
    look = world.service.reconciliation.look_at_processes
    look()
    look()
    assert world.service.ledger.slices
    child.kill()
    await child.wait()
    look()
    look()
    assert not world.service.ledger.slices


async def test_a_restarted_service_knows_slices_lending_and_cards(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        await world.agent()
        lease = await world.slice_for("ada", size="whole")
        await world.call("PUT", "lending", world.admin(), {"lending": False})
    async with hub_world(tmp_path, hub) as world:
        _, share = await world.call("GET", "share", world.user("ada"))
        assert [s["lease"] for s in share["slices"]] == [lease]
        assert share["lending"] is False
        agent = await world.agent()
        await agent.until(lambda: len(agent.assignments.slices) == 1)
        assert agent.epoch == 2
        assert agent.assignments.lending is False


async def test_a_server_that_is_started_right_after_the_service_waits_for_the_agents(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        await world.agent()
    waits = settings_for(tmp_path, agents_return_within=timedelta(minutes=10))
    async with hub_world(tmp_path, hub, waits) as world:
        asked = asyncio.create_task(world.slice_for("ada"))
        offers = asyncio.create_task(world.hub_call("GET", "offers?owner=ada"))
        await asyncio.sleep(0.2)
        assert not asked.done()
        assert not offers.done()
        await world.agent()
        assert (await asked)["node"] == "node-a"
        assert any(offer["allowed"] for offer in (await offers)[1]["offers"])
    async with hub_world(tmp_path, hub) as world:
        with pytest.raises(AssertionError, match="does not report"):
            await world.slice_for("bob")


async def test_lending_is_switched_by_admins_and_told_to_agents(world: HubWorld) -> None:
    agent = await world.agent()
    admin = world.admin()
    await agent.until(lambda: agent.assignments.lending)
    status, answer = await world.call("PUT", "lending", admin, {"lending": False, "reason": "test"})
    assert status == 200
    await agent.until(lambda: not agent.assignments.lending)
    assert (await world.call("GET", "lending", admin))[1] == answer
    assert (answer["reason"], answer["switched_by"]) == ("test", "root")
    _, seen = await world.call("GET", "lending", world.user("ada"))
    assert seen == {**answer, "lending": False, "switched_by": None}
    _, events = await world.call("GET", "events", admin)
    assert events[-1]["detail"] == "off by root: test"


async def test_admins_see_every_card_with_its_slices(world: HubWorld) -> None:
    await world.agent(gpus=(a_gpu("SIM-0"), a_gpu("SIM-1", index=1)))
    await world.slice_for("ada", size="whole")
    await world.slice_for("bob", size="whole")
    _, gpus = await world.call("GET", "gpus", world.admin())
    assert [g["report"]["gpu_id"] for g in gpus] == ["SIM-0", "SIM-1"]
    assert sorted(s["lease"]["owner"] for g in gpus for s in g["slices"]) == ["ada", "bob"]


async def test_events_are_read_up_to_a_time_page_by_page(world: HubWorld) -> None:
    admin, ledger = world.admin(), world.service.ledger
    # By the service's own clock: what is months old it forgets as it starts.
    began = world.service.now().replace(microsecond=0) - timedelta(days=1)
    events = [
        replace(event(EventKind.IDLE, began + timedelta(seconds=n // 2)), event_id=f"e-{n:02}")
        for n in range(10)
    ]
    ledger.add_events(tuple(events))
    end = (began + timedelta(seconds=4)).isoformat().replace("+", "%2B")
    path = f"events?until={end}&limit=3"
    found: list[str] = []
    following: str | None = None
    for _ in range(10):
        answer = await world.raw("GET", f"api/{path}&before={following or f'{10**16}-x'}", admin)
        assert answer.code == 200, answer.body
        found = [each["event_id"] for each in json.loads(answer.body)] + found
        following = answer.headers.get(NEXT_PAGE)
        if following is None:
            break
    assert found == [f"e-{n:02}" for n in range(8)]
    assert (await world.call("GET", "events?until=0001-01-01T00:00:00%2b23:59", admin))[0] == 400


async def test_events_are_read_from_a_time_on(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("ada")
    token = world.user("ada")
    since = datetime.now(UTC).isoformat().replace("+", "%2B")
    await world.hub_call("DELETE", f"slices/{next(iter(world.service.ledger.slices))}")
    _, events = await world.call("GET", f"events?since={since}", token)
    assert [e["kind"] for e in events] == ["slice-released"]
    for bad in ("events?since=yesterday", "events?limit=many"):
        assert (await world.call("GET", bad, token))[0] == 400
