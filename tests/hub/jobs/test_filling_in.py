"""A job fills in on a card that is kept for one before it, makes way in its turn, and goes on."""

from pathlib import Path

import pytest
from sublet_quota.wire.event_kinds import EventKind

from tests.hub.jobs.test_held_back import settings_with, slice_of, told
from tests.support.fake_agent import GIB, a_gpu
from tests.support.hub_world import FakeHub, hub_world, until
from tests.support.job_owner import Ada, make_ada

pytestmark = pytest.mark.asyncio


async def lends(ada: Ada, mib: int) -> None:
    ada.agent.gpus = (a_gpu("SIM-0", lendable_mib=mib),)
    await ada.agent.report()


async def test_a_job_that_fills_in_is_suspended_for_the_one_before_it_and_goes_on_after_it(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path)) as world:
        ada = await make_ada(world)
        old = await ada.submit(["wait", "old"], memory_mib=40 * GIB)
        await ada.until(old, "running")
        await lends(ada, 39 * GIB)
        large = await ada.submit(["wait", "large"])
        small = await ada.submit(["wait", "small"], memory_mib=20 * GIB)
        await ada.until(small, "running")

        passed = [slice_of(world, each).fills_in_for for each in (old, small)]
        assert passed == [(), (large,)]
        why = (await ada.see(large))["reason"]
        assert "GPU 0 of node-a is kept for it" in why
        assert "at the latest" in why
        await lends(ada, 19 * GIB)
        (ada.home / "old").touch()
        await ada.until(old, "done")
        await lends(ada, 59 * GIB)
        await ada.until(large, "running")
        held = slice_of(world, small)
        assert held.held_back_since is not None
        (event,) = await told(world, EventKind.JOB_HELD_BACK)
        assert event["slice_id"] == held.slice_id
        assert "which comes before it, runs on its card" in event["detail"]
        # As long as that is there, another round changes nothing.
        world.service.queue.let_go_on()
        assert slice_of(world, small) == held
        (ada.home / "large").touch()
        await ada.until(large, "done")
        await until(lambda: slice_of(world, small).held_back_since is None)
        (ada.home / "small").touch()
        await ada.until(small, "done")
