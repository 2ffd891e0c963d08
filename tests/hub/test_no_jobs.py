"""A hub without training jobs refuses them in words, runs nothing, and serves notebooks."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.application import SubletHub
from sublet_hub.no_jobs import NoRuns

from tests.support.fake_agent import a_gpu
from tests.support.fake_kube_api import fake_kube, way_into
from tests.support.hub_world import (
    OTHER_SECRET,
    FakeHub,
    HubWorld,
    hub_world,
    settings_for,
    until,
)
from tests.support.job_notebooks import write_notebook

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
            return told["state"] == "waiting" and "switches training jobs on" in told["reason"]

        await until(says_so)


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
