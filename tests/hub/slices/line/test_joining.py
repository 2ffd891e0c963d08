"""Notebooks join the line, wait in their order, and have their turn."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sublet_hub.ledger.records import Change
from sublet_hub.slices import server_queue
from sublet_quota.names.ids import SliceId
from sublet_quota.wire.event_kinds import EventKind

from tests.support.hub_world import FakeHub, HubWorld, hub_world, until
from tests.support.line_world import OPTIONS, QUOTA, ask, events, full, give_back, settings_with

pytestmark = pytest.mark.asyncio


async def test_a_notebook_without_room_waits_and_is_told_its_place(world: HubWorld) -> None:
    await full(world)
    status, wait = await ask(world, "ada")
    assert status == 202
    assert (wait["owner"], wait["place"], wait["before"], wait["size"]) == ("ada", 1, 0, "half")
    assert (wait["group"], wait["pool"]) == ("teaching", "interactive")
    assert wait["expected_at"] is None
    assert "not known" in wait["expected_why"]
    assert wait["message"].startswith("Your notebook is in line, at place 1;")
    since, leaves = (datetime.fromisoformat(wait[name]) for name in ("since", "until"))
    assert leaves - since == timedelta(hours=2)
    _, second = await ask(world, "bob")
    assert (second["place"], second["before"]) == (2, 1)


async def test_where_the_document_does_not_say_so_it_is_refused(
    tmp_path: Path, hub: FakeHub
) -> None:
    text = QUOTA.replace("when_full: queue, ", "")
    async with hub_world(tmp_path, hub, settings_with(tmp_path, text)) as world:
        await full(world)
        status, problem = await ask(world, "ada")
        assert (status, problem["reason"]) == (409, "no-room")


async def test_what_no_waiting_helps_is_refused_at_once(world: HubWorld) -> None:
    await full(world)
    status, problem = await ask(world, "ada", size="nothing-like-it")
    assert (status, problem["reason"]) == (400, "unknown-size")
    assert not world.service.line.entries


async def test_when_its_turn_comes_the_hub_starts_it_and_it_gets_that_very_slice(
    world: HubWorld,
) -> None:
    eves = await full(world)
    await ask(world, "ada", server="big one")
    await give_back(world, eves)
    await until(lambda: world.hub.started[:1] == [("ada", "big one", OPTIONS)])
    (record,) = world.service.ledger.slices.values()
    status, lease = await ask(world, "ada", server="big one")
    assert (status, lease["slice_id"]) == (201, record.slice_id)
    assert not world.service.line.entries
    assert [owner for owner, _ in await events(world, EventKind.QUEUED)] == ["ada"]
    assert [owner for owner, _ in await events(world, EventKind.QUEUE_TURN)] == ["ada"]


async def test_another_wish_at_its_turn_is_decided_anew(world: HubWorld) -> None:
    eves = await full(world)
    await ask(world, "ada")
    await give_back(world, eves)
    await until(lambda: bool(world.hub.started))
    status, lease = await ask(world, "ada", size="whole")
    assert (status, lease["size"]) == (201, "whole")
    assert len(world.service.ledger.slices) == 1
    assert not world.service.line.entries


async def test_asked_again_with_another_wish_it_keeps_its_age(world: HubWorld) -> None:
    await full(world)
    _, first = await ask(world, "ada")
    await ask(world, "bob")
    status, again = await ask(world, "ada", size="whole")
    assert (status, again["place"], again["size"]) == (202, 1, "whole")
    assert again["since"] == first["since"]
    assert len(world.service.line.entries) == 2


async def test_options_without_end_are_not_kept_and_it_is_started_with_those_that_the_hub_has(
    world: HubWorld,
) -> None:
    eves = await full(world)
    options = {"size": "half", "image": "x" * 20_000}
    await ask(world, "ada", start_options=options)
    (entry,) = world.service.line.entries.values()
    assert len(str(entry)) < 2_000
    await give_back(world, eves)
    await until(lambda: bool(world.hub.started))
    assert world.hub.started[0] == ("ada", "", None)
    status, _ = await ask(world, "ada", start_options=options)
    assert status == 201


async def test_a_new_request_does_not_overtake_who_waits(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("eve", size="half", groups=["teaching"])
    status, _ = await ask(world, "ada", size="whole")
    assert status == 202
    status, late = await ask(world, "bob")
    assert (status, late["place"]) == (202, 2), "the card is kept for who came before"
    assert "kept for who comes before" in late["message"]


async def test_who_is_within_a_guarantee_has_their_place_at_once(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada")
    status, lease = await ask(world, "rita", groups=["research"], size="whole")
    assert (status, lease["size"]) == (201, "whole")
    assert [owner for owner, _ in world.service.line.entries] == ["ada"]


async def test_the_line_outlives_the_service(tmp_path: Path, hub: FakeHub) -> None:
    settings = settings_with(tmp_path, start_within=timedelta(days=1))
    async with hub_world(tmp_path, hub, settings) as world:
        eves = await full(world)
        _, first = await ask(world, "ada")
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        (wait,) = (await world.call("GET", "queue", world.user("ada")))[1]
        assert wait["since"] == first["since"]
        await give_back(world, eves)
        await until(lambda: bool(hub.started))
    async with hub_world(tmp_path, hub, settings) as world:
        hub.started.clear()
        await until(lambda: bool(hub.started))
        status, _ = await ask(world, "ada")
        assert status == 201


@pytest.mark.parametrize("other_by", [0, 1])
async def test_whose_slice_was_handed_out_as_the_service_was_killed_has_it_if_it_is_its_own(
    tmp_path: Path, hub: FakeHub, other_by: int
) -> None:
    settings = settings_with(tmp_path, start_within=timedelta(days=1))
    async with hub_world(tmp_path, hub, settings) as world:
        eves = await full(world)
        await ask(world, "ada")
        (entry,) = world.service.line.entries.values()
        ledger, now = world.service.ledger, world.service.now()
        made = replace(
            ledger.slices[SliceId(eves)],
            slice_id=SliceId("handed-out"),
            owner=entry.owner,
            created_at=now,
            lot=entry.lot + other_by,
        )
        ledger.apply(Change(slices=(made,)), now)
    async with hub_world(tmp_path, hub, settings) as world:
        (entry,) = world.service.line.entries.values()
        assert entry.slice_id == (None if other_by else "handed-out")


async def test_who_asks_for_something_else_meanwhile_has_that_and_the_first_one_waits(
    world: HubWorld,
) -> None:
    """A start that was given up is answered, too: what it is told is none of the second one's."""
    await full(world)
    await ask(world, "ada")
    line = world.service.line
    # As if both were asked for while a round is under way.
    async with line._rounds._turn:
        first = asyncio.create_task(ask(world, "ada", size="whole"))
        await until(lambda: any(e.request["size"] == "whole" for e in line.entries.values()))
        second = asyncio.create_task(ask(world, "ada"))
        await until(lambda: any(e.request["size"] == "half" for e in line.entries.values()))
        (slice_id,) = world.service.ledger.slices
        world.service.allocation.release(slice_id, "eve has gone")
    (status, wait), (other, lease) = await asyncio.gather(first, second)
    assert (status, other, lease["size"]) == (202, 201, "half")
    assert wait["owner"] == "ada"
    assert [each.size for each in world.service.ledger.slices.values()] == ["half"]


async def test_an_owner_and_all_together_have_so_many_in_line(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await full(world)
    monkeypatch.setattr(server_queue, "MOST_OF_AN_OWNER", 1)
    assert (await ask(world, "ada"))[0] == 202
    status, problem = await ask(world, "ada", server="more")
    assert (status, problem["reason"]) == (409, "no-room")
    assert (await ask(world, "ada"))[0] == 202
    monkeypatch.setattr(server_queue, "MOST_OF_ALL", 1)
    assert (await ask(world, "bob"))[0] == 409
