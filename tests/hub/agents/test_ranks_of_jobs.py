"""Agents are told of each job whether it is within its group's guarantee, as that changes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from sublet_hub.agents import connection_registry
from sublet_hub.jobs.changes import placed
from sublet_hub.ledger.records import Change
from sublet_quota.names.ids import GpuId, GroupName
from sublet_quota.residency.snapshot import Holder, Rank

from tests.support.fake_agent import FakeAgent, a_gpu
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for
from tests.support.ledger_records import a_job_record, a_slice_record

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
QUOTA = """\
gpu_types: {H100: {match: "*H100*"}}
groups:
  research:
    guaranteed: {H100: 1}
    groups: {nlp: {}, vision: {guaranteed: {H100: 1}}}
  teaching: {}
"""
WHOLE = 79 * 1024


@pytest_asyncio.fixture
async def world(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[HubWorld]:
    """A service that tells agents nothing but news."""
    monkeypatch.setattr(connection_registry, "RESEND_S", 3600.0)
    (tmp_path / "quota.yaml").write_text(QUOTA)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as made:
        yield made


@pytest_asyncio.fixture
async def agent(world: HubWorld) -> FakeAgent:
    """A node with two cards, whose jobs do not begin."""
    closed = {_slice_id(number) for number in range(4)}
    cards = tuple(a_gpu(f"SIM-{number}", lendable_mib=0, index=number) for number in range(2))
    return await world.agent(gpus=cards, closed_gates=closed)


def _slice_id(number: int) -> str:
    return f"{number:032x}"


def _place(world: HubWorld, number: int, group: str, *, gpus: int = 1) -> None:
    """Enter a job of a group that has a slice of a whole card."""
    ledger = world.service.ledger
    job = a_job_record(
        f"{number:012x}",
        f"owner-{number}",
        submitted_at=NOW,
        group=GroupName(group),
        gpus=gpus,
    )
    gpu = ledger.gpus[GpuId(f"SIM-{number % 2}")]
    record = a_slice_record(
        _slice_id(number),
        job.owner,
        gpu,
        holder=Holder.JOB,
        job_id=job.job_id,
        group=job.group,
        memory_mib=WHOLE,
        compute_milli=1000,
    )
    ledger.apply(Change(jobs=(job,)), NOW)
    ledger.apply(placed(job, record, float(gpus), NOW), NOW)


def _ranks(agent: FakeAgent) -> dict[str, Rank]:
    assert agent.assignments is not None
    return {each.slice_id: each.rank for each in agent.assignments.slices}


async def test_a_job_within_its_group_s_guarantee_is_entitled_and_another_is_not(
    world: HubWorld, agent: FakeAgent
) -> None:
    _place(world, 0, "vision")
    _place(world, 1, "teaching")
    expected = {_slice_id(0): Rank.ENTITLED, _slice_id(1): Rank.BORROWED}
    await agent.until(lambda: _ranks(agent) == expected)


async def test_within_the_guarantee_of_the_group_above_alone_a_job_is_entitled_in_part(
    world: HubWorld, agent: FakeAgent
) -> None:
    _place(world, 0, "nlp")
    await agent.until(lambda: _ranks(agent) == {_slice_id(0): Rank.ENTITLED_IN_PART})


async def test_a_job_on_two_cards_of_which_one_is_guaranteed_is_not_entitled(
    world: HubWorld, agent: FakeAgent
) -> None:
    _place(world, 0, "vision", gpus=2)
    await agent.until(lambda: _ranks(agent) == {_slice_id(0): Rank.BORROWED})


async def test_a_slice_of_the_group_fills_the_guarantee_before_its_job(
    world: HubWorld, agent: FakeAgent
) -> None:
    _place(world, 0, "vision")
    await agent.until(lambda: _ranks(agent) == {_slice_id(0): Rank.ENTITLED})
    lease = await world.slice_for("ada", size="whole", groups=["vision"])
    expected = {_slice_id(0): Rank.BORROWED, lease["slice_id"]: Rank.ENTITLED}
    await agent.until(lambda: _ranks(agent) == expected)
    await world.hub_call("DELETE", f"slices/{lease['slice_id']}")
    await agent.until(lambda: _ranks(agent) == {_slice_id(0): Rank.ENTITLED})
