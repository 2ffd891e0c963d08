"""Idle servers: by their agent's word alone, warned first, put off by their owners, then ended."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.host.clock import utc_now
from sublet_hub.jobs import changes
from sublet_hub.ledger.records import Change
from sublet_hub.slices import server_stops
from sublet_hub.slices.idle_servers import IdleServers
from sublet_quota.life_cycles.job_states import JobMove
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import UserName
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.agent_link import WaitReport

from tests.support.fake_agent import GIB, FakeAgent, a_gpu, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.hub_world_runner import write_interpreter, write_script

pytestmark = pytest.mark.asyncio
QUOTA = """
everyone: {max_idle: 8h}
groups:
  lab: {each: {max_idle: unlimited}}
"""
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that did not stop a server is asked again at once."""
    monkeypatch.setattr(server_stops, "ASKED_AGAIN_S", 0.0)


class IdleWorld:
    """A service, a node, and Ada's server there, which is idle unless a test says otherwise."""

    def __init__(self, world: HubWorld, agent: FakeAgent, slice_id: str) -> None:
        self.world = world
        self.agent = agent
        self.slice_id = slice_id
        self.began = utc_now()

    @property
    def idle_servers(self) -> IdleServers:
        found: IdleServers = self.world.service.idle_servers
        return found

    async def says(self, **values: Any) -> None:
        """Have the agent say this of the slice, else that it is idle since the beginning."""
        usual: dict[str, Any] = {
            "active": False,
            "since": self.began,
            "quiet_since": self.began,
            "state": SliceState.SUSPENDED,
        }
        self.agent.says[self.slice_id] = a_report(self.slice_id, **{**usual, **values})
        await self.report()

    async def at(self, hours: float) -> None:
        """Let it be so many hours after the beginning, and have the service look."""
        then = self.began + hours * HOUR
        self.idle_servers._now = lambda: then
        await self.report()
        await self.idle_servers.look()

    async def report(self) -> None:
        """Have the agent say again what it says: it does so each second."""
        if self.world.service.fleet.is_connected("node-a"):
            await self.agent.report()

    async def share(self) -> dict[str, Any]:
        await self.report()
        _, share = await self.world.call("GET", "share", self.world.user("ada"))
        return dict(share)

    async def end(self) -> dict[str, Any] | None:
        (mine,) = (await self.share())["slices"]
        found: dict[str, Any] | None = mine["idle_end"]
        return found

    async def told(self) -> list[str]:
        told = (await self.share())["announcements"]
        assert not any(each["from_admin"] for each in told)
        return [each["text"] for each in told]

    async def extend(self, token: str | None = None) -> tuple[int, Any]:
        token = token or self.world.user("ada")
        return await self.world.call("POST", f"slices/{self.slice_id}/extend", token, {})

    async def kinds(self) -> list[str]:
        _, events = await self.world.call("GET", "events", self.world.user("ada"))
        return [each["kind"] for each in events if each["kind"].startswith("server-")]


def settings(folder: Path, quota: str = QUOTA) -> Any:
    path = folder / "quota.yaml"
    path.write_text(quota)
    # Beyond the service's own patience with servers that never started.
    return settings_for(folder, quota_file=path, start_within=timedelta(days=9))


async def with_an_idle_server(world: HubWorld, **wish: Any) -> IdleWorld:
    agent = await world.agent()
    world.interpreter = write_interpreter(world.folder / "python")
    lease = await world.slice_for("ada", **wish)
    await agent.until(lambda: agent.serves(lambda _: True))
    made = IdleWorld(world, agent, lease["slice_id"])
    made.began = datetime.fromisoformat(lease["created_at"])
    await made.says()
    return made


@pytest_asyncio.fixture
async def idle(tmp_path: Path, hub: FakeHub) -> Any:
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        yield await with_an_idle_server(world)


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


async def hand_over(idle: IdleWorld, token: str, query: str = "") -> str:
    """Have somebody promote a notebook; return the job, which waits: its card lends too little."""
    world = idle.world
    idle.agent.gpus = (a_gpu(lendable_mib=GIB),)
    await idle.agent.report()
    for owner in ("ada", "bob"):
        write_script(world.folder / "homes" / owner / "train.ipynb", ["print", "x"])
    body = {"notebook": "train.ipynb"}
    status, job = await world.call("POST", f"jobs{query}", token, body)
    assert status == 201, job
    return str(job["job_id"])


def has_begun(idle: IdleWorld, job_id: str) -> None:
    """Have a job run once, and be back in the queue."""
    ledger = idle.world.service.ledger
    (job,) = (each for each in ledger.live_jobs.values() if each.job_id == job_id)
    ledger.apply(Change(jobs=(replace(job, attempts=1),)), idle.world.service.now())


async def spared(idle: IdleWorld) -> dict[str, Any] | None:
    (mine,) = (await idle.share())["slices"]
    found: dict[str, Any] | None = mine["idle_spared"]
    return found


async def test_a_server_is_not_ended_while_a_job_goes_on_that_was_handed_over_from_it(
    idle: IdleWorld,
) -> None:
    job_id = await hand_over(idle, idle.world.server("ada"))
    has_begun(idle, job_id)
    for hours in (7.6, 8.2, 40):
        await idle.at(hours)
        assert (await idle.end(), await idle.told(), idle.world.hub.stopped) == (None, [], [])
    told = await spared(idle)
    assert told is not None
    assert (told["job_id"], told["runs"], told["others"]) == (job_id, False, 0)
    assert "is not ended while job 'train', promoted from it, waits to go on." in told["message"]
    status, problem = await idle.extend()
    assert (status, "not ended while job 'train'" in problem["message"]) == (409, True)


async def test_a_job_that_waits_for_its_first_turn_keeps_no_server(idle: IdleWorld) -> None:
    """It may wait for ever, and so would the server stay that nobody uses."""
    job_id = await hand_over(idle, idle.world.server("ada"))
    await idle.at(7.6)
    assert (await spared(idle), len(await idle.told())) == (None, 1)
    ledger = idle.world.service.ledger
    (job,) = (each for each in ledger.live_jobs.values() if each.job_id == job_id)
    ends_at = idle.began + 7.7 * HOUR
    ledger.apply(changes.ended(job, JobMove.CANCEL, ends_at, changes.who_cancelled(job)), ends_at)
    # Nor does the end of one that never began put anything off.
    await idle.at(8.2)
    assert idle.world.hub.stopped == [("ada", "")]


async def test_who_was_warned_is_spared_for_a_job_and_the_time_begins_anew_when_that_ends(
    idle: IdleWorld,
) -> None:
    await idle.at(7.6)
    assert len(await idle.told()) == 1
    job_id = await hand_over(idle, idle.world.server("ada"))
    has_begun(idle, job_id)
    await idle.at(9)
    assert await idle.told() == []
    ledger = idle.world.service.ledger
    (job,) = (each for each in ledger.live_jobs.values() if each.job_id == job_id)
    ends_at = idle.began + 12 * HOUR
    ledger.apply(changes.ended(job, JobMove.CANCEL, ends_at, changes.who_cancelled(job)), ends_at)
    await idle.at(19.4)
    end = await idle.end()
    assert end is not None
    assert datetime.fromisoformat(end["ends_at"]) == ends_at + 8 * HOUR
    assert (await spared(idle), await idle.told(), idle.world.hub.stopped) == (None, [], [])
    await idle.at(19.6)
    assert len(await idle.told()) == 1
    await idle.at(20.1)
    assert idle.world.hub.stopped == [("ada", "")]


@pytest.mark.parametrize(
    ("whose", "query", "server"),
    [
        ("server ''", "", ""),
        ("server ''", "?server=other", ""),
        ("server 'other'", "", "other"),
        ("server 'other'", "?server=", "other"),
        ("ada", "", None),
        ("ada", "?server=", ""),
        ("ada", "?server=nowhere", None),
        ("bob", "?server=", None),
    ],
)
async def test_the_server_is_whose_token_it_is_else_one_of_the_owners_as_is_said(
    idle: IdleWorld, whose: str, query: str, server: str | None
) -> None:
    world = idle.world
    await world.slice_for("bob", "b", memory_mib=GIB, compute_milli=100)
    await world.slice_for("ada", "other", memory_mib=GIB, compute_milli=100)
    tokens = {
        "server ''": world.server("ada"),
        "server 'other'": world.server("ada", "other"),
        "ada": world.user("ada"),
        "bob": world.user("bob"),
    }
    await hand_over(idle, tokens[whose], query)
    (job,) = world.service.ledger.live_jobs.values()
    assert job.server == server
    has_begun(idle, job.job_id)
    await idle.at(7.6)
    assert bool(idle.idle_servers.told_to(UserName("ada"))) is (server != "")


async def test_what_a_job_was_promoted_from_outlives_the_service(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        before = await with_an_idle_server(world)
        await hand_over(before, world.server("ada"))
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        (job,) = world.service.ledger.live_jobs.values()
        assert job.server == ""


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
