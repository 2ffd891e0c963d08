"""When agents are told what they serve: at once where something is new, and nobody in vain."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.agents import connection_registry
from sublet_hub.jobs.changes import ended, placed
from sublet_hub.ledger.records import Change, JobRecord
from sublet_quota.life_cycles.job_states import JobMove, JobState
from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import AgentEvent

from tests.support.fake_agent import FakeAgent, a_gpu
from tests.support.hub_world import OTHER_SECRET, FakeHub, HubWorld, hub_world
from tests.support.ledger_records import a_job_record, a_slice_record

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest_asyncio.fixture
async def world(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[HubWorld]:
    """A service that tells agents nothing but news, and lends nothing."""
    monkeypatch.setattr(connection_registry, "RESEND_S", 3600.0)
    async with hub_world(tmp_path, hub) as made:
        yield made


@pytest_asyncio.fixture
async def agents(world: HubWorld) -> tuple[FakeAgent, FakeAgent]:
    """The agents of two nodes, elsewhere: the service runs no jobs there."""
    cards = [(a_gpu(f"SIM-{number}", lendable_mib=0),) for number in range(2)]
    # Jobs whose gates stay closed are not begun.
    closed = {slice_id_of(number) for number in (1, 2)}
    first = await world.agent(boot_id="a", gpus=cards[0], closed_gates=closed)
    second = await world.agent(
        node="node-b", boot_id="b", secret=OTHER_SECRET, gpus=cards[1], closed_gates=closed
    )
    return first, second


async def told(agent: FakeAgent) -> int:
    """The number of the last assignments; all that was sent so far has come."""
    count = len(agent.taken)
    card = agent.gpus[0].gpu_id
    event = AgentEvent(
        event_id=f"{agent.node}-{count}", at=datetime.now(UTC), kind="active", gpu_id=card
    )
    await agent.tell(event)
    assert agent.assignments is not None
    return agent.assignments.sequence


def apply(world: HubWorld, change: Change) -> None:
    world.service.ledger.apply(change, NOW)


def slice_id_of(number: int) -> str:
    return f"{number:032x}"


def place(world: HubWorld, number: int, gpu_id: str, gpus: int = 1) -> JobRecord:
    """Enter a job that has a slice; the ones with lower numbers come first."""
    job = a_job_record(f"{number:012x}", f"owner-{number}", submitted_at=NOW, gpus=gpus)
    gpu = world.service.ledger.gpus[GpuId(gpu_id)]
    own = {"holder": Holder.JOB, "job_id": job.job_id}
    record = a_slice_record(slice_id_of(number), job.owner, gpu, **own)
    apply(world, Change(jobs=(job,)))
    apply(world, placed(job, record, 0.1, NOW))
    return world.service.ledger.jobs[job.job_id]


def entitlement(agent: FakeAgent) -> int | None:
    assert agent.assignments is not None
    return next((each.entitlement for each in agent.assignments.slices), None)


async def test_what_a_job_waits_for_and_how_far_it_is_tells_agents_nothing(
    world: HubWorld, agents: tuple[FakeAgent, FakeAgent]
) -> None:
    running = place(world, 1, "SIM-0")
    before = [await told(agent) for agent in agents]
    waiting = a_job_record("2" * 12, "somebody")
    apply(world, Change(jobs=(waiting,)))
    apply(world, Change(jobs=(replace(waiting, reason=JobReason(JobReasonCode.NODE_SOUGHT)),)))
    apply(world, Change(jobs=(replace(running, cells_done=3),)))
    assert [await told(agent) for agent in agents] == before


async def test_a_job_that_has_another_place_is_told_where_it_runs(
    world: HubWorld, agents: tuple[FakeAgent, FakeAgent]
) -> None:
    first, second = agents
    job = place(world, 1, "SIM-0")
    place(world, 2, "SIM-1")
    await second.until(lambda: entitlement(second) == 1)
    why = JobReason(JobReasonCode.DONE)
    apply(world, ended(replace(job, state=JobState.RUNNING), JobMove.FINISH, NOW, why))
    await second.until(lambda: entitlement(second) == 0)
    await first.until(lambda: entitlement(first) is None)


async def test_an_agent_is_told_whether_a_job_is_on_several_cards(
    world: HubWorld, agents: tuple[FakeAgent, FakeAgent]
) -> None:
    for agent, number, gpus in ((agents[0], 1, 1), (agents[1], 2, 2)):
        place(world, number, agent.gpus[0].gpu_id, gpus)
        await agent.until(lambda agent=agent: entitlement(agent) is not None)
        assert [each.on_several_cards for each in agent.assignments.slices] == [gpus > 1]


async def test_a_slice_that_is_released_is_told_to_its_own_node_alone(
    world: HubWorld, agents: tuple[FakeAgent, FakeAgent]
) -> None:
    lease = await world.slice_for("ada", size="small")
    serving = next(agent for agent in agents if agent.node == lease["node"])
    other = next(agent for agent in agents if agent is not serving)
    await serving.until(lambda: serving.assignments.slices)
    before = await told(other)
    await world.hub_call("DELETE", f"slices/{lease['slice_id']}")
    await serving.until(lambda: not serving.assignments.slices)
    assert await told(other) == before


async def test_a_slice_that_the_cluster_put_elsewhere_is_told_to_both_nodes(
    world: HubWorld, agents: tuple[FakeAgent, FakeAgent]
) -> None:
    lease = await world.slice_for("ada", size="small")
    before = next(agent for agent in agents if agent.node == lease["node"])
    after = next(agent for agent in agents if agent is not before)
    await before.until(lambda: before.assignments.slices)
    pod: dict[str, Any] = {"pod_uid": "u", "namespace": "hub", "pod_name": "p"}
    await world.hub_call("POST", f"slices/{lease['slice_id']}/pod", {**pod, "node": after.node})
    await after.until(lambda: after.assignments.slices)
    await before.until(lambda: not before.assignments.slices)


async def test_the_switch_of_lending_is_told_to_everybody(
    world: HubWorld, agents: tuple[FakeAgent, FakeAgent]
) -> None:
    status, _ = await world.call("PUT", "lending", world.admin(), {"lending": False})
    assert status == 200
    for agent in agents:
        await agent.until(lambda agent=agent: not agent.assignments.lending)


async def test_a_node_that_cannot_be_told_keeps_no_other_from_being_told_and_is_logged_once(
    world: HubWorld, agents: tuple[FakeAgent, FakeAgent], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = agents
    ledger = world.service.ledger
    # Who has a slice and no server is soon without it.
    world.hub.servers["ada"] = {""}
    # No message takes such an account.
    bad = a_slice_record(slice_id_of(1), "ada", ledger.gpus[GpuId("SIM-0")], uid=-1)
    apply(world, Change(slices=(bad,)))
    await told(first)
    apply(world, Change(slices=(replace(bad, uid=1000),)))
    await first.until(lambda: first.assignments.slices)
    for lending in (False, True):
        apply(world, Change(slices=(bad,)))
        await world.call("PUT", "lending", world.admin(), {"lending": lending})
        await second.until(lambda told=lending: second.assignments.lending is told)
    logged = [record.getMessage() for record in caplog.records if record.exc_info]
    # Once in the beginning, and once more after it could be told again.
    assert logged == ["what the agent of node-a is told cannot be looked after"] * 2


async def test_jobs_whose_order_cannot_be_told_keep_no_node_from_its_slices(
    world: HubWorld, agents: tuple[FakeAgent, FakeAgent]
) -> None:
    _, second = agents
    job = place(world, 1, "SIM-0")
    place(world, 2, "SIM-1")
    await second.until(lambda: entitlement(second) == 1)
    # What a hand wrote into the ledger cannot be compared.
    apply(world, Change(jobs=(replace(job, priority="high", slice_id=None),)))
    apply(world, Change(jobs=(replace(job, priority="high"),)))
    await world.call("PUT", "lending", world.admin(), {"lending": False})
    for agent in agents:
        await agent.until(lambda agent=agent: not agent.assignments.lending)
    assert entitlement(second) == 1
