"""Idle slices make room on other cards, and come back where a card fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.ledger.records import Change, PodIdentity
from sublet_quota.names.ids import GpuId, UserName
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import FakeAgent, a_gpu, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world
from tests.support.moving_world import (
    CARDS,
    QUOTA,
    assigned,
    in_pieces,
    is_told_of_all,
    moving,
    settings,
    whole,
)

pytestmark = pytest.mark.asyncio


async def test_where_an_idle_entitled_slice_cannot_move_who_came_instead_takes_turns(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with in_labs(tmp_path, hub) as world:
        agent, _ = await two_idle_halves(world)
        record, hers = await whole(world)
        agent.says[record.slice_id] = a_report(record.slice_id, stays="it sees one card")
        await agent.report()
        (after,) = world.service.ledger.slices_of_owner(record.owner)
        assert (after.gpu.gpu_id, after.moving_to, after.called_back_since) == (hers, None, None)
        assert world.service.capacity.holdings.rank(after.slice_id) is Rank.ENTITLED
        (came,) = world.service.ledger.slices_of_owner(UserName("ada"))
        assert came.called_back_since is not None
        # Nor is it asked again, for whoever comes next.
        await world.hub_call("DELETE", f"slices/{came.slice_id}")
        agent.says[record.slice_id] = idle_report(record.slice_id)
        await agent.report()
        lease = await world.slice_for("abe", size="whole")
        moved = moving(world)
        assert moved is not None
        assert moved.slice_id != record.slice_id
        assert lease["gpu_id"] != hers


async def test_of_several_that_cannot_move_each_has_its_place_and_who_came_is_told_once(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with in_labs(tmp_path, hub) as world:
        agent = await world.agent(gpus=CARDS)
        wanted = (("bob", "large"), ("ben", "large"), ("cat", "medium"), ("dan", "medium"))
        leases = {
            owner: await world.slice_for(owner, groups=("lab",), size=size)
            for owner, size in wanted
        }
        cards = {owner: lease["gpu_id"] for owner, lease in leases.items()}
        assert cards["bob"] == cards["ben"] != cards["cat"] == cards["dan"]
        await world.hub_call("DELETE", f"slices/{leases.pop('ben')['slice_id']}")
        world.service.places.look()
        await is_told_of_all(world, agent)
        asked = [leases[owner]["slice_id"] for owner in ("cat", "dan")]
        agent.says[leases["bob"]["slice_id"]] = a_report(leases["bob"]["slice_id"])
        agent.says |= {slice_id: idle_report(slice_id) for slice_id in asked}
        await agent.report()
        came = await world.slice_for("ada", size="whole")
        assert came["gpu_id"] == cards["cat"]
        slices = world.service.ledger.slices
        assert [slices[each].moving_to for each in asked] == [cards["bob"]] * 2
        agent.says |= {each: a_report(each, stays="it sees one card") for each in asked}
        await agent.report()
        assert [slices[each].moving_to for each in asked] == [None, None]
        assert [slices[each].called_back_since for each in asked] == [None, None]
        assert slices[came["slice_id"]].called_back_since is not None
        _, events = await world.call("GET", "events", world.user("ada"))
        kinds = [each["kind"] for each in events]
        assert kinds.count(EventKind.SLICE_CALLED_BACK) == 1


async def test_who_could_not_move_is_asked_again_once_its_programs_are_others(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with in_labs(tmp_path, hub) as world:
        agent, _ = await two_idle_halves(world)
        record, _ = await whole(world)
        agent.says[record.slice_id] = a_report(record.slice_id, stays="it sees one", pids=(7,))
        await agent.report()
        for pids, is_asked in (((7,), False), ((7, 8), False), ((8,), True)):
            agent.says[record.slice_id] = idle_report(record.slice_id, pids=pids)
            await agent.report()
            world.service.card_changes.look()
            idle = world.service.capacity.holdings.idle
            assert (record.slice_id in idle) == is_asked, pids


def idle_report(slice_id: str, **fields: Any) -> Any:
    return a_report(slice_id, state="resident", active=False, gate_open=False, **fields)


async def two_idle_halves(world: HubWorld) -> tuple[FakeAgent, list[str]]:
    """Let two of a lab that is guaranteed two cards have half of each."""
    agent = await world.agent(gpus=CARDS)
    leases = {
        each: await world.slice_for(each, groups=("lab",), size="large")
        for each in ("bob", "ben", "cat")
    }
    cards = [each["gpu_id"] for each in leases.values()]
    gone = next(name for name, at in leases.items() if cards.count(at["gpu_id"]) == 2)
    await world.hub_call("DELETE", f"slices/{leases.pop(gone)['slice_id']}")
    world.service.places.look()
    await is_told_of_all(world, agent)
    slices = [lease["slice_id"] for lease in leases.values()]
    for slice_id in slices:
        agent.says[slice_id] = idle_report(slice_id)
    await agent.report()
    return agent, slices


IN_LABS = QUOTA + "groups: {lab: {guaranteed: {H100: 2}}}\n"


@asynccontextmanager
async def in_labs(folder: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    """Run a service whose document guarantees a lab two cards."""
    here = settings(folder)
    (folder / "quota.yaml").write_text(IN_LABS)
    async with hub_world(folder, hub, here) as world:
        yield world


@pytest.mark.parametrize("is_at_work", [False, True])
async def test_an_idle_entitled_slice_makes_room_and_stays_entitled(
    tmp_path: Path, hub: FakeHub, *, is_at_work: bool
) -> None:
    async with in_labs(tmp_path, hub) as world:
        agent, slices = await two_idle_halves(world)
        if is_at_work:
            agent.says |= {each: a_report(each) for each in slices}
            await agent.report()
            body = {"owner": "ada", "server": "", "account": world.account("ada"), "size": "whole"}
            status, refusal = await world.hub_call("POST", "slices", body)
            assert status == 409, refusal
            assert moving(world) is None
            return
        record, hers = await whole(world)
        assert {hers, record.moving_to} == {"SIM-0", "SIM-1"}
        assert record.called_back_since is None
        await agent.until(
            lambda: (
                (told := assigned(agent, record.slice_id)) is not None
                and (told.move_to, told.rank) == (record.moving_to, Rank.ENTITLED)
            )
        )
        agent.says[record.slice_id] = a_report(record.slice_id, gpu_id=record.moving_to)
        await agent.report()
        (after,) = world.service.ledger.slices_of_owner(record.owner)
        assert (after.gpu.gpu_id, after.called_back_since) == (record.moving_to, None)
        assert world.service.capacity.holdings.rank(after.slice_id) is Rank.ENTITLED
        world.service.card_changes.look()
        assert moving(world) is None


async def test_the_hub_learns_of_a_card_to_which_the_move_was_called_off_too_late(
    tmp_path: Path, hub: FakeHub
) -> None:
    """Its agent was bringing it back there, and had not heard."""
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        agent = await in_pieces(world)
        record, hers = await whole(world)
        other = record.moving_to
        failing(agent, str(other))
        await agent.report()
        world.service.card_changes.look()
        await agent.until(
            lambda: (
                (told := assigned(agent, record.slice_id)) is not None
                and told.perhaps_on == (other,)
                and (told.gpu_id, told.move_to) == (hers, None)
            )
        )
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        agent = await world.agent(gpus=CARDS)
        agent.says[record.slice_id] = a_report(record.slice_id, gpu_id=other)
        await agent.report()
        (after,) = world.service.ledger.slices_of_owner(record.owner)
        assert (after.gpu.gpu_id, after.moving_to, after.perhaps_on) == (other, None, ())
        # It was not asked to come, and takes turns there until there is room.
        assert after.called_back_since is not None
        holding = world.service.capacity.holdings.slice(record.slice_id)
        assert holding is not None
        assert (holding.gpu_id, holding.called_back) == (other, True)


async def test_every_card_that_a_move_was_called_off_to_is_kept_until_one_has_ended(
    world: HubWorld,
) -> None:
    agent = await world.agent(gpus=(*CARDS, a_gpu("SIM-2", index=2)))
    lease = await world.slice_for("bob", size="large")
    slice_id = lease["slice_id"]
    await is_told_of_all(world, agent)
    record = world.service.ledger.slices[slice_id]
    first, second = (
        GpuId(each) for each in sorted({"SIM-0", "SIM-1", "SIM-2"} - {lease["gpu_id"]})
    )
    for to in (first, second, None):
        record = record.bound_for(to)
    assert record.perhaps_on == (first, second)
    assert record.bound_for(first).perhaps_on == (second,)
    world.service.ledger.apply(Change(slices=(record.bound_for(first),)), world.service.now())
    agent.says[slice_id] = a_report(slice_id, gpu_id=first)
    await agent.report()
    after = world.service.ledger.slices[slice_id]
    assert (after.gpu.gpu_id, after.perhaps_on, after.called_back_since) == (first, (), None)


def failing(agent: FakeAgent, gpu_id: str) -> None:
    agent.gpus = tuple(
        gpu.model_copy(update={"closed": "xid: XID 79"}) if gpu.gpu_id == gpu_id else gpu
        for gpu in agent.gpus
    )


@pytest.mark.parametrize("state", ["suspended", "resident"])
async def test_what_is_suspended_on_a_card_that_fails_comes_back_on_another(
    world: HubWorld, state: str
) -> None:
    agent = await world.agent(gpus=CARDS)
    lease = await world.slice_for("bob", size="large")
    slice_id, first = lease["slice_id"], lease["gpu_id"]
    await is_told_of_all(world, agent)
    agent.says[slice_id] = a_report(slice_id, state=state, active=False, gate_open=False)
    failing(agent, first)
    await agent.report()
    world.service.card_changes.look()
    record = moving(world)
    if state == "resident":
        # Its memory is on the card that fails: nothing can be moved from there.
        assert record is None
        return
    assert record is not None
    (other,) = {"SIM-0", "SIM-1"} - {first}
    assert (record.gpu.gpu_id, record.moving_to) == (first, other)
    agent.says[slice_id] = a_report(slice_id, stays="the driver refused")
    await agent.report()
    world.service.card_changes.look()
    assert moving(world) is None


async def test_no_card_is_left_for_what_is_suspended_where_the_others_are_full(
    world: HubWorld,
) -> None:
    agent = await world.agent(gpus=CARDS)
    leases = [await world.slice_for(each, size="whole") for each in ("bob", "ben")]
    slice_id, first = leases[0]["slice_id"], leases[0]["gpu_id"]
    await is_told_of_all(world, agent)
    agent.says[slice_id] = a_report(slice_id, state="suspended", active=False, gate_open=False)
    failing(agent, first)
    await agent.report()
    world.service.card_changes.look()
    assert moving(world) is None


async def test_the_slice_of_a_pod_takes_turns_on_the_card_that_the_cluster_gave_it(
    world: HubWorld,
) -> None:
    await in_pieces(world)
    now = world.service.now()
    for record in tuple(world.service.ledger.slices.values()):
        pod = PodIdentity(f"uid-{record.slice_id}", "default", "jupyter-x", record.gpu.node)
        world.service.ledger.apply(Change(slices=(replace(record, pod=pod),)), now)
    await world.slice_for("ada", size="whole")
    assert moving(world) is None
    called_back = [s for s in world.service.ledger.slices.values() if s.called_back_since]
    assert len(called_back) == 1
