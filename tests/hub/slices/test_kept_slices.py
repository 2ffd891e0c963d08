"""Slices are kept, woken and resized: as often as is allowed, and told to the agent."""

from datetime import UTC, datetime, timedelta

import pytest
from sublet_hub.ledger.database import EventQuery
from sublet_hub.ledger.records import EventRecord
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import GIB
from tests.support.hub_world import HubWorld

pytestmark = pytest.mark.asyncio


KEEPS = EventQuery(None, "ada", 2000, EventKind.SLICE_KEPT)


async def test_keeping_is_told_to_the_agent_and_ends_when_asked(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    token, path = world.user("ada"), f"slices/{lease['slice_id']}/keep"
    status, info = await world.call("POST", path, token, {"minutes": 30})
    assert (status, info["kept_until"] is not None) == (200, True)
    await agent.until(lambda: agent.serves(lambda told: told.kept_until is not None))
    status, info = await world.call("POST", path, token, {"minutes": 0})
    assert (status, info["kept_until"]) == (200, None)
    await agent.until(lambda: agent.serves(lambda told: told.kept_until is None))


async def test_keeping_has_a_budget_a_day_of_which_unused_time_is_given_back(
    world: HubWorld,
) -> None:
    await world.agent()
    lease = await world.slice_for("ada")
    token, path = world.user("ada"), f"slices/{lease['slice_id']}/keep"
    assert (await world.call("POST", path, token, {"minutes": 240}))[0] == 200
    assert (await world.call("POST", path, token, {"minutes": 0}))[0] == 200
    assert (await world.call("POST", path, token, {"minutes": 240}))[0] == 429
    assert (await world.call("POST", path, token, {"minutes": 239}))[0] == 200
    other = await world.slice_for("ada", "other")
    status, problem = await world.call(
        "POST", f"slices/{other['slice_id']}/keep", token, {"minutes": 60}
    )
    assert (status, problem["reason"]) == (429, "keep-budget")
    for minutes in (-1, 10_000, "x"):
        assert (await world.call("POST", path, token, {"minutes": minutes}))[0] == 400


async def test_keeping_for_no_time_what_is_not_kept_is_no_event(world: HubWorld) -> None:
    await world.agent()
    lease = await world.slice_for("ada")
    token, path = world.user("ada"), f"slices/{lease['slice_id']}/keep"
    for _ in range(30):
        assert (await world.call("POST", path, token, {"minutes": 0}))[0] == 200
    assert world.service.ledger.events(KEEPS) == ()


async def test_slices_are_not_kept_anew_without_end(world: HubWorld) -> None:
    await world.agent()
    lease = await world.slice_for("ada")
    token, path = world.user("ada"), f"slices/{lease['slice_id']}/keep"
    answers = [await world.call("POST", path, token, {"minutes": 1}) for _ in range(25)]
    assert (answers[0][0], answers[-1][0]) == (200, 429)
    assert "too often" in answers[-1][1]["message"]
    assert len(world.service.ledger.events(KEEPS)) <= 21


async def test_slices_are_not_resized_without_end(world: HubWorld) -> None:
    """Each size that was held is kept, by which hours are reckoned: days of it filled the disk."""
    await world.agent()
    lease = await world.slice_for("ada")
    token, path = world.user("ada"), f"slices/{lease['slice_id']}/resize"
    asked = [{"memory_mib": GIB + (number % 2)} for number in range(25)]
    answers = [await world.call("POST", path, token, each) for each in asked]
    assert (answers[0][0], answers[-1][0]) == (200, 429)
    assert "resized too often" in answers[-1][1]["message"]
    service, later = world.service, world.service.now() + timedelta(days=1)
    periods = service.ledger.held_periods(later - timedelta(days=2), later)
    assert len(tuple(periods)) <= 22


async def test_who_kept_more_often_than_anybody_counts_has_no_budget_left(world: HubWorld) -> None:
    await world.agent()
    lease = await world.slice_for("ada")
    token, path = world.user("ada"), f"slices/{lease['slice_id']}/keep"
    assert (await world.call("POST", path, token, {"minutes": 240}))[0] == 200
    now = datetime.now(UTC)
    many = (
        EventRecord(f"k{n}", now, "slice-kept", slice_id=lease["slice_id"], owner="ada")
        for n in range(1000)
    )
    world.service.ledger.add_events(tuple(many))
    status, problem = await world.call("POST", path, token, {"minutes": 1})
    assert (status, problem["reason"]) == (429, "keep-budget")
    # To end it is possible nonetheless.
    status, info = await world.call("POST", path, token, {"minutes": 0})
    assert (status, info["kept_until"]) == (200, None)


async def test_waking_is_told_to_the_agent_and_not_without_end(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    token, path = world.user("ada"), f"slices/{lease['slice_id']}/wake"
    assert (await world.call("POST", path, token))[0] == 200
    await agent.until(lambda: agent.serves(lambda told: told.wanted_since is not None))
    statuses = [(await world.call("POST", path, token))[0] for _ in range(20)]
    assert statuses[-1] == 429
