"""A job within its group's guarantee, on a service: placed, told, and others called back for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sublet_hub.ledger.records import SliceRecord
from sublet_quota.names.ids import JobId
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import FakeAgent, a_gpu
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.job_owner import Ada, make_ada

pytestmark = pytest.mark.asyncio

QUOTAS = """
gpu_types: {H100: {match: "*H100*"}}
pools: {interactive: {memory_overcommit: 1, compute_overcommit: 1}}
everyone: {limit: {cards: 2}}
groups: {lab: {guaranteed: {H100: 1}}, course: {}}
"""
LENDS_NOTHING = a_gpu("SIM-0", lendable_mib=0)


@asynccontextmanager
async def a_world(folder: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    (folder / "quota.yaml").write_text(QUOTAS)
    within = timedelta(minutes=1)
    settings = settings_for(folder, quota_file=folder / "quota.yaml", agents_return_within=within)
    async with hub_world(folder, hub, settings) as world:
        yield world


@pytest_asyncio.fixture
async def ada(tmp_path: Path, hub: FakeHub) -> AsyncIterator[Ada]:
    """A member of the lab, on a node whose one card lends nothing: its owners are at work."""
    async with a_world(tmp_path, hub) as world:
        yield await ada_without_notebook(world)


async def ada_without_notebook(world: HubWorld) -> Ada:
    found = await make_ada(world, gpus=(LENDS_NOTHING,))
    found.token = world.user("ada", ("lab",))
    (hers,) = world.service.ledger.slices
    await world.hub_call("DELETE", f"slices/{hers}")
    return found


def ranks(agent: FakeAgent) -> dict[str, Rank]:
    assert agent.assignments is not None
    return {each.owner: each.rank for each in agent.assignments.slices}


def slice_of(world: HubWorld, slice_id: str) -> SliceRecord:
    return next(each for each in world.service.ledger.slices.values() if each.slice_id == slice_id)


async def told(world: HubWorld, kind: EventKind) -> list[tuple[str, str]]:
    _, events = await world.call("GET", "events", world.admin())
    return [(each["owner"], each["detail"]) for each in events if each["kind"] == kind]


async def test_a_borrowed_slice_is_called_back_for_a_job_and_comes_back_when_that_is_over(
    ada: Ada,
) -> None:
    world, (agent,) = ada.world, ada.world.agents
    lease = await world.slice_for("cleo", size="whole", groups=["course"])
    job_id = await ada.submit(["wait", "go"], group="lab")
    await ada.until(job_id, "running")
    # For a job, with which it takes turns; what is due to a slice it would come behind.
    await agent.until(lambda: ranks(agent) == {"cleo": Rank.BORROWED, "ada": Rank.ENTITLED})
    assert slice_of(world, lease["slice_id"]).called_back_for == "lab"
    ((owner, words),) = await told(world, EventKind.SLICE_CALLED_BACK)
    assert owner == "cleo"
    assert "lab" in words
    # Nobody else is promised what the job has.
    body = {"owner": "bea", "account": world.account("bea"), "size": "small", "groups": ["course"]}
    status, problem = await world.hub_call("POST", "slices", body)
    assert (status, problem["reason"]) == (409, "no-room")
    (ada.home / "go").touch()
    await ada.until(job_id, "done")
    await agent.until(lambda: ranks(agent) == {"cleo": Rank.BORROWED})
    assert slice_of(world, lease["slice_id"]).called_back_since is None


async def test_a_job_of_who_is_guaranteed_nothing_waits_and_calls_nobody_back(ada: Ada) -> None:
    world = ada.world
    await world.slice_for("cleo", size="whole", groups=["course"])
    ada.token = world.user("ada", ("course",))
    job_id = await ada.submit(["print", "x"])
    await until(lambda: world.service.job_views.place(JobId(job_id)) == 1)
    assert not await told(world, EventKind.SLICE_CALLED_BACK)


async def test_a_slice_of_the_group_takes_the_place_of_its_job_which_is_not_ended(
    ada: Ada,
) -> None:
    world, (agent,) = ada.world, ada.world.agents
    job_id = await ada.submit(["wait", "go"], group="lab")
    await ada.until(job_id, "running")
    await agent.until(lambda: ranks(agent) == {"ada": Rank.ENTITLED})
    lease = await world.slice_for("lena", size="whole", groups=["lab"])
    await agent.until(lambda: ranks(agent) == {"ada": Rank.BORROWED, "lena": Rank.ENTITLED})
    await world.hub_call("DELETE", f"slices/{lease['slice_id']}")
    await agent.until(lambda: ranks(agent) == {"ada": Rank.ENTITLED})
    (ada.home / "go").touch()
    await ada.until(job_id, "done")


async def test_by_which_right_a_job_is_there_is_known_after_a_restart(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with a_world(tmp_path, hub) as world:
        ada = await ada_without_notebook(world)
        job_id = await ada.submit(["wait", "go"], group="lab")
        await ada.until(job_id, "running")
        (before,) = (each for each in world.service.ledger.slices.values() if each.is_job)
        assert before.entitled
    async with a_world(tmp_path, hub) as world:
        (after,) = (each for each in world.service.ledger.slices.values() if each.is_job)
        assert after.entitled == before.entitled
        holding = world.service.capacity.holdings.slice(after.slice_id)
        assert holding is not None
        assert holding.entitled_job
        agent = await world.agent(gpus=(LENDS_NOTHING,))
        await agent.until(lambda: ranks(agent) == {"ada": Rank.ENTITLED})
        (ada.home / "go").touch()
        await replace(ada, world=world, agent=agent).until(job_id, "done")
