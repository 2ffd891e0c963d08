"""What admission and placement see of a card follows from what its agent says of it."""

import pytest
from sublet_quota.names.ids import GpuId
from sublet_quota.wire.agent_link import ForeignProcesses

from tests.support.fake_agent import a_gpu
from tests.support.hub_world import HubWorld, until

pytestmark = pytest.mark.asyncio


async def test_a_card_is_pause_only_for_as_long_as_somebody_foreign_uses_it(
    world: HubWorld,
) -> None:
    agent = await world.agent()

    def is_pause_only() -> bool:
        facts = world.service.capacity.holdings.gpu(GpuId("SIM-0"))
        return facts is not None and facts.pause_only

    assert not is_pause_only()
    agent.gpus = (a_gpu(foreign_processes=ForeignProcesses(count=1, pids=(42,), held_mib=2048)),)
    await agent.report()
    await until(is_pause_only)
    agent.gpus = (a_gpu(),)
    await agent.report()
    await until(lambda: not is_pause_only())
