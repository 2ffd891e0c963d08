"""Idle servers: by their agent's word alone, warned first, put off by their owners, then ended."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.host.clock import utc_now
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.agent_link import WaitReport

from tests.support.hub_world import FakeHub, hub_world, until
from tests.support.idle_world import HOUR, IdleWorld, settings, with_an_idle_server

pytestmark = pytest.mark.asyncio


async def test_an_idle_server_is_ended_after_its_owner_was_warned(idle: IdleWorld) -> None:
    await idle.at(7.4)
    end = await idle.end()
    assert end is not None
    assert datetime.fromisoformat(end["ends_at"]) == idle.began + 8 * HOUR
    assert (end["max_idle_s"], end["warned_at"], await idle.told()) == (8 * 3600, None, [])
    await idle.at(7.6)
    (said,) = await idle.told()
    assert "will be ended at " in said
    assert "run a cell, or extend it" in said
    end = await idle.end()
    assert end is not None
    assert datetime.fromisoformat(end["ends_at"]) == idle.began + 8.1 * HOUR
    await idle.at(8.05)
    assert (idle.world.hub.stopped, await idle.kinds()) == ([], ["server-idle-warned"])
    await idle.at(8.1)
    assert idle.world.hub.stopped == [("ada", "")]
    await until(lambda: not idle.world.service.ledger.slices)
    (said,) = await idle.told()
    assert said.startswith("Your server was ended at ")
    assert await idle.kinds() == ["server-idle-warned", "server-ended-idle"]
    await idle.at(30)
    idle.idle_servers.forget_old()
    assert len(await idle.told()) == 1
    await idle.at(33)
    idle.idle_servers.forget_old()
    assert await idle.told() == []


@pytest.mark.parametrize(
    "values",
    [
        {"active": True},
        {"running_cell": True},
        {"wait": WaitReport(reason=WaitReason.TURN, place=1)},
        {"quiet_since": None},
    ],
    ids=["active", "a cell on the CPU", "a cell that waits for room", "an agent of before"],
)
async def test_who_is_at_work_or_not_known_to_be_idle_is_neither_warned_nor_ended(
    idle: IdleWorld, values: dict[str, Any]
) -> None:
    await idle.at(7.6)
    await idle.says(**values)
    assert await idle.end() is None
    assert await idle.told() == []
    for hours in (8.2, 20, 40):
        await idle.at(hours)
    assert idle.world.hub.stopped == []


async def test_a_cell_begins_the_time_anew(idle: IdleWorld) -> None:
    await idle.at(7.6)
    await idle.says(quiet_since=idle.began + 7.8 * HOUR)
    await idle.at(9)
    assert await idle.told() == []
    end = await idle.end()
    assert end is not None
    assert datetime.fromisoformat(end["ends_at"]) == idle.began + 15.8 * HOUR


async def test_what_was_said_before_a_cell_that_nobody_saw_run_is_over(idle: IdleWorld) -> None:
    await idle.at(7.6)
    await idle.extend()
    await idle.at(15.3)
    assert len(await idle.told()) == 1
    # Begun and ended between two looks.
    await idle.says(quiet_since=idle.began + 15.4 * HOUR)
    end = await idle.end()
    assert end is not None
    assert (end["extended_until"], end["warned_at"], await idle.told()) == (None, None, [])
    await idle.at(16)
    assert not idle.idle_servers._notes.kept
    await idle.at(30)
    assert (len(await idle.told()), idle.world.hub.stopped) == (1, [])


async def test_nothing_is_concluded_from_an_agent_whose_clock_is_behind(idle: IdleWorld) -> None:
    """What it says was seen last may have been a moment ago."""
    idle.agent.behind = 8 * HOUR
    await idle.report()
    then = idle.began + 9 * HOUR
    idle.idle_servers._now = lambda: then
    await idle.idle_servers.look()
    assert not idle.idle_servers._notes.kept
    idle.agent.behind = timedelta()
    await idle.at(9)
    assert len(await idle.told()) == 1


async def test_nothing_is_concluded_from_an_agents_silence_and_its_owner_is_warned_anew(
    idle: IdleWorld,
) -> None:
    await idle.at(7.6)
    await idle.agent.close()
    await until(lambda: idle.world.service.fleet.is_silent("node-a"))
    for hours in (8.2, 9, 40):
        await idle.at(hours)
    assert (idle.world.hub.stopped, await idle.end(), await idle.told()) == ([], None, [])
    back = await idle.world.agent()
    back.says, idle.agent = idle.agent.says, back
    await back.until(lambda: back.serves(lambda _: True))
    await idle.at(40.1)
    assert idle.world.hub.stopped == []
    (said,) = await idle.told()
    assert "will be ended at " in said
    await idle.at(40.7)
    assert idle.world.hub.stopped == [("ada", "")]


async def test_a_slice_that_is_kept_is_not_ended_before(tmp_path: Path, hub: FakeHub) -> None:
    document = "everyone: {max_idle: 2h, keep_a_day: 4h}"
    async with hub_world(tmp_path, hub, settings(tmp_path, document)) as world:
        idle = await with_an_idle_server(world)
        path = f"slices/{idle.slice_id}/keep"
        status, kept = await world.call("POST", path, world.user("ada"), {"minutes": 240})
        assert status == 200
        await idle.at(3)
        end = await idle.end()
        assert (end is not None, await idle.told()) == (True, [])
        assert end == {**(end or {}), "ends_at": kept["kept_until"], "extended_until": None}
        await idle.at(4.1)
        assert (len(await idle.told()), hub.stopped) == (1, [])


async def test_a_hub_that_is_away_is_asked_until_it_ends_the_server(
    idle: IdleWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await idle.at(7.6)
    idle.world.hub.broken = True
    with caplog.at_level(logging.WARNING, "sublet_hub.slices.server_stops"):
        for _ in range(3):
            await idle.at(8.2)
    assert sum("not stopped yet" in line for line in caplog.messages) == 1
    (said,) = await idle.told()
    assert "is being ended" in said
    idle.world.hub.broken = False
    await idle.at(8.2)
    assert idle.world.hub.stopped == [("ada", "")]


async def test_who_may_be_idle_for_ever_is_told_of_no_end(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        idle = await with_an_idle_server(world, groups=["lab"])
        for hours in (8, 9, 100):
            await idle.at(hours)
        assert (await idle.end(), await idle.told(), hub.stopped) == (None, [], [])
        status, problem = await idle.extend()
        assert (status, "not ended for being idle" in problem["message"]) == (409, True)


async def test_a_shorter_time_in_a_new_document_warns_first(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        idle = await with_an_idle_server(world)
        await idle.at(5)
        settings(tmp_path, "everyone: {max_idle: 2h}")
        document = world.service.quota.document
        await until(lambda: world.service.quota.document is not document)
        await idle.at(5)
        assert (len(await idle.told()), hub.stopped) == (1, [])
        await idle.at(5.4)
        assert hub.stopped == []
        await idle.at(5.5)
        assert hub.stopped == [("ada", "")]


async def test_an_end_that_its_owner_was_warned_of_is_known_to_who_waits_in_line(
    idle: IdleWorld,
) -> None:
    await idle.at(7.4)
    assert idle.idle_servers.announced_ends() == {}
    await idle.at(7.6)
    end = await idle.end()
    assert end is not None
    ends_at = datetime.fromisoformat(end["ends_at"])
    assert idle.idle_servers.announced_ends() == {idle.slice_id: ends_at}
    assert idle.world.assembly.line._ends().of_idle == idle.idle_servers.announced_ends()
    await idle.says(active=True)
    assert idle.idle_servers.announced_ends() == {}


async def test_an_agent_that_tells_of_a_time_to_come_breaks_nobodys_view(idle: IdleWorld) -> None:
    """An end beyond all times that are told was an error of each answer that has the server."""
    await idle.says(quiet_since=datetime(9000, 12, 31, 23, tzinfo=UTC))
    for path, token in (("gpus", idle.world.admin()), ("share", idle.world.user("ada"))):
        assert (await idle.world.call("GET", path, token))[0] == 200, path
    end = await idle.end()
    assert end is not None
    assert datetime.fromisoformat(end["ends_at"]) <= utc_now() + 8 * HOUR
