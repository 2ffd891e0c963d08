"""Jobs whose service, agent or process was lost meanwhile: taken up, begun anew, or failed."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
import sqlalchemy as sa
from sublet_hub.jobs.backends.local import runner
from sublet_hub.jobs.backends.local.processes import JobTree, Launch, start_held
from sublet_hub.ledger.records import Change
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import AgentEvent
from sublet_quota.wire.api import AccountTemplate
from sublet_quota.wire.event_kinds import EventKind

from tests.support.hub_world import FakeHub, HubWorld, hub_world, until
from tests.support.hub_world_runner import write_interpreter
from tests.support.job_owner import Ada, make_ada
from tests.support.ledger_records import a_job_record, a_slice_record

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def ada(world: HubWorld) -> AsyncIterator[Ada]:
    yield await make_ada(world)


async def kill(pid: int) -> None:
    """Kill a job's process, and see it dead: a signal has been sent before it has been heeded."""
    psutil.Process(pid).kill()
    await until_dead(pid)


async def until_dead(pid: int) -> None:
    await until(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


async def until_written(folder: Path, job_id: str) -> None:
    """Wait until what a dead job said last is written.

    A service that is started before waits for the process that writes it.
    """
    files = folder / "state" / "jobs" / job_id
    await until_dead(json.loads((files / "writer.json").read_bytes())["pid"])


def _an_event(kind: EventKind, slice_id: str, **values: Any) -> AgentEvent:
    facts = {"event_id": f"e-{kind}-{slice_id}", "at": datetime.now(UTC), "gpu_id": "SIM-0"}
    return AgentEvent(**{**facts, "kind": kind, "slice_id": slice_id, **values})


async def test_an_evicted_job_goes_back_to_the_queue_and_runs_again(ada: Ada) -> None:
    job_id = await ada.submit(["write", "pid", "pid"], ["wait", "go"])
    first = await ada.until_file("pid")
    slice_id = (await ada.see(job_id))["slice"]["lease"]["slice_id"]
    await ada.agent.tell(_an_event(EventKind.EVICTED, slice_id, detail="managed memory"))
    await until(lambda: (ada.home / "pid").read_text() not in ("", first))
    (ada.home / "go").touch()
    await ada.until(job_id, "done")
    assert ada.world.service.ledger.jobs[job_id].attempts == 2


async def test_the_eviction_of_a_job_that_cannot_be_read_keeps_no_others_from_being_heeded(
    ada: Ada,
) -> None:
    job_id = await ada.submit(["write", "pid", "pid"], ["wait", "go"])
    first = await ada.until_file("pid")
    slice_id = (await ada.see(job_id))["slice"]["lease"]["slice_id"]
    ledger, database = ada.world.service.ledger, ada.world.assembly._adapters.database
    gpu = ledger.gpus["SIM-0"]
    # One whose row is gone, and one that was over and whose row cannot be read.
    over = a_job_record("b" * 12, "ada", state=JobState.FAILED, ended_at=datetime.now(UTC))
    ledger.apply(Change(jobs=(over,)), datetime.now(UTC))
    with database.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE jobs SET parameters = '{' WHERE job_id = 'bbbbbbbbbbbb'")
        )
    orphans = []
    for number, orphan in enumerate(("c" * 12, over.job_id), 1):
        own = {"holder": Holder.JOB, "job_id": orphan, "memory_mib": 1, "compute_milli": 0}
        orphans.append(a_slice_record(f"{number:032x}", "ada", gpu, **own))
    ledger.apply(Change(slices=tuple(orphans)), datetime.now(UTC))
    told = [_an_event(EventKind.EVICTED, each.slice_id) for each in orphans]
    await ada.agent.tell(*told, _an_event(EventKind.EVICTED, slice_id, detail="managed memory"))
    await until(lambda: (ada.home / "pid").read_text() not in ("", first))
    (ada.home / "go").touch()
    await ada.until(job_id, "done")


async def test_a_restarted_service_takes_up_the_running_job(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub) as world:
        ada = await make_ada(world)
        job_id = await ada.submit(["write", "pid", "pid"], ["wait", "go"], ["print", "after"])
        pid = int(await ada.until_file("pid"))
    assert psutil.pid_exists(pid)
    async with hub_world(tmp_path, hub) as world:
        ada.world = world
        job = await ada.see(job_id)
        assert (job["state"], job["cells_total"]) == ("running", 3)
        (ada.home / "go").touch()
        job = await ada.until(job_id, "done", "failed")
        assert (job["state"], job["cells_done"]) == ("done", 3)


async def test_a_job_that_ended_while_the_service_was_away_is_done(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        ada = await make_ada(world)
        job_id = await ada.submit(["write", "pid", "pid"], ["wait", "go"])
        pid = int(await ada.until_file("pid"))
    (ada.home / "go").touch()
    await until(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    async with hub_world(tmp_path, hub) as world:
        ada.world = world
        assert (await ada.until(job_id, "done", "failed"))["state"] == "done"


async def test_a_job_that_was_evicted_while_the_service_was_away_runs_again(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hub_world(tmp_path, hub) as world:
        ada = await make_ada(world)
        job_id = await ada.submit(["write", "pid", "pid"], ["wait", "go"])
        pid = int(await ada.until_file("pid"))
        slice_id = (await ada.see(job_id))["slice"]["lease"]["slice_id"]
    await kill(pid)
    await until_written(tmp_path, job_id)
    (ada.home / "go").touch()
    # Shorter than since its end, and longer than this machine may take to tell of the eviction.
    monkeypatch.setattr(runner, "_EVICTION_IS_TOLD_WITHIN", timedelta(seconds=25))
    async with hub_world(tmp_path, hub) as world:
        ada.world = world
        rounds = world.assembly._runner
        run = rounds._runs[job_id]
        assert run.exited_at is not None
        # Its agent is longer away than it takes to tell of an eviction.
        run.exited_at -= timedelta(seconds=30)
        rounds.round()
        assert (await ada.see(job_id))["state"] == "running"
        agent = await world.agent()
        await agent.tell(_an_event(EventKind.EVICTED, slice_id, detail="managed memory"))
        job = await ada.until(job_id, "done", "failed")
        assert (job["state"], job["attempts"], job["failed_attempts"]) == ("done", 2, 0)


@pytest.mark.parametrize("agent_is_back", [True, False])
async def test_a_job_that_nobody_says_to_have_evicted_has_failed(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, *, agent_is_back: bool
) -> None:
    async with hub_world(tmp_path, hub) as world:
        ada = await make_ada(world)
        job_id = await ada.submit(["write", "pid", "pid"], ["wait", "go"])
        pid = int(await ada.until_file("pid"))
    await kill(pid)
    await until_written(tmp_path, job_id)
    monkeypatch.setattr(runner, "_EVICTION_IS_TOLD_WITHIN", timedelta(seconds=0.5))
    async with hub_world(tmp_path, hub) as world:
        ada.world = world
        if agent_is_back:
            await world.agent()
        else:
            world.assembly._runner._runs[job_id].exited_at -= timedelta(seconds=61)
        job = await ada.until(job_id, "done", "failed")
        assert "while the service was away" in job["reason"]


async def test_a_service_stops_in_order_while_one_job_ends_and_another_is_being_ended(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops = asyncio.Event()
    async with hub_world(tmp_path, hub) as world:
        ada = await make_ada(world)
        job_ids = [await ada.submit(["wait", "never"], memory_mib=1024) for _ in range(2)]
        for job_id in job_ids:
            await ada.until(job_id, "running")
        runs = world.assembly._runner._runs
        first, second = runs

        async def end_as_the_service_stops(tree: JobTree, _grace_s: float) -> bool:
            if tree.job_id == second:
                return await stops.wait()
            try:
                return await asyncio.get_running_loop().create_future()
            finally:
                stops.set()
                await asyncio.wait({runs[second].task})

        with monkeypatch.context() as patch:
            patch.setattr(runner, "end_tree", end_as_the_service_stops)
            for job_id in job_ids:
                await world.call("POST", f"jobs/{job_id}/cancel", ada.token)
            await until(lambda: all(run.task is not None for run in runs.values()))
            await world.assembly.stop()
        assert first in runs
    async with hub_world(tmp_path, hub) as world:
        ada.world = world
        for job_id in job_ids:
            await ada.until(job_id, "cancelled")


async def test_a_running_job_outlives_its_agents_connection(ada: Ada) -> None:
    job_id = await ada.submit(["write", "pid", "pid"], ["wait", "go"])
    await ada.until_file("pid")
    await ada.agent.close()
    (ada.home / "go").touch()
    await ada.until(job_id, "done")


async def test_a_process_whose_service_dies_before_the_request_does_nothing(
    tmp_path: Path,
) -> None:
    account = AccountTemplate(
        uid=os.getuid(),
        gid=os.getgid(),
        home=str(tmp_path),
        notebook_dir=str(tmp_path),
        python=write_interpreter(tmp_path / "python"),
    )
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    held = start_held(Launch(account, dict(os.environ), log, log), "boot")
    os.close(held.request_pipe)
    os.close(log)
    await until(lambda: held.child.poll() is not None)
    assert held.child.returncode == 3


async def test_a_job_whose_request_was_never_handed_over_begins_anew(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        ada = await make_ada(world)
        job_id = await ada.submit(["write", "pid", "pid"], ["wait", "go"])
        pid = int(await ada.until_file("pid"))
    await kill(pid)
    await until_written(tmp_path, job_id)
    (tmp_path / "state" / "jobs" / job_id / "progress-1.jsonl").write_text("")
    (ada.home / "go").touch()
    async with hub_world(tmp_path, hub) as world:
        ada.world = world
        await world.agent()
        await ada.until(job_id, "done", "failed")
        assert world.service.ledger.jobs[job_id].state == "done"
        assert world.service.ledger.jobs[job_id].attempts == 2
