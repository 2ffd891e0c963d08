"""What owners see of their jobs, what they may ask of them anew, and what others may not."""

import json
import os
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.ledger.job_parameters import JobParameters
from sublet_hub.ledger.records import Change
from sublet_hub.security import rate_limits
from sublet_hub.security.rate_limits import Rate
from sublet_hub.settings import OwnerLimits
from sublet_hub.web.views.slices import Viewer
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import JobId
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.agent_link import WaitReport

from tests.support.fake_agent import GIB, a_gpu, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.job_owner import Ada, make_ada

pytestmark = pytest.mark.asyncio
PATIENCE_S = 60


@pytest_asyncio.fixture
async def ada(world: HubWorld) -> AsyncIterator[Ada]:
    yield await make_ada(world)


async def test_a_failed_job_shows_the_cell_and_its_traceback(ada: Ada) -> None:
    job = await ada.until_ended(await ada.submit(["print", "x"], ["fail", "no data"]))
    assert job["failure"]["cell"] == 2
    assert (job["failure"]["name"], job["failure"]["message"]) == ("ValueError", "no data")
    assert "Traceback" in job["failure"]["traceback"]
    assert (job["reason_code"], job["reason"]) == ("cell-failed", "cell 2: ValueError: no data")
    assert (job["progress"], job["current_cell"], job["attempts"]) == (0.5, None, 1)


async def test_to_look_at_a_job_costs_as_much_as_it_takes_to_read_what_its_owner_wrote(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings_for(tmp_path), limits=OwnerLimits(requests=Rate(100, 0.01)))
    async with hub_world(tmp_path, hub, settings) as world:
        ada = await make_ada(world)
        job_id = await ada.submit(["print", "x"])
        jobs = world.service.ledger.jobs
        # Not as its owner: each of their looks counts, however long the job takes.
        await until(lambda: jobs[JobId(job_id)].state is JobState.DONE, PATIENCE_S)
        looks = [(await world.call("GET", f"jobs/{job_id}", ada.token))[0] for _ in range(3)]
        assert looks == [200] * 3
        # Whatever a machine takes for it is long now.
        monkeypatch.setattr(rate_limits, "_LOOK_S", 1e-9)
        looks = [(await world.call("GET", f"jobs/{job_id}", ada.token))[0] for _ in range(2)]
        assert looks == [200, 429]


async def test_a_running_job_shows_its_cell_and_how_far_it_is(ada: Ada) -> None:
    flag = str(ada.home / "flag")
    job_id = await ada.submit(["print", "x"], ["wait", flag], ["print", "y"], ["print", "z"])

    async def in_second() -> bool:
        return (await ada.see(job_id))["current_cell"] == 2

    await until(in_second, PATIENCE_S)
    job = await ada.see(job_id)
    assert (job["progress"], job["cells_done"], job["failure"]) == (0.25, 1, None)
    Path(flag).touch()  # noqa: ASYNC240 (a test may block)
    job = await ada.until_ended(job_id)
    assert (job["state"], job["progress"], job["current_cell"]) == ("done", 1.0, None)
    assert job["output_path"] == f"sublet-jobs/train-{job_id}/train.ipynb"


async def test_a_job_on_a_node_whose_agent_is_silent_says_so_and_nothing_that_was_said_before(
    ada: Ada,
) -> None:
    job_id = await ada.submit(["wait", str(ada.home / "flag")])
    held = (await ada.until(job_id, "running"))["slice"]["lease"]["slice_id"]
    wait = WaitReport(reason=WaitReason.OWNERS_ACTIVE, place=1, waits_for=(held,))
    ada.agent.says[held] = a_report(held, state=SliceState.SUSPENDED, waits=True, wait=wait)
    await ada.agent.report()

    async def is_suspended() -> bool:
        return (await ada.see(job_id))["suspended_for"] is not None

    await until(is_suspended, PATIENCE_S)
    await ada.agent.close()
    await until(lambda: ada.world.service.fleet.is_silent("node-a"), PATIENCE_S)
    job = await ada.see(job_id)
    assert job["reason"] == "the agent of node node-a does not report"
    assert (job["reason_code"], job["suspended_for"]) == ("agent-silent", None)
    assert job["slice"]["silent"] is True
    # Nobody else ends its process.
    (ada.home / "flag").touch()


async def test_a_job_that_is_suspended_says_so_with_since_when_and_for_whom(ada: Ada) -> None:
    job_id = await ada.submit(["wait", str(ada.home / "flag")])
    held = (await ada.until(job_id, "running"))["slice"]["lease"]["slice_id"]
    stops = ada.world.assembly._stops

    async def stands(**values: Any) -> dict[str, Any]:
        ada.agent.says[held] = a_report(held, **values)
        await ada.agent.report()
        fleet = ada.world.service.fleet
        await until(lambda: fleet.report(held) == ada.agent.says[held], PATIENCE_S)
        return await ada.see(job_id)

    job = await stands()
    assert (job["state"], job["stopped"], job["stopped_since"]) == ("running", None, None)
    wait = WaitReport(reason=WaitReason.OWNERS_ACTIVE, place=1, waits_for=(held,))
    job = await stands(state=SliceState.SUSPENDED, wait=wait)
    assert (job["state"], job["stopped"]) == ("running", "suspended")
    assert job["suspended_for"] == "for your own cell"
    since = job["stopped_since"]
    assert datetime.fromisoformat(since) == stops.since(held)
    job = await stands(state=SliceState.PAUSED)
    assert (job["stopped"], job["stopped_since"]) == ("paused", since)
    _, share = await ada.world.call("GET", "share", ada.token)
    assert (share["jobs_running"], share["jobs_stopped"]) == (1, 1)
    job = await stands()
    assert (job["stopped"], job["stopped_since"]) == (None, None)
    (ada.home / "flag").touch()


async def test_a_job_with_retries_is_begun_anew(ada: Ada) -> None:
    mark = str(ada.home / "mark")
    job = await ada.until_ended(await ada.submit(["fail once", "no luck", mark], retries=2))
    assert (job["state"], job["attempts"], job["retries"]) == ("done", 2, 2)
    assert job["failed_attempts"] == 1
    assert job["failure"] is None
    _, events = await ada.world.call("GET", "events", ada.token)
    (back,) = [event for event in events if event["kind"] == "job-went-back"]
    assert back["detail"].endswith("attempt 1 of 3 failed: cell 1: ValueError: no luck")


async def test_a_job_that_waits_for_its_next_attempt_shows_why_the_last_one_failed(
    ada: Ada,
) -> None:
    mark, go_on = ada.home / "mark", ada.home / "go-on"
    steps = (["wait", str(go_on)], ["fail once", "no luck", str(mark)])
    job_id = await ada.submit(*steps, retries=1)
    await ada.until(job_id, "running")
    ada.agent.gpus = (a_gpu(lendable_mib=0),)
    await ada.agent.report()
    fleet = ada.world.service.fleet
    await until(lambda: fleet.gpu_report("SIM-0").lendable_mib == 0, PATIENCE_S)
    go_on.touch()

    async def waits_again() -> bool:
        job = await ada.see(job_id)
        return job["state"] == "waiting" and job["failure"] is not None

    await until(waits_again, PATIENCE_S)
    job = await ada.see(job_id)
    assert (job["failure"]["cell"], job["failure"]["message"]) == (2, "no luck")
    assert (job["attempts"], job["current_cell"], job["progress"]) == (1, None, 0)


async def test_a_job_without_luck_fails_when_its_retries_are_used_up(ada: Ada) -> None:
    job = await ada.until_ended(await ada.submit(["fail", "never"], retries=1))
    assert (job["state"], job["attempts"]) == ("failed", 2)
    assert job["failure"]["message"] == "never"


async def test_a_cancelled_job_is_not_begun_anew(ada: Ada) -> None:
    job_id = await ada.submit(["wait", str(ada.home / "never")], retries=5)
    await ada.until(job_id, "running")
    await ada.world.call("POST", f"jobs/{job_id}/cancel", ada.token)
    job = await ada.until_ended(job_id)
    assert (job["state"], job["attempts"]) == ("cancelled", 1)


@pytest.mark.parametrize("state", ["waiting", "running"])
async def test_a_job_that_an_admin_cancels_says_so_and_names_the_admin_to_admins_alone(
    ada: Ada, state: str
) -> None:
    if state == "waiting":
        ada.agent.gpus = (a_gpu(lendable_mib=0),)
        await ada.agent.report()
    job_id = await ada.submit(["wait", "never"])
    await ada.until(job_id, state)
    zoe = ada.world.admin("zoe")
    status, _ = await ada.world.call("POST", f"jobs/{job_id}/cancel", zoe)
    assert status == 200
    job = await ada.until_ended(job_id)
    assert (job["state"], job["reason"], job["cancelled_by"]) == ("cancelled", "by an admin", None)
    _, events = await ada.world.call("GET", "events", ada.token)
    assert events[-1]["detail"] == f"{job_id}: cancelled by an admin"
    assert "zoe" not in json.dumps([job, events])
    _, seen = await ada.world.call("GET", f"jobs/{job_id}", zoe)
    assert (seen["reason"], seen["cancelled_by"]) == ("by an admin", "zoe")


async def test_a_job_that_its_owner_cancels_says_so(ada: Ada) -> None:
    job_id = await ada.submit(["wait", "never"])
    await ada.until(job_id, "running")
    await ada.world.call("POST", f"jobs/{job_id}/cancel", ada.token)
    job = await ada.until_ended(job_id)
    assert (job["reason"], job["cancelled_by"]) == ("by its owner", "ada")
    assert job["reason_code"] == "cancelled"


async def test_who_cancels_a_job_is_known_after_a_restart(tmp_path: Path, hub: FakeHub) -> None:
    settings = settings_for(tmp_path)
    # Its process goes on for as long as the service takes to start again.
    settings = replace(settings, jobs=replace(settings.jobs, grace=timedelta(hours=1)))
    async with hub_world(tmp_path, hub, settings) as world:
        ada = await make_ada(world)
        job_id = await ada.submit(["deaf"], ["write", "pid", "pid"], ["wait", "never"])
        pid = int(await ada.until_file("pid"))
        _, job = await world.call("POST", f"jobs/{job_id}/cancel", world.admin("zoe"))
        assert job["reason"] == "is being cancelled by an admin"
    async with hub_world(tmp_path, hub, settings) as world:
        ada.world = world
        assert (await ada.see(job_id))["state"] == "running"
        os.kill(pid, signal.SIGKILL)
        assert (await ada.until_ended(job_id))["reason"] == "by an admin"


async def test_running_again_is_a_new_job_that_asks_for_the_same(ada: Ada) -> None:
    first = await ada.submit(
        ["print", "x"], name="fit", parameters={"rate": 0.5}, environment={"A": "b"}, retries=1
    )
    await ada.until_ended(first)
    status, again = await ada.world.call("POST", f"jobs/{first}/again", ada.token)
    assert status == 201, again
    assert again["job_id"] != first
    assert (again["name"], again["parameters"], again["retries"]) == ("fit", {"rate": 0.5}, 1)
    await ada.until_ended(again["job_id"])
    assert ada.world.assembly._files.environment(again["job_id"]) == {"A": "b"}


async def test_a_job_from_before_a_limit_is_not_run_again_in_words(ada: Ada) -> None:
    ada.script(["print", "x"])
    job_id = await ada.submit(["print", "x"])
    await ada.until_ended(job_id)
    ledger = ada.world.service.ledger
    large = replace(ledger.jobs[job_id], parameters=JobParameters.of({"text": "x" * 20_000}))
    ledger.apply(Change(jobs=(large,)), ada.world.service.now())
    status, problem = await ada.world.call("POST", f"jobs/{job_id}/again", ada.token)
    assert (status, problem["reason"]) == (400, "bad-parameters")
    assert "put what is large into a file" in problem["message"]


@pytest.mark.parametrize(("method", "what"), [("POST", "again"), ("POST", "cancel"), ("GET", "")])
async def test_another_users_job_answers_as_one_that_is_not_there(
    ada: Ada, method: str, what: str
) -> None:
    job_id = await ada.submit(["print", "x"])
    await ada.until_ended(job_id)
    path = f"jobs/{job_id}/{what}".rstrip("/")
    status, problem = await ada.world.call(method, path, ada.world.user("eve"))
    assert (status, problem["reason"]) == (404, "not-found")
    assert await ada.world.call("GET", "jobs", ada.world.user("eve")) == (200, [])


async def test_files_that_are_taken_along_are_copied_and_the_job_runs_in_the_copy(
    ada: Ada,
) -> None:
    (ada.home / "data.csv").write_text("1,2")
    request = str(ada.home / "request")
    job_id = await ada.submit(["write", request, "request"], take_along=["data.csv"])
    copy = ada.home / "sublet-jobs" / f"train-{job_id}" / "files"
    assert (copy / "data.csv").read_text() == "1,2"
    job = await ada.until_ended(job_id)
    assert (job["state"], job["take_along"]) == ("done", ["data.csv"])
    said = json.loads((ada.home / "request").read_text())
    assert said["notebook"] == str(copy / "train.ipynb")
    assert Path(said["output"]).parent == copy.parent


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../b", "sublet-jobs"])
async def test_a_path_out_of_the_folder_is_refused_before_anything_is_read(
    ada: Ada, path: str
) -> None:
    ada.script(["print", "x"])
    status, problem = await ada.post(take_along=[path])
    assert (status, problem["reason"]) == (400, "bad-files")
    assert not (ada.home / "sublet-jobs").exists()


async def test_what_cannot_be_taken_along_is_refused_in_the_runners_words(ada: Ada) -> None:
    ada.script(["print", "x"])
    status, problem = await ada.post(take_along=["nothing.csv"])
    assert (status, problem["reason"]) == (400, "bad-files")
    assert "it is not there" in problem["message"]
    assert not ada.world.service.ledger.jobs


async def test_several_gpus_are_refused_in_words(ada: Ada) -> None:
    ada.script(["print", "x"])
    status, problem = await ada.post(gpus=2)
    assert (status, problem["reason"]) == (400, "bad-amount")
    assert "one GPU" in problem["message"]
    assert (await ada.post(retries=6))[0] == 400


async def test_metrics_and_api_agree_that_a_job_is_promised_nothing(ada: Ada) -> None:
    await ada.submit(["write", "pid", "pid"], ["wait", "go"])
    await ada.until_file("pid")
    _, (gpu,) = await ada.world.call("GET", "gpus", ada.world.admin())
    assert [held["lease"]["holder"] for held in gpu["slices"]] == ["notebook", "job"]
    text = (await ada.world.raw("GET", "metrics")).body.decode()
    (promised,) = re.findall(r'sublet_gpu_promised_mib{gpu="SIM-0",.*} (\S+)', text)
    assert float(promised) == gpu["promised_mib"]
    assert gpu["promised_mib"] < gpu["report"]["memory_mib"]
    (ada.home / "go").touch()


QUOTA = "groups: {lab: {}}\n"


@pytest.mark.parametrize(
    ("groups", "seen_by_owner", "seen_by_job"),
    [
        (("lab", "all"), "a job of ben", "for ada's cell"),
        (("all",), "a job", "for an owner's cell"),
    ],
)
async def test_names_are_shown_within_a_group_that_the_quota_document_knows(
    tmp_path: Path,
    hub: FakeHub,
    groups: tuple[str, ...],
    seen_by_owner: str,
    seen_by_job: str,
) -> None:
    (tmp_path / "quota.yaml").write_text(QUOTA)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        made = await make_ada(world)
        lease = await world.slice_for("ada", memory_mib=GIB, compute_milli=1, groups=list(groups))
        ben, ada = world.user("ben", ("lab", "all")), world.user("ada", groups)
        await world.slice_for("ben", "b", memory_mib=GIB, compute_milli=1, groups=["lab", "all"])
        home = world.folder / "homes" / "ben"
        (home / "train.ipynb").write_text(json.dumps({"steps": [["wait", str(home / "flag")]]}))
        _, job = await world.call("POST", "jobs", ben, {"notebook": "train.ipynb"})
        jobs = world.service.ledger.jobs
        await until(lambda: jobs[job["job_id"]].process is not None, PATIENCE_S)
        its = jobs[job["job_id"]].slice_id
        own = Viewer("ben", sees_all=False)
        assert world.service.views.job_name(job["job_id"], own) == "a job of yours"

        made.agent.says[lease["slice_id"]] = a_report(
            lease["slice_id"], active=False, lent_to=(its,)
        )
        await made.agent.report()

        async def lent() -> bool:
            _, share = await world.call("GET", "share", ada)
            return share["slices"][0]["lent_to"] == [seen_by_owner]

        await until(lent, PATIENCE_S)
        _, share = await world.call("GET", "share", ada)
        assert share["slices"][0]["lent_since"] is not None
        assert share["slices"][0]["last_lent"] is None

        wait = WaitReport(reason=WaitReason.OWNERS_ACTIVE, place=1, waits_for=(lease["slice_id"],))
        made.agent.says = {
            lease["slice_id"]: a_report(lease["slice_id"]),
            its: a_report(its, state=SliceState.PAUSED, gate_open=False, wait=wait),
        }
        await made.agent.report()

        async def suspended() -> bool:
            _, seen = await world.call("GET", f"jobs/{job['job_id']}", ben)
            return seen["suspended_for"] == seen_by_job

        await until(suspended, PATIENCE_S)
        _, share = await world.call("GET", "share", ada)
        last = share["slices"][0]["last_lent"]
        assert last["to"] == seen_by_owner
        assert last["from_"] <= last["until"]
        assert share["slices"][0]["lent_since"] is None
        await world.call("POST", f"jobs/{job['job_id']}/cancel", ben)
        await until(lambda: jobs[job["job_id"]].ended_at is not None, PATIENCE_S)


async def test_an_admin_sees_whose_it_is_and_may_run_it_again_as_its_owner(ada: Ada) -> None:
    job_id = await ada.submit(["print", "x"])
    await ada.until_ended(job_id)
    status, again = await ada.world.call("POST", f"jobs/{job_id}/again", ada.world.admin())
    assert (status, again["owner"]) == (201, "ada")
    await ada.until_ended(again["job_id"])
    assert timedelta() <= ada.world.service.ledger.jobs[job_id].ended_at - (
        ada.world.service.ledger.jobs[job_id].submitted_at
    )
