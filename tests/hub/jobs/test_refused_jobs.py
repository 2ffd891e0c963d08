"""Jobs that are refused when they are submitted, with the reason, and nothing has changed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.ledger.records import Change

from tests.support.fake_agent import GIB, a_gpu
from tests.support.hub_world import HubWorld
from tests.support.hub_world_runner import write_script
from tests.support.job_owner import Ada, make_ada
from tests.support.ledger_records import a_job_record

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def ada(world: HubWorld) -> AsyncIterator[Ada]:
    yield await make_ada(world)


@pytest.mark.parametrize(
    ("request_", "reason", "words"),
    [
        ({"notebook": "none.ipynb"}, "bad-notebook", "not a notebook"),
        ({"notebook": "train.txt"}, "bad-notebook", ".ipynb"),
        ({"notebook": "../train.ipynb"}, "bad-notebook", "without .."),
        ({"notebook": "/etc/train.ipynb"}, "bad-notebook", "leading /"),
        ({"parameters": {"x; import os": 1}}, "bad-parameters", "no name"),
        ({"parameters": {"class": 1}}, "bad-parameters", "no name"),
        ({"parameters": {"unknown": 1}}, "bad-parameters", "it has rate"),
        ({"parameters": {"rate": "fast"}}, "bad-parameters", "is a float"),
        ({"environment": {"JUPYTERHUB_API_TOKEN": "x"}}, "bad-parameters", "cannot be asked"),
        ({"environment": {"CUDA_VISIBLE_DEVICES": "0"}}, "bad-parameters", "cannot be asked"),
        ({"environment": {"A=B": "x"}}, "bad-parameters", "no name"),
        ({"memory_mib": 100 * GIB}, "larger-than-gpu", "79 GiB"),
        ({"memory_mib": -1}, "bad-amount", "1 MiB or more"),
        ({"gpu_type": "no such card"}, "no-gpu", "no such card"),
        ({"priority": 1}, "priority-not-allowed", "ask for 0, or for less"),
    ],
)
async def test_a_wrong_job_is_refused_and_nothing_has_changed(
    ada: Ada, request_: dict[str, Any], reason: str, words: str
) -> None:
    ada.script(["print", "x"], parameters=[{"name": "rate", "type": "float", "default": "0.1"}])
    status, problem = await ada.post(**request_)
    assert 400 <= status < 500
    assert (problem["reason"], words in problem["message"]) == (reason, True), problem
    assert not ada.world.service.ledger.jobs


async def test_an_admin_may_put_a_job_first_and_its_owner_may_not_do_so_again(ada: Ada) -> None:
    ada.script(["print", "x"])
    await ada.world.slice_for("root", size="small")
    home = ada.world.folder / "homes/root"
    write_script(home / "train.ipynb", ["print", "x"])
    body = {"notebook": "train.ipynb", "priority": 7}
    status, job = await ada.world.call("POST", "jobs", ada.world.admin(), body)
    assert (status, job["priority"]) == (201, 7)
    path = f"jobs/{job['job_id']}/again"
    _, again = await ada.world.call("POST", path, ada.world.user("root"), {})
    assert again["priority"] == 0


async def test_a_missing_kernel_is_refused_at_submission(ada: Ada) -> None:
    ada.script(["print", "x"], kernel="julia-1.9", kernel_installed=False)
    status, problem = await ada.post()
    assert (status, problem["reason"]) == (400, "unknown-kernel")
    assert "julia-1.9" in problem["message"]


async def test_what_is_no_request_is_refused(ada: Ada) -> None:
    for body in ({}, {"notebook": ["x"]}, {"notebook": "x.ipynb", "owner": "bob"}, "[", "null"):
        status, problem = await ada.world.call("POST", "jobs", ada.token, body)
        assert (status, problem["reason"]) == (400, "bad-request")


async def test_one_job_too_many_is_refused(ada: Ada) -> None:
    ada.agent.gpus = (a_gpu(lendable_mib=0),)
    await ada.agent.report()
    for _ in range(20):
        await ada.submit(["print", "x"])
    status, problem = await ada.post()
    assert (status, problem["reason"], problem["numbers"]["most_jobs"]) == (
        409,
        "too-many-jobs",
        20,
    )


async def test_an_owner_whose_jobs_take_much_memory_gets_no_more_and_others_do(ada: Ada) -> None:
    ada.agent.gpus = (a_gpu(lendable_mib=0),)
    await ada.agent.report()
    ada.script(["print", "x"])
    ledger, now = ada.world.service.ledger, ada.world.service.now()
    large = {"x": "y" * 7 * 2**20}
    ledger.apply(
        Change(jobs=(a_job_record("a" * 12, "ada", parameters=large),)), ada.world.service.now()
    )
    assert (await ada.post())[0] == 201
    more = a_job_record("b" * 12, "ada", parameters=large)
    ledger.apply(Change(jobs=(more,)), now)
    status, problem = await ada.post()
    assert (status, problem["reason"], problem["numbers"]["limit_mib"]) == (409, "too-many-jobs", 8)
    others = tuple(a_job_record(f"{n:012x}", f"o-{n}", parameters=large) for n in range(12))
    ledger.apply(Change(jobs=others), now)
    ledger.apply(Change(forgotten=(more.job_id, "a" * 12)), now)
    assert (await ada.post())[0] == 201
    last = a_job_record("c" * 12, "o", parameters={"x": "y" * 12 * 2**20})
    ledger.apply(Change(jobs=(last,)), now)
    status, problem = await ada.post()
    assert (status, problem["reason"], problem["numbers"]["limit_mib"]) == (
        409,
        "too-many-jobs",
        96,
    )
    status, forecast = await ada.world.call(
        "POST", "jobs/forecast", ada.token, {"notebook": "train.ipynb"}
    )
    assert forecast["problem"]["reason"] == "too-many-jobs"


async def test_who_never_had_a_server_has_no_account_for_jobs(ada: Ada) -> None:
    status, problem = await ada.world.call(
        "POST", "jobs", ada.world.user("bob"), {"notebook": "train.ipynb"}
    )
    assert (status, problem["reason"]) == (409, "no-account")
