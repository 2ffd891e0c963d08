"""One training job with the real runner: papermill, a kernel, an executed notebook."""

import json
from pathlib import Path
from typing import Any

import pytest
from sublet_quota.names.ids import JobId

from tests.support.fake_agent import FakeAgent, a_gpu
from tests.support.hub_world import HubWorld, until
from tests.support.job_notebooks import write_notebook

pytestmark = pytest.mark.asyncio


async def test_a_notebook_is_executed_with_its_parameters_as_its_owner(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("ada", size="small")
    home = world.folder / "homes" / "ada"
    write_notebook(
        home / "runs" / "train.ipynb",
        "import os, json",
        "json.dump(dict(os.environ), open('environment.json', 'w'))",
        "print('rate', rate)",
        parameters="rate = 0.1",
    )
    token = world.user("ada")
    body = {"notebook": "runs/train.ipynb", "parameters": {"rate": 0.5}}
    status, job = await world.call("POST", "jobs", token, body)
    assert status == 201, job
    ended = world.service.ledger.jobs

    await until(lambda: ended[job["job_id"]].ended_at is not None, 180)
    done = ended[job["job_id"]]
    assert (done.state, done.reason.code) == ("done", "done")
    assert done.cells_done == done.cells_total == 5
    output = Path(done.output_notebook or "")
    assert output.is_relative_to(home / "sublet-jobs")
    executed = output.read_text()  # noqa: ASYNC240 (a test may block)
    assert "rate 0.5" in executed
    _, log = await world.call("GET", f"jobs/{job['job_id']}/log", token)
    assert "rate 0.5" in log["text"]
    environment = json.loads((home / "runs" / "environment.json").read_text())
    assert environment["SUBLET_JOB_ID"] == job["job_id"]
    assert "canary" not in json.dumps(environment)


async def done_with_room(world: HubWorld, agent: FakeAgent, job_id: str) -> dict[str, Any]:
    """Lend a card to ada's job that waits, until it is done."""
    agent.gpus = (a_gpu(),)
    await agent.report()
    ended = world.service.ledger.jobs
    await until(lambda: ended[JobId(job_id)].ended_at is not None, 120)
    _, done = await world.call("GET", f"jobs/{job_id}", world.user("ada"))
    assert (done["state"], done["reason"]) == ("done", "")
    return dict(done)


async def test_a_job_runs_with_what_it_took_along_whatever_becomes_of_the_original(
    world: HubWorld,
) -> None:
    agent = await world.agent(gpus=(a_gpu(lendable_mib=0),))
    await world.slice_for("ada", size="small")
    home = world.folder / "homes" / "ada"
    notebook = write_notebook(home / "p" / "fit.ipynb", "print('rows', open('data/rows').read())")
    (home / "p" / "data").mkdir()
    (home / "p" / "data" / "rows").write_text("seven")
    token = world.user("ada")
    body = {"notebook": "p/fit.ipynb", "take_along": ["data"]}
    status, job = await world.call("POST", "jobs", token, body)
    assert status == 201, job
    (home / "p" / "data" / "rows").write_text("eight")
    write_notebook(notebook, "raise SystemExit('changed later')")
    done = await done_with_room(world, agent, job["job_id"])
    _, log = await world.call("GET", f"jobs/{job['job_id']}/log", token)
    assert "rows seven" in log["text"]
    assert (home / done["output_path"]).read_text().count("rows seven") == 1


async def test_a_job_runs_the_notebook_as_it_was_submitted_in_the_owners_folder(
    world: HubWorld,
) -> None:
    agent = await world.agent(gpus=(a_gpu(lendable_mib=0),))
    await world.slice_for("ada", size="small")
    home = world.folder / "homes" / "ada"
    notebook = write_notebook(home / "p" / "fit.ipynb", "print('rows', open('rows').read())")
    (home / "p" / "rows").write_text("seven")
    token = world.user("ada")
    status, job = await world.call("POST", "jobs", token, {"notebook": "p/fit.ipynb"})
    assert status == 201, job
    (home / "p" / "rows").write_text("eight")
    write_notebook(notebook, "raise SystemExit('half an edit')")
    done = await done_with_room(world, agent, job["job_id"])
    assert (home / done["output_path"]).read_text().count("rows eight") == 1
