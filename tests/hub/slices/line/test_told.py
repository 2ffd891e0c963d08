"""What is told of the line, to whom, and who may leave it."""

import asyncio
import json
import re
import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sublet_hub.host.clock import utc_now
from sublet_hub.slices import line_standings
from sublet_quota.wire.api import TOTAL
from sublet_quota.wire.event_kinds import EventKind

from tests.support.hub_world import HubWorld, until
from tests.support.line_world import QUOTA, ask, events, full, give_back, put_in_force
from tests.support.quota_cases import a_reservation_of

pytestmark = pytest.mark.asyncio


async def test_its_owner_and_an_admin_take_it_out_and_nobody_else(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada")
    await ask(world, "bob", server="big")
    status, _ = await world.call("DELETE", "queue?owner=ada", world.user("bob"))
    assert status == 404
    assert (await world.call("DELETE", "queue", world.user("ada")))[0] == 204
    assert (await world.call("DELETE", "queue", world.user("ada")))[0] == 404
    status, _ = await world.call("DELETE", "queue?owner=bob&server=big", world.admin())
    assert status == 204
    assert not world.service.line.entries
    told = dict(await events(world, EventKind.QUEUE_LEFT))
    assert "its owner left the line" in told["ada"]
    assert "an administrator took it out of the line" in told["bob"]
    assert "root" not in told["bob"]


async def test_each_sees_their_own_admins_all_and_the_hub_whose_it_asks(world: HubWorld) -> None:
    await full(world)
    for owner in ("ada", "bob"):
        await ask(world, owner)
    for token, query, owners in (
        (world.user("ada"), "", ["ada"]),
        (world.user("zoe"), "", []),
        (world.admin(), "?all=1", ["ada", "bob"]),
        (world.admin(), "?owner=bob", ["bob"]),
    ):
        _, found = await world.call("GET", f"queue{query}", token)
        assert [each["owner"] for each in found] == owners
    assert (await world.call("GET", "queue?all=1", world.user("ada")))[0] == 403
    _, found = await world.hub_call("GET", "queue?owner=bob")
    assert [each["owner"] for each in found] == ["bob"]
    assert (await world.hub_call("DELETE", "queue?owner=bob"))[0] == 204
    assert [owner for owner, _ in world.service.line.entries] == ["ada"]


async def test_of_a_long_line_the_first_are_told_and_how_many_there_are(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await full(world)
    monkeypatch.setattr(line_standings, "MOST_TOLD", 2)
    for number in range(4):
        await ask(world, f"user{number}")
    response = await world.raw("GET", "api/queue?all=1", world.admin())
    assert [each["place"] for each in json.loads(response.body)] == [1, 2]
    assert response.headers[TOTAL] == "4"


async def test_how_the_line_stands_is_reckoned_once_until_it_changes(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await full(world)
    await ask(world, "ada")
    reckoned: list[object] = []
    reckon = line_standings._reckon
    monkeypatch.setattr(line_standings, "_reckon", lambda *of: reckoned.append(of) or reckon(*of))
    for _ in range(3):
        _, found = await world.call("GET", "queue", world.user("ada"))
        assert [each["place"] for each in found] == [1]
    assert len(reckoned) <= 1
    await ask(world, "bob")
    _, found = await world.call("GET", "queue?all=1", world.admin())
    assert [each["owner"] for each in found] == ["ada", "bob"]


async def test_who_is_due_room_when_an_exception_ends_is_told_when(world: HubWorld) -> None:
    ends = (utc_now() + timedelta(hours=1)).replace(second=0, microsecond=0)
    text = QUOTA.replace("  research: {guaranteed: {H100: 1}}\n", "  research: {}\n") + (
        "exceptions:\n"
        "  - {groups: [teaching], set: {guaranteed: {H100: 1}}, "
        f"until: {ends:%Y-%m-%d %H:%M}Z, why: lab}}\n"
    )
    await put_in_force(world, text)
    await world.agent()
    for server in ("", "b"):
        await world.slice_for("eve", server, size="half", groups=["teaching"])
    for owner, group in (("bob", "research"), ("ada", "teaching")):
        assert (await ask(world, owner, groups=[group]))[0] == 202
    _, found = await world.call("GET", "queue?all=1", world.admin())
    expected = {each["owner"]: (each["expected_at"], each["expected_why"]) for each in found}
    # She is of the group that has it all, which keeps that.
    assert expected["ada"][0] is None
    assert datetime.fromisoformat(expected["bob"][0]) == ends
    assert "when an exception ends" in expected["bob"][1]


async def test_offers_say_for_which_sizes_one_can_wait(world: HubWorld) -> None:
    await full(world)
    _, offers = await world.hub_call("GET", "offers?owner=ada&groups=teaching")
    assert {each["size"]: (each["allowed"], each["waits"]) for each in offers["offers"]} == {
        "whole": (False, True),
        "half": (False, True),
    }
    await put_in_force(world, QUOTA.replace("when_full: queue, ", ""))
    _, offers = await world.hub_call("GET", "offers?owner=ada&groups=teaching")
    assert not any(each["waits"] for each in offers["offers"])


async def test_nobody_elses_place_is_seen_or_left(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada", server="big")
    others = world.user("bob")
    status, problem = await world.call("GET", "queue?owner=ada", others)
    assert (status, problem["message"]) == (
        403,
        "only 'ada' and admins may ask for this, and you are 'bob'",
    )
    assert (await world.call("GET", "queue?all=1", others))[0] == 403
    assert (await world.call("GET", "hub/queue?owner=ada", others))[0] == 403
    assert (await world.call("DELETE", "queue?owner=ada&server=big", others))[0] == 404
    assert (await world.call("DELETE", "hub/queue?owner=ada&server=big", others))[0] == 403
    assert (await world.call("GET", "queue", others))[1] == []
    _, (own,) = await world.call("GET", "queue", world.user("ada"))
    assert (own["owner"], own["server"]) == ("ada", "big")


async def test_whose_turn_has_come_is_told_to_them_and_nobody_else(world: HubWorld) -> None:
    eves = await full(world)
    for owner in ("ada", "bob"):
        await ask(world, owner)
    await give_back(world, eves)
    await until(lambda: {owner for owner, *_ in world.hub.started} == {"ada", "bob"})
    for name in ("ada", "bob", "zoe"):
        seen = [] if name == "zoe" else [name]
        _, found = await world.call("GET", "queue", world.user(name))
        assert [each["owner"] for each in found] == seen
        _, found = await world.hub_call("GET", f"queue?owner={name}")
        assert [each["owner"] for each in found] == seen


async def test_another_server_of_its_owner_sees_it_and_takes_it_out(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada", server="big")
    theirs, mine = world.server("bob", "big"), world.server("ada", "small")
    assert (await world.call("DELETE", "queue?owner=ada&server=big", theirs))[0] == 404
    assert [each["server"] for each in (await world.call("GET", "queue", mine))[1]] == ["big"]
    assert (await world.call("DELETE", "queue?server=big", mine))[0] == 204
    assert not world.service.line.entries


async def test_a_share_says_how_many_of_ones_servers_are_in_line(world: HubWorld) -> None:
    eves = await full(world)
    for server in ("", "big"):
        await ask(world, "ada", server=server)
    await ask(world, "ada", server="big", size="whole")
    await ask(world, "bob")

    async def told(name: str) -> int:
        _, share = await world.call("GET", "share", world.user(name))
        return int(share["servers_waiting"])

    assert [await told(name) for name in ("ada", "bob", "eve")] == [2, 1, 0]
    await world.call("DELETE", "queue?server=big", world.user("ada"))
    assert [await told(name) for name in ("ada", "bob", "eve")] == [1, 1, 0]
    await give_back(world, eves)
    await until(lambda: {owner for owner, *_ in world.hub.started} == {"ada", "bob"})
    await ask(world, "ada")
    await ask(world, "bob")
    assert [await told(name) for name in ("ada", "bob", "eve")] == [0, 0, 0]


async def test_what_is_told_of_a_place_names_groups_and_nobody_else(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada")
    _, wait = await ask(world, "bob")
    told = json.dumps({**wait, "owner": ""})
    assert not any(re.search(rf"\b{name}\b", told) for name in ("ada", "eve"))


async def test_metrics_tell_who_waits_and_how_long_those_waited_who_had_their_turn(
    world: HubWorld,
) -> None:
    eves = await full(world)
    for owner in ("ada", "bob"):
        await ask(world, owner)

    def told(name: str) -> dict[tuple[str, ...], float]:
        lines = world.service.metrics.text().decode().splitlines()
        found = (re.match(rf"{name}{{(.*)}} (.*)", line) for line in lines)
        return {
            tuple(re.findall(r'"([^"]*)"', each[1])): float(each[2])
            for each in found
            if each is not None
        }

    assert told("sublet_notebooks_waiting") == {("teaching", ""): 2}
    await give_back(world, eves)
    await until(lambda: not any(e.slice_id is None for e in world.service.line.entries.values()))
    await until(lambda: not told("sublet_notebooks_waiting"))
    assert told("sublet_notebook_wait_seconds_count") == {("H100", "teaching", "interactive"): 2}
    assert '"ada"' not in world.service.metrics.text().decode()


async def test_no_account_is_in_the_ledger(world: HubWorld) -> None:
    await full(world)
    account = world.account("ada")
    account["environment"] = {"WORD": "canary-in-the-account"}
    await ask(world, "ada", account=account)
    (entry,) = world.service.line.entries.values()
    assert "account" not in entry.request
    assert b"canary" not in (world.folder / "ledger.sqlite").read_bytes()


async def test_who_waits_for_room_that_is_kept_for_a_reservation_is_not_told_that_it_is_there(
    world: HubWorld,
) -> None:
    await world.agent()
    holdings = world.service.capacity.holdings
    (card,) = holdings.gpus()
    # Else what is kept is reckoned anew meanwhile.
    world.service.places._reserved._again_at = world.service.now() + timedelta(days=1)
    holdings.kept_cards = {card.gpu_id: a_reservation_of("research")}
    status, wait = await ask(world, "ada")
    assert status == 202
    assert "No GPU of pool 'interactive' has room for" in wait["message"]


async def test_who_is_told_of_waits_for_no_reckoning_because_of_who_joined_since(
    world: HubWorld,
) -> None:
    """A class that comes within a minute would else be told of one after another."""
    await full(world)
    await ask(world, "ada")
    standings = world.service.line.standings
    (ada,) = world.service.line.entries.values()
    known = standings._known
    assert known is not None
    # Another has joined since, and it rests for as long as the reckoning took.
    standings._known = replace(known, entries=known.entries - 1, took_s=3600.0)
    async with asyncio.timeout(30):
        wait = await standings.one(ada)
    assert wait is not None
    assert wait.place == 1
    # What was reckoned in no time, or before somebody left, is made anew.
    for other in ({"took_s": 0.2}, {"left": -1, "took_s": 0.5}):
        standings._known = replace(known, entries=-1, at_s=time.monotonic(), **other)
        assert await standings.one(ada) is not None
        assert standings._known.entries != -1
