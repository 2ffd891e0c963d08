"""Room in pieces becomes a whole card: a slice moves to another, and the hub follows it there."""

from pathlib import Path

import pytest
from sublet_hub.ledger.database import EventQuery
from sublet_hub.slices import card_changes as module
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world
from tests.support.metric_world import metric_world
from tests.support.moving_world import CARDS, QUOTA, assigned, in_pieces, moving, settings, whole

pytestmark = pytest.mark.asyncio


async def test_a_whole_card_is_made_from_two_halves(world: HubWorld) -> None:
    agent = await in_pieces(world)
    record, hers = await whole(world)
    other = record.moving_to
    assert {hers, other} == {"SIM-0", "SIM-1"}
    holding = world.service.capacity.holdings.slice(record.slice_id)
    assert holding is not None
    # Its place is there already: nobody else gets it.
    assert (holding.gpu_id, holding.called_back) == (other, False)
    await agent.until(
        lambda: (told := assigned(agent, record.slice_id)) is not None and told.move_to == other
    )
    told = assigned(agent, record.slice_id)
    assert told is not None
    assert (told.gpu_id, told.rank) == (hers, Rank.CALLED_BACK)
    _, share = await world.call("GET", "share", world.user(record.owner))
    assert share["slices"][0]["moving_to"] == int(str(other).removeprefix("SIM-"))
    _, events = await world.call("GET", "events", world.admin())
    assert any("moves to GPU" in each["detail"] for each in events)

    agent.says[record.slice_id] = a_report(record.slice_id, gpu_id=other)
    await agent.report()
    (after,) = world.service.ledger.slices_of_owner(record.owner)
    assert (after.gpu.gpu_id, after.moving_to, after.called_back_since) == (other, None, None)
    await agent.until(
        lambda: (told := assigned(agent, record.slice_id)) is not None and told.gpu_id == other
    )
    told = assigned(agent, record.slice_id)
    assert told is not None
    assert (told.move_to, told.rank) == (None, Rank.BORROWED)
    assert moving(world) is None


async def test_an_owner_is_told_from_which_card_they_were_moved(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        agent = await in_pieces(world)
        record, hers = await whole(world)
        _, share = await world.call("GET", "share", world.user(record.owner))
        assert (share["slices"][0]["came_from"], share["slices"][0]["came_at"]) == (None, None)
        agent.says[record.slice_id] = a_report(record.slice_id, gpu_id=record.moving_to)
        await agent.report()
        _, share = await world.call("GET", "share", world.user(record.owner))
        (shown,) = share["slices"]
        assert shown["came_from"] == int(hers.removeprefix("SIM-"))
        assert shown["came_at"] is not None


async def test_a_move_goes_on_after_a_restart(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        await in_pieces(world)
        record, _ = await whole(world)
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        agent = await world.agent(gpus=CARDS)
        await agent.until(
            lambda: (
                (told := assigned(agent, record.slice_id)) is not None
                and told.move_to == record.moving_to
            )
        )
        agent.says[record.slice_id] = a_report(record.slice_id, gpu_id=record.moving_to)
        await agent.report()
        assert moving(world) is None


async def test_who_cannot_move_is_called_back_where_they_are(world: HubWorld) -> None:
    agent = await in_pieces(world)
    record, hers = await whole(world)
    agent.says[record.slice_id] = a_report(record.slice_id, stays="it sees one card")
    await agent.report()
    (after,) = world.service.ledger.slices_of_owner(record.owner)
    assert (after.gpu.gpu_id, after.moving_to) == (hers, None)
    assert after.called_back_since is not None
    holding = world.service.capacity.holdings.slice(record.slice_id)
    assert holding is not None
    assert (holding.gpu_id, holding.called_back) == (hers, True)
    _, events = await world.call("GET", "events", world.admin())
    assert any("it sees one card" in each["detail"] for each in events)


async def test_of_an_agents_words_for_that_an_event_has_the_first(world: HubWorld) -> None:
    agent = await in_pieces(world)
    record, _ = await whole(world)
    agent.says[record.slice_id] = a_report(record.slice_id, stays="no! " * 1000)
    await agent.report()
    found = world.service.ledger.events(
        EventQuery(None, record.owner, 1000, EventKind.SLICE_CALLED_BACK)
    )
    (told,) = (each.detail for each in found if "no! no!" in each.detail)
    assert len(told) < 1000


async def test_a_card_that_fails_meanwhile_calls_the_move_off(world: HubWorld) -> None:
    agent = await in_pieces(world)
    record, hers = await whole(world)
    agent.gpus = tuple(
        gpu.model_copy(update={"closed": "xid: XID 79"}) if gpu.gpu_id != hers else gpu
        for gpu in agent.gpus
    )
    await agent.report()
    world.service.card_changes.look()
    (after,) = world.service.ledger.slices_of_owner(record.owner)
    assert (after.gpu.gpu_id, after.moving_to) == (hers, None)
    assert after.called_back_since is not None


async def test_an_agent_moves_nothing_to_another_nodes_card(world: HubWorld) -> None:
    agent = await in_pieces(world)
    record, hers = await whole(world)
    for elsewhere in ("SIM-of-nobody", hers):
        agent.says[record.slice_id] = a_report(record.slice_id, gpu_id=elsewhere)
        await agent.report()
        assert moving(world) == record


async def test_the_hub_follows_a_slice_that_its_agent_took_back(world: HubWorld) -> None:
    """Its programs were started for that card, and use it."""
    agent = await in_pieces(world)
    record, hers = await whole(world)
    agent.says[record.slice_id] = a_report(record.slice_id, gpu_id=record.moving_to)
    await agent.report()
    agent.says[record.slice_id] = a_report(record.slice_id, gpu_id=hers)
    await agent.report()
    (after,) = world.service.ledger.slices_of_owner(record.owner)
    assert after.gpu.gpu_id == hers
    # It has no place there beside her.
    assert after.called_back_since is not None
    # An agent that says one and then the other writes no more into the ledger.
    agent.says[record.slice_id] = a_report(record.slice_id, gpu_id=record.moving_to)
    await agent.report()
    assert world.service.ledger.slices_of_owner(record.owner) == (after,)


async def test_so_it_does_after_a_restart(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        agent = await in_pieces(world)
        record, hers = await whole(world)
        agent.says[record.slice_id] = a_report(record.slice_id, gpu_id=record.moving_to)
        await agent.report()
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        agent = await world.agent(gpus=CARDS)
        agent.says[record.slice_id] = a_report(record.slice_id, gpu_id=hers)
        await agent.report()
        (after,) = world.service.ledger.slices_of_owner(record.owner)
        assert after.gpu.gpu_id == hers
        assert after.called_back_since is not None


async def test_who_may_be_away_from_home_is_looked_up_some_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []
    monkeypatch.setattr(module, "_LOOKED_AT_ONCE", 2)
    monkeypatch.setattr(module, "home_of", lambda _, slice_id: looked_at.append(slice_id))
    with metric_world(tmp_path, QUOTA) as world:
        world.cards(3)
        for name in ("a", "b", "c"):
            world.hold(SliceId(name))
        changes = module.CardChanges(world.ledger, world.fleet, world.capacity, lambda: world.now)
        for expected in (2, 3, 3):
            changes.look()
            assert len(looked_at) == len(set(looked_at)) == expected
