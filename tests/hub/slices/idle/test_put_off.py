"""Who may put the end of an idle server off, and that this outlives the service."""

from datetime import datetime
from pathlib import Path

import pytest

from tests.support.hub_world import FakeHub, hub_world
from tests.support.idle_world import HOUR, IdleWorld, settings, with_an_idle_server

pytestmark = pytest.mark.asyncio


async def test_its_owner_puts_the_end_off(idle: IdleWorld) -> None:
    await idle.at(7.6)
    await idle.at(7.7)
    status, shown = await idle.extend()
    assert status == 200
    end = shown["idle_end"]
    assert datetime.fromisoformat(end["ends_at"]) == idle.began + 15.7 * HOUR
    assert end["extended_until"] == end["ends_at"]
    assert await idle.told() == []
    await idle.at(15)
    assert await idle.told() == []
    await idle.at(15.3)
    assert len(await idle.told()) == 1
    await idle.at(15.9)
    assert idle.world.hub.stopped == [("ada", "")]
    assert await idle.kinds() == [
        "server-idle-warned",
        "server-extended",
        "server-idle-warned",
        "server-ended-idle",
    ]


async def test_the_end_is_not_put_off_again_and_again_without_end(idle: IdleWorld) -> None:
    """Each is an event that is kept."""
    answers = [await idle.extend() for _ in range(25)]
    assert (answers[0][0], answers[-1][0]) == (200, 429)
    assert "servers were extended too often" in answers[-1][1]["message"]
    assert (await idle.kinds()).count("server-extended") <= 22


async def test_another_owner_is_told_nothing_of_it(idle: IdleWorld) -> None:
    await idle.at(7.6)
    await idle.at(7.7)
    assert len(await idle.told()) == 1
    _, share = await idle.world.call("GET", "share", idle.world.user("bob"))
    assert share["announcements"] == []


async def test_another_cannot_put_it_off_nor_learn_that_there_is_one(idle: IdleWorld) -> None:
    await idle.at(7.6)
    for token in (idle.world.user("bob"), idle.world.server("ada", "other")):
        status, problem = await idle.extend(token)
        assert (status, problem.get("reason")) == (404, "not-found")
    await idle.at(8.2)
    assert idle.world.hub.stopped == [("ada", "")]


async def test_the_servers_own_page_may_put_it_off(idle: IdleWorld) -> None:
    status, _ = await idle.extend(idle.world.server("ada"))
    assert status == 200


async def test_a_server_that_is_being_ended_cannot_be_put_off(idle: IdleWorld) -> None:
    await idle.at(7.6)
    idle.world.hub.slow_to_stop = True
    await idle.at(8.2)
    assert idle.world.hub.stopped
    status, problem = await idle.extend()
    assert (status, "is being ended already" in problem["message"]) == (409, True)
    (said,) = await idle.told()
    assert "is being ended, since " in said


async def test_warnings_and_what_was_put_off_outlive_the_service(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        before = await with_an_idle_server(world)
        await before.at(1)
        await before.extend()
        await before.at(8.6)
        assert len(await before.told()) == 1
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        # It looks by itself, too: from its beginning on it is as late as before.
        world.service.idle_servers._now = lambda: before.began + 8.6 * HOUR
        agent = await world.agent()
        after = IdleWorld(world, agent, before.slice_id)
        after.began = before.began
        await agent.until(lambda: agent.serves(lambda _: True))
        await after.says()
        await after.at(8.9)
        assert hub.stopped == []
        end = await after.end()
        assert end is not None
        assert datetime.fromisoformat(end["ends_at"]) == before.began + 9.1 * HOUR
        await after.at(9.1)
        assert hub.stopped == [("ada", "")]
