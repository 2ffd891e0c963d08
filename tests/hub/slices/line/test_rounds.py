"""What happens while notebooks wait: time, documents, rights and rounds along the line."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sublet_hub.slices import line_rounds
from sublet_quota.wire.event_kinds import EventKind

from tests.support.hub_world import FakeHub, HubWorld, hub_world, until
from tests.support.line_world import (
    QUOTA,
    ask,
    events,
    full,
    give_back,
    pass_time,
    put_in_force,
    settings_with,
)

pytestmark = pytest.mark.asyncio


async def test_whom_no_waiting_helps_under_another_document_is_told_and_leaves(
    world: HubWorld,
) -> None:
    await full(world)
    await ask(world, "ada")
    await ask(world, "bob", size="whole")
    await put_in_force(world, QUOTA.replace("  - {name: half, memory: 1/2, compute: 1/2}\n", ""))
    await until(lambda: [owner for owner, _ in world.service.line.entries] == ["bob"])
    ((owner, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert owner == "ada"
    assert "no waiting helps any more" in words
    assert "half" in words


async def test_where_the_line_is_closed_who_waits_is_told(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada")
    await put_in_force(world, QUOTA.replace("when_full: queue, ", ""))
    await until(lambda: not world.service.line.entries)
    ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert "lets no notebooks wait in line any more" in words


async def test_who_is_in_another_group_by_now_waits_by_that_one(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada")
    world.hub.people["ada"] = ("research",)
    await world.assembly.line.rights.look()
    await world.service.line.look()
    assert {each.group for each in world.service.ledger.slices.values()} == {"teaching", "research"}
    await until(lambda: bool(world.hub.started))
    status, _ = await ask(world, "ada", groups=["research"])
    assert status == 201
    assert {each.group for each in world.service.ledger.slices.values()} == {"teaching", "research"}


async def test_whose_turn_comes_and_who_has_no_right_any_more_is_refused_and_told(
    tmp_path: Path, hub: FakeHub
) -> None:
    text = QUOTA.replace("compute: 1/2}", "compute: 1/2, for: [teaching]}")
    async with hub_world(tmp_path, hub, settings_with(tmp_path, text)) as world:
        eves = await full(world)
        await ask(world, "ada")
        await give_back(world, eves)
        await until(lambda: bool(world.hub.started))
        status, _ = await ask(world, "ada", groups=["research"])
        assert status == 403
        assert not world.service.line.entries
        assert not world.service.ledger.slices
        ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
        assert "no waiting helps any more" in words


async def test_who_waits_counts_among_those_beside_whom_use_is_seen(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada")
    assert set(world.service.line.asking()) == {("teaching", "ada")}
    assert set(world.service.queue._others_ask()) == {("teaching", "ada")}
    await world.call("DELETE", "queue", world.user("ada"))
    await until(lambda: not set(world.service.line.asking()))


async def test_a_line_in_which_nothing_changes_is_not_walked_again(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await full(world)
    await ask(world, "ada")
    rounds = world.service.line._rounds
    await rounds.look()
    walked: list[object] = []
    walk = line_rounds.walk
    monkeypatch.setattr(line_rounds, "_AT_LEAST_EVERY_S", 3600.0)
    monkeypatch.setattr(line_rounds, "walk", lambda *of: walked.append(of) or walk(*of))
    await rounds.look()
    assert not walked
    await ask(world, "bob")
    assert walked


async def test_others_are_served_while_a_long_line_is_walked(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await full(world)
    for number in range(5):
        await ask(world, f"user{number}")
    monkeypatch.setattr(line_rounds, "_PART_S", 0.0)
    between: list[int] = []

    async def others() -> None:
        while True:
            between.append(1)
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await world.service.line._rounds.take()
    task.cancel()
    assert len(between) >= 5


async def test_who_has_waited_the_longest_that_is_allowed_leaves_and_is_told(
    world: HubWorld,
) -> None:
    await full(world)
    await ask(world, "ada")
    pass_time(world, timedelta(hours=2))
    await until(lambda: not world.service.line.entries)
    ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert "it waited 120 min" in words


async def test_whom_the_hub_has_removed_leaves_the_line_at_once_and_with_what_was_kept_for_them(
    world: HubWorld,
) -> None:
    eves = await full(world)
    world.hub.people |= {"bob": None}
    for owner in ("ada", "bob"):
        await ask(world, owner)
    world.hub.people.pop("ada", None)
    await world.assembly.line.rights.look()
    assert [owner for owner, _ in world.service.line.entries] == ["bob"]
    ((owner, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert (owner, "no such user any more" in words) == ("ada", True)
    await give_back(world, eves)
    await until(lambda: bool(world.hub.started))
    assert {owner for owner, _, _ in world.hub.started} == {"bob"}


async def test_a_new_user_waits_on_though_the_hub_has_just_said_that_there_is_none(
    world: HubWorld,
) -> None:
    await full(world)
    assert (await world.call("GET", "share?owner=ada", world.admin()))[0] == 404
    world.hub.people["ada"] = None
    await ask(world, "ada")
    await world.assembly.line.rights.look()
    assert [owner for owner, _ in world.service.line.entries] == ["ada"]


async def test_a_hub_that_does_not_answer_takes_nobody_out_of_the_line(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada")
    world.hub.broken = True
    await world.assembly.line.rights.look()
    assert [owner for owner, _ in world.service.line.entries] == ["ada"]
