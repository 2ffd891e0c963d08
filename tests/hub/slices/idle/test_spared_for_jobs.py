"""An idle server is spared while a job goes on that was handed over from it."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from sublet_hub.jobs import changes
from sublet_hub.ledger.records import Change
from sublet_quota.life_cycles.job_states import JobMove, JobState
from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.residency.snapshot import Holder

from tests.support.fake_agent import GIB, a_gpu
from tests.support.hub_world import FakeHub, hub_world
from tests.support.hub_world_runner import write_script
from tests.support.idle_world import HOUR, IdleWorld, settings, with_an_idle_server
from tests.support.ledger_records import a_slice_record

pytestmark = pytest.mark.asyncio


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


def runs(idle: IdleWorld, job_id: str, held_back_since: datetime | None = None) -> None:
    """Have a job run on the card, or stand still there since then."""
    ledger = idle.world.service.ledger
    (job,) = (each for each in ledger.live_jobs.values() if each.job_id == job_id)
    own = ledger.slices[SliceId(idle.slice_id)]
    of_job = {"holder": Holder.JOB, "job_id": job.job_id, "held_back_since": held_back_since}
    there = a_slice_record("of-the-job", job.owner, own.gpu, **of_job)
    after = replace(
        job, attempts=1, state=JobState.RUNNING, started_at=idle.began, slice_id=there.slice_id
    )
    ledger.apply(Change(jobs=(after,), slices=(there,)), idle.world.service.now())


async def test_a_server_is_not_ended_while_a_job_goes_on_that_was_handed_over_from_it(
    idle: IdleWorld,
) -> None:
    job_id = await hand_over(idle, idle.world.server("ada"))
    runs(idle, job_id)
    for hours in (7.6, 8.2, 40):
        await idle.at(hours)
        assert (await idle.end(), await idle.told(), idle.world.hub.stopped) == (None, [], [])
    told = await idle.spared()
    assert told is not None
    assert (told["job_id"], told["runs"], told["others"]) == (job_id, True, 0)
    assert "is not ended while job 'train', promoted from it, runs." in told["message"]
    status, problem = await idle.extend()
    assert (status, "not ended while job 'train'" in problem["message"]) == (409, True)


async def test_a_job_that_waits_to_go_on_keeps_a_server_for_as_long_as_that_may_be_idle(
    idle: IdleWorld,
) -> None:
    """Its owner can let an attempt fail, and then leave no room below their own limit."""
    job_id = await hand_over(idle, idle.world.server("ada"))
    has_begun(idle, job_id)
    await idle.at(7.9)
    assert (await idle.end(), await idle.told(), idle.world.hub.stopped) == (None, [], [])
    told = await idle.spared()
    assert told is not None
    assert (told["job_id"], told["runs"], told["others"]) == (job_id, False, 0)
    assert "is not ended while job 'train', promoted from it, waits to go on." in told["message"]
    # A place that it has got, and in which it does not run yet, is no turn.
    ledger = idle.world.service.ledger
    (job,) = ledger.live_jobs.values()
    ledger.apply(Change(jobs=(replace(job, state=JobState.PLACED),)), idle.began + 7 * HOUR)
    await idle.at(8.1)
    assert (await idle.spared(), len(await idle.told())) == (None, 1)
    await idle.at(8.7)
    assert idle.world.hub.stopped == [("ada", "")]


async def test_a_job_that_is_held_back_keeps_a_server_for_as_long_as_that_may_be_idle(
    tmp_path: Path, hub: FakeHub
) -> None:
    """Its owner's own larger slice can hold it back for ever."""
    quota = "everyone: {max_idle: 8h, limit: {slices: 1}}"
    async with hub_world(tmp_path, hub, settings(tmp_path, quota)) as world:
        idle = await with_an_idle_server(world)
        job_id = await hand_over(idle, world.server("ada"))
        runs(idle, job_id, held_back_since=idle.began + 7 * HOUR)
        await idle.at(14.9)
        assert (await idle.spared() is not None, await idle.told()) == (True, [])
        await idle.at(15.1)
        assert (await idle.spared(), len(await idle.told())) == (None, 1)
        await idle.at(15.7)
        assert hub.stopped == [("ada", "")]


async def test_a_job_that_waits_for_its_first_turn_keeps_no_server(idle: IdleWorld) -> None:
    """It may wait for ever, and so would the server stay that nobody uses."""
    job_id = await hand_over(idle, idle.world.server("ada"))
    await idle.at(7.6)
    assert (await idle.spared(), len(await idle.told())) == (None, 1)
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
    runs(idle, job_id)
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
    assert (await idle.spared(), await idle.told(), idle.world.hub.stopped) == (None, [], [])
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
