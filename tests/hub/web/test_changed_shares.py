"""An owner gives a slice up, or resizes it: told to the agent, or refused with what to do."""

import asyncio
from typing import Any

import pytest

from tests.hub.web.test_shares import told
from tests.support.fake_agent import GIB, a_report
from tests.support.hub_world import HubWorld, until

pytestmark = pytest.mark.asyncio


async def test_giving_up_is_told_to_the_agent_and_ends_a_keep(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    token, path = world.user("ada"), f"slices/{lease['slice_id']}"
    assert (await world.call("POST", f"{path}/keep", token, {"minutes": 60}))[0] == 200
    status, info = await world.call("POST", f"{path}/give-up", token)
    assert (status, info["kept_until"]) == (200, None)
    await agent.until(lambda: agent.serves(lambda told: told.given_up_at is not None), 60)
    assert agent.assignments.slices[0].kept_until is None
    _, share = await world.call("GET", "share", token)
    assert share["quota"]["keep_left_minutes"] >= 239
    await world.call("POST", f"{path}/wake", token)
    await agent.until(lambda: agent.serves(lambda told: told.wanted_since is not None), 60)
    assert agent.assignments.slices[0].given_up_at is None


async def test_a_slice_with_a_running_cell_is_not_given_up_and_it_says_what_to_do(
    world: HubWorld,
) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    await told(world, agent, lease["slice_id"], running_cell=True)
    status, problem = await world.call(
        "POST", f"slices/{lease['slice_id']}/give-up", world.user("ada")
    )
    assert (status, problem["reason"]) == (409, "conflict")
    assert "interrupt it" in problem["message"]


async def test_a_cell_that_has_just_ended_is_waited_for(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    await told(world, agent, lease["slice_id"], running_cell=True)
    path = f"slices/{lease['slice_id']}/give-up"
    asking = asyncio.create_task(world.call("POST", path, world.user("ada")))
    agent.says[lease["slice_id"]] = a_report(lease["slice_id"], running_cell=False)
    await agent.report()
    assert (await asking)[0] == 200


async def test_a_slice_is_resized_live_and_its_agent_counts_by_the_new_size(
    world: HubWorld,
) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada", size="small")
    token, path = world.user("ada"), f"slices/{lease['slice_id']}/resize"
    status, info = await world.call("POST", path, token, {"memory_mib": 30 * GIB})
    assert status == 200, info
    assert info["lease"]["memory_mib"] == 30 * GIB
    assert info["lease"]["compute_milli"] == lease["compute_milli"]
    await agent.until(lambda: agent.serves(lambda told: told.memory_mib == 30 * GIB), 60)
    _, share = await world.call("GET", "share", token)
    assert share["quota"]["own"]["held_mib"] == 30 * GIB
    status, info = await world.call("POST", path, token, {"size": "small"})
    assert (status, info["lease"]["memory_mib"]) == (200, lease["memory_mib"])
    assert info["lease"]["size"] == "small"


async def test_no_slice_becomes_smaller_than_what_it_holds(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada", memory_mib=10 * GIB, compute_milli=100)
    await told(world, agent, lease["slice_id"], memory_mib=3 * GIB, host_mib=2 * GIB)
    path = f"slices/{lease['slice_id']}/resize"
    status, problem = await world.call("POST", path, world.user("ada"), {"memory_mib": 4 * GIB})
    assert (status, problem["reason"]) == (409, "below-held")
    assert problem["numbers"] == {"asked_mib": 4 * GIB, "held_mib": 5 * GIB}
    assert world.service.ledger.slices[lease["slice_id"]].memory_mib == 10 * GIB
    assert world.service.capacity.holdings.slice(lease["slice_id"]) is not None


async def test_a_slice_whose_agent_is_silent_keeps_its_size(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada", size="small")
    await agent.close()
    await until(lambda: world.service.fleet.is_silent("node-a"), 60)
    path = f"slices/{lease['slice_id']}/resize"
    status, problem = await world.call("POST", path, world.user("ada"), {"memory_mib": 1024})
    assert (status, problem["reason"]) == (409, "conflict")


@pytest.mark.parametrize(
    "body", [{"memory_mib": 0}, {"memory_mib": "much"}, {"compute_milli": 1001}, {"x": 1}]
)
async def test_a_size_that_is_none_is_refused(world: HubWorld, body: dict[str, Any]) -> None:
    await world.agent()
    lease = await world.slice_for("ada")
    path = f"slices/{lease['slice_id']}/resize"
    assert (await world.call("POST", path, world.user("ada"), body))[0] == 400
