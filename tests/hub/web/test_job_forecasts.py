"""What a forecast says of a job before it is submitted: allowed or why not, and the wait."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.fake_agent import GIB, a_gpu
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.job_owner import Ada, make_ada

pytestmark = pytest.mark.asyncio
PATIENCE_S = 60


@pytest_asyncio.fixture
async def ada(world: HubWorld) -> AsyncIterator[Ada]:
    yield await make_ada(world)


async def forecast(ada: Ada, **request: Any) -> dict[str, Any]:
    body = {"notebook": "train.ipynb", **request}
    status, answer = await ada.world.call("POST", "jobs/forecast", ada.token, body)
    assert status == 200, answer
    return dict(answer)


async def test_a_forecast_says_that_it_starts_at_once_and_submits_nothing(ada: Ada) -> None:
    answer = await forecast(ada)
    assert (answer["allowed"], answer["place"], answer["expected_wait_s"]) == (True, None, 0)
    assert not ada.world.service.ledger.jobs


async def test_a_forecast_says_the_place_and_how_long_jobs_have_waited(ada: Ada) -> None:
    ada.script(["print", "x"])
    for _ in range(3):
        await ada.until_ended(await ada.submit(["print", "x"]))
    ada.agent.gpus = (a_gpu(lendable_mib=0),)
    await ada.agent.report()
    fleet = ada.world.service.fleet
    await until(lambda: fleet.gpu_report("SIM-0").lendable_mib == 0, PATIENCE_S)
    ada.world.service.times._kept_at = None
    waiting = await ada.submit(["print", "x"])
    answer = await forecast(ada)
    assert (answer["allowed"], answer["place"]) == (True, 2)
    assert 0 <= answer["expected_wait_s"] < 600
    assert "last 3 jobs" in answer["basis"]
    job = await ada.see(waiting)
    assert job["expected_start"] is not None
    assert job["state"] == "waiting"


async def test_a_forecast_says_nothing_where_nothing_is_known(ada: Ada) -> None:
    ada.agent.gpus = (a_gpu(lendable_mib=0, suspend_mib_per_s=6000),)
    await ada.agent.report()
    fleet = ada.world.service.fleet
    await until(lambda: fleet.gpu_report("SIM-0").lendable_mib == 0, PATIENCE_S)
    answer = await forecast(ada)
    assert (answer["place"], answer["expected_wait_s"]) == (1, None)
    assert answer["reason_code"] == "too-little-idle"
    assert "too few" in answer["basis"]


async def test_who_could_never_leave_in_time_is_told_so_before_and_after(ada: Ada) -> None:
    ada.agent.gpus = (a_gpu(lendable_mib=0, suspend_mib_per_s=10),)
    await ada.agent.report()
    fleet = ada.world.service.fleet
    await until(lambda: fleet.gpu_report("SIM-0").suspend_mib_per_s == 10, PATIENCE_S)
    answer = await forecast(ada)
    assert (answer["allowed"], answer["reason_code"]) == (True, "give-back-too-slow")
    assert "could not leave in time for owners who come back" in answer["message"]
    job_id = await ada.submit(["print", "x"])

    async def is_told() -> bool:
        return (await ada.see(job_id))["reason_code"] == "give-back-too-slow"

    await until(is_told)
    assert (await ada.see(job_id))["reason"] in answer["message"]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"memory_mib": 900 * GIB}, "larger-than-gpu"),
        ({"gpus": 4}, "bad-amount"),
        ({"notebook": "../x.ipynb"}, "bad-notebook"),
        ({"take_along": ["../x"]}, "bad-files"),
        ({"environment": {"JUPYTERHUB_API_TOKEN": "x"}}, "bad-parameters"),
    ],
)
async def test_a_forecast_says_why_a_job_would_be_refused(
    ada: Ada, request_: dict[str, Any], reason: str
) -> None:
    answer = await forecast(ada, **request_)
    assert (answer["allowed"], answer["problem"]["reason"]) == (False, reason)
    assert answer["message"] == answer["problem"]["message"]


@pytest.mark.parametrize(
    ("facts", "request_", "reason"),
    [
        (None, {}, "bad-notebook"),
        ({"kernel_installed": False}, {}, "unknown-kernel"),
        ({"parameters": [{"name": "rate", "type": "int"}]}, {"rate": "x"}, "bad-parameters"),
    ],
)
async def test_a_forecast_that_looks_into_the_notebook_says_what_submission_would(
    ada: Ada, facts: dict[str, Any] | None, request_: dict[str, Any], reason: str
) -> None:
    if facts is not None:
        ada.script(["print", "x"], **facts)
    body = {"notebook": "train.ipynb", "parameters": request_}
    _, looked = await ada.world.call("POST", "jobs/forecast?look=1", ada.token, body)
    _, problem = await ada.world.call("POST", "jobs", ada.token, body)
    assert (looked["allowed"], looked["problem"]) == (False, problem)
    assert problem["reason"] == reason
    unlooked = await forecast(ada, parameters=request_)
    assert (unlooked["allowed"], unlooked["notebook_checked"]) == (True, False)


async def test_a_forecast_that_has_looked_into_the_notebook_says_so(ada: Ada) -> None:
    ada.script(["print", "x"])
    body = {"notebook": "train.ipynb"}
    _, answer = await ada.world.call("POST", "jobs/forecast?look=1", ada.token, body)
    assert (answer["allowed"], answer["notebook_checked"]) == (True, True)
    assert not ada.world.service.ledger.jobs


async def test_a_forecast_for_who_has_no_account_says_what_to_do(world: HubWorld) -> None:
    await world.agent()
    _, answer = await world.call(
        "POST", "jobs/forecast", world.user("new"), {"notebook": "a.ipynb"}
    )
    assert (answer["allowed"], answer["problem"]["reason"]) == (False, "no-account")


async def test_a_forecast_for_somebody_else_is_by_their_groups_and_by_what_they_may(
    tmp_path: Path, hub: FakeHub
) -> None:
    file = tmp_path / "quota.yaml"
    file.write_text("groups: {lab: {jobs: {max_run: 3h}}}\n")
    async with hub_world(tmp_path, hub, settings_for(tmp_path, quota_file=file)) as world:
        await make_ada(world)
        hub.people["ada"] = ("lab",)
        body = {"notebook": "train.ipynb"}
        _, seen = await world.call("POST", "jobs/forecast?owner=ada", world.admin(), body)
        assert (seen["allowed"], seen["group"], seen["max_run_s"]) == (True, "lab", 3 * 3600)
        first = {**body, "priority": 10}
        _, seen = await world.call("POST", "jobs/forecast?owner=ada", world.admin(), first)
        hers = world.user("ada", ("lab",))
        _, told = await world.call("POST", "jobs/forecast", hers, first)
        assert seen == told
        assert seen["allowed"] is False
        status, _ = await world.call("POST", "jobs/forecast?owner=cleo", hers, body)
        assert status == 403


async def test_a_forecast_for_whom_nobody_knows_is_none(ada: Ada) -> None:
    admin, body = ada.world.admin(), {"notebook": "train.ipynb"}
    status, problem = await ada.world.call("POST", "jobs/forecast?owner=nobody", admin, body)
    assert (status, "nobody" in problem["message"]) == (404, True)
