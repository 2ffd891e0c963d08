"""Jobs are looked at when an agent tells what they wait for, and not for each of its reports."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.app import assembly
from sublet_hub.host.clock import utc_now
from sublet_hub.ledger.records import Change
from sublet_quota.life_cycles.job_states import JobState

from tests.support.fake_agent import FakeAgent, a_gpu, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, until
from tests.support.ledger_records import a_job_record

pytestmark = pytest.mark.asyncio


class AllGates(set[str]):
    """No job begins."""

    def __contains__(self, gate: object) -> bool:
        return True


@pytest_asyncio.fixture
async def world(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[HubWorld]:
    """A service that looks at jobs when there is a reason to, and not from time to time."""
    monkeypatch.setattr(assembly, "_ROUND_S", 3600.0)
    async with hub_world(tmp_path, hub) as made:
        yield made


@pytest_asyncio.fixture
async def agent(world: HubWorld) -> FakeAgent:
    return await world.agent(gpus=(a_gpu(lendable_mib=0),), closed_gates=AllGates())


async def concerns_jobs(world: HubWorld, agent: FakeAgent, **values: Any) -> bool:
    """Report, and return whether that has told jobs anything."""
    told: dict[int, bool] = {}
    world.assembly.connections.on_status(
        lambda view: told.update({view.sequence: view.concerns_jobs})
    )
    # What it is told then, it answers with another report.
    number = agent.sequence + 1
    await agent.report(**values)
    return told[number]


async def test_what_no_job_waits_for_is_no_reason_to_look_at_them(
    world: HubWorld, agent: FakeAgent
) -> None:
    lease = await world.slice_for("ada", size="small")
    await agent.until(lambda: agent.assignments.slices)
    await concerns_jobs(world, agent)
    busy = a_gpu(lendable_mib=0, used_mib=900, utilisation_percent=80, energy_mj=5)
    active = a_report(lease["slice_id"], gate_open=False, memory_mib=900, running_cell=True)
    assert not await concerns_jobs(world, agent, gpus=(busy,), slices=(active,))


@pytest.mark.parametrize(
    "card", [{"lendable_mib": 1024}, {"lendable_mib": 0, "closed": "XID 79"}, None]
)
async def test_room_and_cards_that_open_or_close_are_a_reason_once(
    world: HubWorld, agent: FakeAgent, card: dict[str, Any] | None
) -> None:
    await concerns_jobs(world, agent)
    agent.gpus = () if card is None else (a_gpu(**card),)
    assert await concerns_jobs(world, agent)
    assert not await concerns_jobs(world, agent)


async def test_a_gate_that_opens_is_a_reason(world: HubWorld, agent: FakeAgent) -> None:
    lease = await world.slice_for("ada", size="small")
    await agent.until(lambda: agent.assignments.slices)
    await concerns_jobs(world, agent)
    opened = a_report(lease["slice_id"], gate_open=True)
    assert await concerns_jobs(world, agent, slices=(opened,))


async def test_a_job_is_placed_when_an_agent_tells_of_room(
    world: HubWorld, agent: FakeAgent
) -> None:
    await world.slice_for("ada", size="small")
    ledger = world.service.ledger
    ledger.apply(Change(jobs=(a_job_record("1" * 12, "ada", memory_mib=1024),)), utc_now())
    agent.gpus = (a_gpu(lendable_mib=2048),)
    await agent.report()
    await until(lambda: ledger.jobs["1" * 12].state is JobState.PLACED)
