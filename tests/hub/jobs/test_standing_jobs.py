"""A job that stands still beside an owner goes to a card that is free; its agent is told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.host.clock import utc_now
from sublet_hub.jobs.order.standing_jobs import StandingJobs
from sublet_hub.ledger.records import SliceRecord
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import JobId, SliceId
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.agent_link import WaitReport
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import FakeAgent, a_gpu, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.job_owner import Ada, make_ada

pytestmark = pytest.mark.asyncio

QUOTA = """\
gpu_types: {H100: {match: "*H100*"}}
everyone: {limit: {slices: unlimited}, jobs: {most: 9}}
pools: [{name: all, default: true, memory_overcommit: 1, compute_overcommit: 1}]
"""
CARDS = (a_gpu("SIM-0"), a_gpu("SIM-1", index=1))
BEHIND_OWNER = WaitReport(reason=WaitReason.OWNERS_ACTIVE, place=1)
MINUTE = timedelta(minutes=1)


class AllGates(set[str]):
    """Every gate stays closed."""

    def __contains__(self, _: object) -> bool:
        return True


def settings_of(folder: Path) -> Any:
    (folder / "quota.yaml").write_text(QUOTA)
    return settings_for(folder, quota_file=folder / "quota.yaml")


def let_pass(world: HubWorld, later: timedelta) -> None:
    """Have jobs that stand still looked at as if so much time had passed."""
    queue = world.service.queue
    before = queue._standing
    stores = replace(queue._stores, now=clock(later))
    queue._standing = StandingJobs(stores, queue._jobs, before._stands_since)


def clock(later: timedelta) -> Callable[[], datetime]:
    return lambda: utc_now() + later


def slice_of(world: HubWorld, job_id: str) -> SliceRecord:
    ledger = world.service.ledger
    return ledger.slices[ledger.jobs[JobId(job_id)].slice_id or SliceId("")]


def assigned_to(agent: FakeAgent, slice_id: str) -> str | None:
    told = () if agent.assignments is None else agent.assignments.slices
    return next((each.move_to or each.gpu_id for each in told if each.slice_id == slice_id), None)


async def rests(ada: Ada, world: HubWorld) -> None:
    """Have ada's own slice, which is on the first card, be idle."""
    (own,) = world.service.ledger.slices_of_owner("ada")
    ada.agent.says[own.slice_id] = a_report(own.slice_id, active=False, gate_open=False)
    await ada.agent.report()


async def beside_bob(world: HubWorld) -> tuple[Ada, str, str]:
    """A job that runs on the card on which bob is at work next, beside one that is free."""
    ada = await make_ada(world, gpus=CARDS)
    await rests(ada, world)
    job_id = await ada.submit(["wait", "go"], memory_mib=20 * 1024)
    await ada.until(job_id, "running")
    there = slice_of(world, job_id).gpu.gpu_id
    lease = await world.slice_for("bob", size="whole")
    # Nobody's card is the job's; and whole is what bob has.
    assert lease["gpu_id"] == there
    other = next(card.gpu_id for card in CARDS if card.gpu_id != there)
    return ada, job_id, other


async def stands(ada: Ada, world: HubWorld, job_id: str) -> str:
    slice_id = slice_of(world, job_id).slice_id
    ada.agent.says[slice_id] = a_report(
        slice_id, state=SliceState.SUSPENDED, gate_open=False, wait=BEHIND_OWNER
    )
    await ada.agent.report()
    return slice_id


async def test_a_job_that_is_suspended_moves_to_a_free_card_and_stays_there(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings_of(tmp_path)) as world:
        ada, job_id, other = await beside_bob(world)
        slice_id = await stands(ada, world, job_id)
        assert list(world.service.queue.jobs_to_send_back()) == []
        assert slice_of(world, job_id).moving_to is None
        let_pass(world, 2 * MINUTE)
        assert list(world.service.queue.jobs_to_send_back()) == []
        assert slice_of(world, job_id).moving_to == other
        await ada.agent.until(lambda: assigned_to(ada.agent, slice_id) == other)
        # Nobody else is lent what the job is to have there.
        assert world.service.queue._lendable()[other] == (79 - 20) * 1024
        ada.agent.says[slice_id] = a_report(slice_id, gpu_id=other)
        await ada.agent.report()
        after = slice_of(world, job_id)
        assert (after.gpu.gpu_id, after.moving_to) == (other, None)
        _, events = await world.call("GET", "events?limit=1000", world.admin())
        assert any("it stands still on its card" in each["detail"] for each in events)
        assert list(world.service.queue.jobs_to_send_back()) == []
        assert slice_of(world, job_id) == after
        (ada.home / "go").touch()
        await ada.until(job_id, "done")


async def test_a_job_that_runs_again_meanwhile_stays(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub, settings_of(tmp_path)) as world:
        ada, job_id, _ = await beside_bob(world)
        slice_id = await stands(ada, world, job_id)
        let_pass(world, 2 * MINUTE)
        assert list(world.service.queue.jobs_to_send_back()) == []
        assert slice_of(world, job_id).moving_to is not None
        ada.agent.says[slice_id] = a_report(slice_id)
        await ada.agent.report()
        assert list(world.service.queue.jobs_to_send_back()) == []
        assert slice_of(world, job_id).moving_to is None
        (ada.home / "go").touch()
        await ada.until(job_id, "done")


async def test_a_job_that_came_before_its_move_was_called_off_is_there_as_any_other(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings_of(tmp_path)) as world:
        ada, job_id, other = await beside_bob(world)
        slice_id = await stands(ada, world, job_id)
        let_pass(world, 2 * MINUTE)
        assert list(world.service.queue.jobs_to_send_back()) == []
        ada.agent.says[slice_id] = a_report(slice_id)
        await ada.agent.report()
        assert list(world.service.queue.jobs_to_send_back()) == []
        assert slice_of(world, job_id).perhaps_on == (other,)
        ada.agent.says[slice_id] = a_report(slice_id, gpu_id=other)
        await ada.agent.report()
        after = slice_of(world, job_id)
        assert (after.gpu.gpu_id, after.called_back_since) == (other, None)
        (ada.home / "go").touch()
        await ada.until(job_id, "done")


async def test_a_job_is_on_its_way_still_after_a_restart_of_the_service(
    tmp_path: Path, hub: FakeHub
) -> None:
    settings = settings_of(tmp_path)
    async with hub_world(tmp_path, hub, settings) as world:
        ada, job_id, other = await beside_bob(world)
        slice_id = await stands(ada, world, job_id)
        let_pass(world, 2 * MINUTE)
        assert list(world.service.queue.jobs_to_send_back()) == []
        assert slice_of(world, job_id).moving_to == other
    async with hub_world(tmp_path, hub, settings) as world:
        assert list(world.service.queue.jobs_to_send_back()) == []
        assert slice_of(world, job_id).moving_to == other
        agent = await world.agent(gpus=CARDS, says=ada.agent.says)
        assert list(world.service.queue.jobs_to_send_back()) == []
        assert slice_of(world, job_id).moving_to == other
        agent.says[slice_id] = a_report(slice_id, gpu_id=other)
        await agent.report()
        assert slice_of(world, job_id).gpu.gpu_id == other
        (ada.home / "go").touch()
        await until(lambda: world.service.ledger.jobs[JobId(job_id)].state is JobState.DONE)


async def test_a_job_stays_whose_programs_cannot_move(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub, settings_of(tmp_path)) as world:
        ada, job_id, _ = await beside_bob(world)
        slice_id = await stands(ada, world, job_id)
        let_pass(world, 2 * MINUTE)
        assert list(world.service.queue.jobs_to_send_back()) == []
        told = ada.agent.says[slice_id]
        ada.agent.says[slice_id] = told.model_copy(update={"stays": "it sees one card"})
        await ada.agent.report()
        record = slice_of(world, job_id)
        assert (record.moving_to, record.called_back_since) == (None, None)
        let_pass(world, 30 * MINUTE)
        assert list(world.service.queue.jobs_to_send_back()) == []
        assert slice_of(world, job_id) == record
        (ada.home / "go").touch()
        await ada.until(job_id, "done")


async def test_a_job_that_has_not_begun_beside_an_owner_is_placed_anew(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings_of(tmp_path)) as world:
        ada = await make_ada(world, gpus=CARDS, closed_gates=AllGates())
        await rests(ada, world)
        job_id = await ada.submit(["wait", "go"], memory_mib=20 * 1024)
        await ada.until(job_id, "placed")
        before = slice_of(world, job_id)
        await ada.agent.until(lambda: assigned_to(ada.agent, before.slice_id) is not None)
        await ada.agent.report()
        await world.slice_for("bob", size="whole")
        let_pass(world, 2 * MINUTE)

        def is_elsewhere() -> bool:
            job = world.service.ledger.jobs[JobId(job_id)]
            placed = job.state in {JobState.PLACED, JobState.RUNNING}
            return placed and slice_of(world, job_id).gpu != before.gpu

        await until(is_elsewhere)
        _, events = await world.call("GET", "events?limit=1000", world.admin())
        (told,) = (each for each in events if each["kind"] == EventKind.JOB_WENT_BACK)
        assert told["detail"].endswith("it had not begun there, and another GPU is free")
        ada.agent.closed_gates = set()
        await ada.agent.report()
        (ada.home / "go").touch()
        await ada.until(job_id, "done")
