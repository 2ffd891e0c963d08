"""What the hub asks: offers, and slices handed out and taken back."""

import pytest

from tests.support.hub_world import HubWorld

pytestmark = pytest.mark.asyncio


async def test_a_server_gets_a_slice_and_the_agent_is_told(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada", size="medium")
    assert (lease["gpu_id"], lease["node"], lease["holder"]) == ("SIM-0", "node-a", "notebook")
    await agent.until(lambda: [s.slice_id for s in agent.assignments.slices] == [lease["slice_id"]])
    assert agent.assignments.slices[0].owner == "ada"
    assert agent.assignments.gpus[0].pool == "interactive"
