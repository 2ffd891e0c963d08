"""JupyterHub is asked to start whose turn has come, them alone, and as long as it takes."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sublet_hub.ledger.queued_servers import QueueEntry, ServerName
from sublet_hub.ledger.records import Change
from sublet_hub.slices import jupyterhub_client
from sublet_hub.slices.server_starts import MOST_FAILURES
from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.wire.event_kinds import EventKind

from tests.support.hub_world import FakeHub, HubWorld, hub_world, until
from tests.support.line_world import ask, events, full, give_back, pass_time, settings_with

pytestmark = pytest.mark.asyncio


async def test_a_hub_that_does_not_answer_is_asked_again(world: HubWorld) -> None:
    eves = await full(world)
    await ask(world, "ada")
    world.hub.start_status = 503
    await give_back(world, eves)
    await until(lambda: any(each.slice_id for each in world.service.line.entries.values()))
    assert not world.hub.started
    world.hub.start_status = 202
    await until(lambda: bool(world.hub.started))


async def test_what_the_hub_does_not_start_any_more_loses_its_place_and_is_told(
    world: HubWorld,
) -> None:
    eves = await full(world)
    world.hub.start_status = 404
    await ask(world, "ada")
    await give_back(world, eves)
    await until(lambda: not world.service.line.entries)
    assert not world.service.ledger.slices
    ((owner, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert owner == "ada"
    assert "JupyterHub does not start it" in words


async def test_what_is_not_started_in_time_loses_its_place_and_is_told(world: HubWorld) -> None:
    """Its owner may have no more servers, say: JupyterHub answers that as if one ran already."""
    eves = await full(world)
    await ask(world, "ada")
    world.hub.start_status = 400
    await give_back(world, eves)
    # It is asked again when its first answer was taken: from that on time counts.
    await until(lambda: world.hub.asked_about.count("ada") > 1)
    pass_time(world, timedelta(hours=1))
    await until(lambda: not world.service.line.entries)
    assert not world.service.ledger.slices
    ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert "was not started in time" in words


async def test_while_the_hub_is_down_a_slice_that_is_to_be_started_is_kept(world: HubWorld) -> None:
    eves = await full(world)
    await ask(world, "ada")
    world.hub.start_status = 503
    await give_back(world, eves)
    await until(lambda: bool(world.service.ledger.slices))
    (record,) = world.service.ledger.slices.values()
    reconciliation = world.service.reconciliation
    reconciliation.look_at_processes()
    pass_time(world, timedelta(hours=1))
    reconciliation.look_at_processes()
    assert record.slice_id in world.service.ledger.slices
    status, lease = await ask(world, "ada")
    assert (status, lease["slice_id"]) == (201, record.slice_id)
    reconciliation.look_at_processes()
    assert record.slice_id in world.service.ledger.slices, "its server is starting only now"
    pass_time(world, timedelta(hours=1))
    reconciliation.look_at_processes()
    assert record.slice_id not in world.service.ledger.slices


async def test_time_counts_from_when_the_hub_could_start_it(world: HubWorld) -> None:
    eves = await full(world)
    await ask(world, "ada")
    world.hub.start_status = 503
    await give_back(world, eves)
    await until(lambda: bool(world.service.ledger.slices))
    pass_time(world, timedelta(hours=1))
    world.hub.start_status = 202
    await until(lambda: world.hub.asked_about.count("ada") > 1)
    assert [owner for owner, _ in world.service.line.entries] == ["ada"]


@pytest.mark.parametrize("changes", ["the service starts it", "its owner does", "it stops"])
async def test_a_server_that_is_being_started_keeps_its_slice_however_long(
    world: HubWorld, changes: str
) -> None:
    eves = await full(world)
    await ask(world, "ada")
    if changes == "it stops":
        world.hub.start_status = 400
    if changes != "the service starts it":
        world.hub.people["ada"] = ()
        world.hub.servers["ada"] = {""}
        world.hub.starts_or_stops.add(("ada", ""))
    await give_back(world, eves)
    await until(lambda: world.hub.asked_about.count("ada") > 1)
    pass_time(world, timedelta(hours=1))
    asked = len(world.hub.asked_about)
    await until(lambda: len(world.hub.asked_about) > asked + 1)
    assert len(world.hub.started) <= 1
    assert (await ask(world, "ada"))[0] == 201


async def test_of_a_hub_that_does_not_wait_for_starts_a_few_are_asked_for_that_fail(
    world: HubWorld,
) -> None:
    """As zero-to-jupyterhub's, which answers before a start has come to anything."""
    eves = await full(world)
    world.hub.starts_end_at_once = True
    await ask(world, "ada")
    await give_back(world, eves)
    # Each is looked at in rounds of their own, of which a busy machine has few.
    await until(lambda: not world.service.line.entries, 300)
    assert len(world.hub.started) == MOST_FAILURES
    assert not world.service.ledger.slices
    ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert "its start fails" in words


async def test_starts_that_fail_before_the_hub_has_answered_are_asked_for_a_few_times(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub waits for starts as long as it is set to, which may be longer than anybody waits."""
    monkeypatch.setattr(jupyterhub_client, "ANSWERS_WITHIN_S", 0.2)
    hub, eves = world.hub, await full(world)
    hub.starts_answered = asyncio.Event()
    await ask(world, "ada")
    await give_back(world, eves)
    for begun in range(1, MOST_FAILURES + 1):
        await until(partial(has_begun, world, begun))
        hub.servers["ada"].discard("")
    await until(lambda: not world.service.line.entries)
    assert len(hub.started) == MOST_FAILURES
    ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert "its start fails" in words
    hub.starts_answered.set()


def has_begun(world: HubWorld, starts: int) -> bool:
    """Whether the hub was asked for so many starts, and the last was seen to be under way."""
    asked = world.assembly.line.starts._asked.values()
    return len(world.hub.started) == starts and all(each.has_begun for each in asked)


async def test_where_the_hub_has_not_answered_and_nothing_is_seen_nobody_is_given_up(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jupyterhub_client, "ANSWERS_WITHIN_S", 0.2)
    hub, eves = world.hub, await full(world)
    hub.starts_answered, hub.starts_end_at_once = asyncio.Event(), True
    await ask(world, "ada")
    await give_back(world, eves)
    await until(lambda: len(hub.started) > MOST_FAILURES)
    pass_time(world, timedelta(hours=1))
    asked = len(hub.started)
    await until(lambda: len(hub.started) > asked + 1)
    assert [owner for owner, _ in world.service.line.entries] == ["ada"]
    hub.starts_answered.set()


async def test_turns_come_while_the_hub_has_not_answered_who_has_a_server_started(
    world: HubWorld,
) -> None:
    await world.agent()
    held = [await world.slice_for(owner, size="half", groups=["teaching"]) for owner in ("u", "v")]
    world.hub.starts_answered = asyncio.Event()
    for owner in ("ada", "bob"):
        await ask(world, owner)
    entries = world.service.line.entries
    for owner, lease in zip(("ada", "bob"), held, strict=True):
        await give_back(world, lease["slice_id"])
        await until(partial(has_its_turn, entries, owner))
        await until(lambda: bool(world.hub.started))
    assert [owner for owner, _, _ in world.hub.started] == ["ada"], "ada's is not answered yet"
    world.hub.starts_answered.set()
    await until(lambda: len(world.hub.started) == 2)


def has_its_turn(entries: Mapping[ServerName, QueueEntry], owner: str) -> bool:
    """Whether the turn of an owner's server has come."""
    return entries[UserName(owner), ""].slice_id is not None


async def test_a_server_that_runs_without_its_slice_leaves_the_line_and_is_told(
    world: HubWorld,
) -> None:
    eves = await full(world)
    await ask(world, "ada")
    world.hub.people["ada"] = ()
    world.hub.servers["ada"] = {""}
    world.hub.start_status = 400
    await give_back(world, eves)
    await until(lambda: not world.service.line.entries)
    assert not world.service.ledger.slices
    ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert "runs already, without the slice" in words


async def test_only_whose_turn_has_come_is_ever_started(world: HubWorld) -> None:
    await full(world)
    for owner in ("ada", "bob"):
        await ask(world, owner)
    for _ in range(3):
        await world.assembly.line.starts.start_due()
    assert not world.hub.started
    assert [owner for owner, _ in world.service.line.entries] == ["ada", "bob"]


async def test_what_lost_its_slice_is_not_started(world: HubWorld) -> None:
    eves = await full(world)
    await ask(world, "ada")
    world.hub.start_status = 503
    await give_back(world, eves)
    await until(lambda: bool(world.service.ledger.slices))
    (slice_id,) = world.service.ledger.slices
    await give_back(world, slice_id)
    await until(lambda: not world.service.line.entries)
    ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert "its slice went to others" in words


async def test_what_is_being_started_as_the_service_begins_anew_is_kept(
    tmp_path: Path, hub: FakeHub
) -> None:
    """Its lease came late, or the service was away: nobody could tell it of a process yet."""
    settings = settings_with(tmp_path, start_within=timedelta(hours=1))
    async with hub_world(tmp_path, hub, settings) as world:
        slice_id = SliceId(await full(world))
        ledger, now = world.service.ledger, world.service.now()
        record = replace(ledger.slices[slice_id], created_at=now - timedelta(hours=2))
        ledger.apply(Change(slices=(record,)), now)
    async with hub_world(tmp_path, hub, settings) as world:
        world.service.reconciliation.look_at_processes()
        assert slice_id in world.service.ledger.slices
        pass_time(world, timedelta(hours=2))
        world.service.reconciliation.look_at_processes()
        assert slice_id not in world.service.ledger.slices


@pytest.mark.parametrize("status", [403, 500])
async def test_what_the_hub_answers_and_does_not_start_does_not_keep_its_slice_for_ever(
    world: HubWorld, status: int
) -> None:
    """A login that ran out, or a start that fails: a slice is not kept from others for that."""
    eves = await full(world)
    world.hub.start_status = status
    await ask(world, "ada")
    await give_back(world, eves)
    await until(lambda: bool(world.service.ledger.slices))
    if status == 403:
        asked = world.assembly.line.starts._asked
        await until(lambda: any(each.counted_from for each in asked.values()))
        assert world.service.line.entries
        pass_time(world, timedelta(hours=1))
    await until(lambda: not world.service.line.entries)
    assert not world.service.ledger.slices
    ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert ("was not started in time" if status == 403 else "its start fails") in words
