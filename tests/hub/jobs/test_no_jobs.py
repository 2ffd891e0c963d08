"""A hub without training jobs refuses them in words, runs nothing, and serves notebooks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.app.application import SubletHub
from sublet_hub.jobs.backends.none import NoRuns
from sublet_quota.wire.agent_link import AgentEvent
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import a_gpu
from tests.support.fake_kube_api import FakeKube, fake_kube, way_into
from tests.support.hub_world import OTHER_SECRET, FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.hub_world_runner import write_interpreter, write_script
from tests.support.job_notebooks import write_notebook
from tests.support.jobs_on_kube import SETTINGS, RunsAhead, jobs_story

pytestmark = pytest.mark.asyncio

BODY = {"notebook": "train.ipynb", "memory_mib": 1000}


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub, runs=NoRuns(home_is_shared=False)) as running:
        await running.agent()
        yield running


async def test_a_submission_is_refused_in_words(world: HubWorld) -> None:
    await world.slice_for("ada")
    status, problem = await world.call("POST", "jobs", world.user("ada"), BODY)
    assert (status, problem["reason"]) == (403, "no-jobs")
    assert "This hub runs no training jobs" in problem["message"]
    assert not world.service.ledger.jobs


async def test_the_dialog_that_promotes_a_notebook_is_told_so_before(world: HubWorld) -> None:
    await world.slice_for("ada")
    _, forecast = await world.call("POST", "jobs/forecast?look=1", world.user("ada"), BODY)
    assert forecast["allowed"] is False
    assert "This hub runs no training jobs" in forecast["message"]


async def test_a_job_of_before_waits_in_words_until_there_are_jobs_again(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings_for(tmp_path)) as world:
        await world.agent()
        await world.slice_for("ada")
        write_notebook(tmp_path / "homes" / "ada" / "train.ipynb")
        await world.call("PUT", "lending", world.admin(), {"lending": False})
        status, job = await world.call("POST", "jobs", world.user("ada"), BODY)
        assert status == 201, job
    async with hub_world(tmp_path, hub, runs=NoRuns(home_is_shared=False)) as world:

        async def says_so() -> bool:
            _, told = await world.call("GET", f"jobs/{job['job_id']}", world.user("ada"))
            is_told = "switches training jobs on" in told["reason"]
            return told["state"] == "waiting" and is_told and told["reason_code"] == "jobs-off"

        await until(says_so)


@asynccontextmanager
async def _jobs_were_switched_off(
    folder: Path, hub: FakeHub
) -> AsyncIterator[tuple[HubWorld, str]]:
    """A machine whose jobs were switched off while one of Ada's runs; yields its path, too."""
    script = folder / "homes" / "ada" / "train.ipynb"
    async with hub_world(folder, hub) as world:
        await world.agent()
        world.interpreter = write_interpreter(folder / "python")
        await world.slice_for("ada", size="small")
        write_script(script, ["wait", str(folder / "go")])
        status, job = await world.call("POST", "jobs", world.user("ada"), BODY)
        assert status == 201, job
        path = f"jobs/{job['job_id']}"
        await until(_is_so(world, path, "running"))
    runs = SubletHub(job_backend="none").runs_of(None, settings_for(folder))
    async with hub_world(folder, hub, runs=runs) as world:
        await world.agent()
        yield world, path


def _is_so(world: HubWorld, path: str, state: str, reason: str = "") -> Any:
    async def is_so() -> bool:
        _, told = await world.call("GET", path, world.user("ada"))
        return told["state"] == state and reason in told["reason"]

    return is_so


async def test_a_job_that_runs_on_this_machine_is_brought_to_its_end(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with _jobs_were_switched_off(tmp_path, hub) as (world, path):
        (tmp_path / "go").touch()
        await until(_is_so(world, path, "done"))
        status, problem = await world.call("POST", "jobs", world.user("ada"), BODY)
        assert (status, problem["reason"]) == (403, "no-jobs")


async def test_a_job_that_runs_on_this_machine_can_be_cancelled(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with _jobs_were_switched_off(tmp_path, hub) as (world, path):
        status, _ = await world.call("POST", f"{path}/cancel", world.user("ada"))
        assert status == 200
        await until(_is_so(world, path, "cancelled"))


async def test_a_job_that_has_to_leave_its_gpu_waits_for_jobs_to_be_switched_on(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with _jobs_were_switched_off(tmp_path, hub) as (world, path):
        _, job = await world.call("GET", path, world.user("ada"))
        (agent,) = world.agents
        slice_id = job["slice"]["lease"]["slice_id"]
        told = {"event_id": "e1", "at": datetime.now(UTC), "gpu_id": "SIM-0"}
        await agent.tell(AgentEvent(**told, kind=EventKind.EVICTED, slice_id=slice_id))
        await until(_is_so(world, path, "waiting", "switches training jobs on"))


async def test_a_job_that_runs_in_a_cluster_says_that_it_is_unseen_and_cannot_be_cancelled(
    tmp_path: Path, hub: FakeHub, kube: FakeKube
) -> None:
    async with way_into(kube) as api:
        runs = RunsAhead(api, SETTINGS)
        async with jobs_story(tmp_path, hub, kube, runs) as story:
            await story.running()
            path, token = f"jobs/{story.job_id}", story.token
        async with hub_world(tmp_path, hub, runs=NoRuns(home_is_shared=False)) as world:
            await until(_is_so(world, path, "running", "its pod is left to itself"))
            status, problem = await world.call("POST", f"{path}/cancel", token)
            assert (status, problem["reason"]) == (409, "conflict")
            assert (
                "switched off here, and this service may not delete its pod" in problem["message"]
            )
        async with hub_world(tmp_path, hub, runs=RunsAhead(api, SETTINGS)) as world:
            await world.agent(boot_id="another-machine")
            await until(lambda: not world.service.fleet.is_silent("node-a"))
            _, job = await world.call("GET", path, token)
            assert (job["state"], job["reason"]) == ("running", "")
            assert (await world.call("POST", f"{path}/cancel", token))[0] == 200


async def test_servers_that_share_a_volume_of_one_node_are_on_one_node(world: HubWorld) -> None:
    await world.agent(node="node-b", boot_id="boot-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-1"),))
    home = {"home_claim": "claim-ada"}
    first = await world.slice_for("ada", size="small", **home)
    await world.slice_for("bob", size="large")
    second = await world.slice_for("ada", server="second", size="large", **home)
    other = await world.slice_for("ada", server="other", size="large", home_claim="another")
    assert first["node"] == second["node"] != other["node"]


async def test_homes_bind_where_there_is_a_cluster_and_one_node_alone_mounts_them(
    tmp_path: Path,
) -> None:
    settings = settings_for(tmp_path)

    def shared(options: SubletHub, kube: Any) -> bool:
        runs = options.runs_of(kube, settings)
        assert isinstance(runs, NoRuns)
        return runs.home_is_shared

    async with fake_kube() as kube, way_into(kube) as api:
        assert not shared(SubletHub(job_backend="none"), api)
        assert shared(SubletHub(job_backend="none", homes_are_shared=True), api)
        assert shared(SubletHub(job_backend="none"), None)
