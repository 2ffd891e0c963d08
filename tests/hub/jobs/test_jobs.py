"""Training jobs over the API: submitted, run, cancelled, lost and found; refused when wrong.

A stand-in for the owner's interpreter keeps these quick; ``test_jobs_for_real`` has papermill.
"""

import json
import os
import pwd
import signal
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from sublet_hub.jobs.backends.local import runner
from sublet_hub.jobs.backends.local.processes import Launch, start_held
from sublet_hub.ledger.records import Change
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.agent_link import AgentEvent, WaitReport
from sublet_quota.wire.api import AccountTemplate
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import GIB, FakeAgent, a_gpu, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.hub_world_runner import write_interpreter, write_script

pytestmark = pytest.mark.asyncio


@dataclass
class Ada:
    """Somebody who submits jobs."""

    world: HubWorld
    agent: FakeAgent
    home: Path
    token: str

    def script(self, *steps: Any, **facts: Any) -> None:
        write_script(self.home / "train.ipynb", *map(self._at_home, steps), **facts)

    def _at_home(self, step: list[Any]) -> list[Any]:
        """Steps name files in the home, wherever their process runs."""
        if step[0] not in {"write", "wait", "kernel"}:
            return step
        return [step[0], str(self.home / step[1]), *step[2:]]

    async def post(self, **request: Any) -> tuple[int, Any]:
        body = {"notebook": "train.ipynb", **request}
        return await self.world.call("POST", "jobs", self.token, body)

    async def submit(self, *steps: Any, **request: Any) -> str:
        if steps:
            self.script(*steps)
        status, job = await self.post(**request)
        assert status == 201, job
        return str(job["job_id"])

    async def see(self, job_id: str) -> dict[str, Any]:
        status, job = await self.world.call("GET", f"jobs/{job_id}", self.token)
        assert status == 200, job
        return dict(job)

    async def until(self, job_id: str, *states: str) -> dict[str, Any]:
        async def reached() -> bool:
            return (await self.see(job_id))["state"] in states

        await until(reached)
        return await self.see(job_id)

    async def until_file(self, name: str) -> str:
        await until(lambda: (self.home / name).exists() and (self.home / name).read_text())
        return (self.home / name).read_text()


async def make_ada(world: HubWorld, **agent: Any) -> Ada:
    told = await world.agent(**agent)
    world.interpreter = write_interpreter(world.folder / "python")
    await world.slice_for("ada", size="small")
    return Ada(world, told, world.folder / "homes" / "ada", world.user("ada"))


@pytest_asyncio.fixture
async def ada(world: HubWorld) -> AsyncIterator[Ada]:
    yield await make_ada(world)


def _an_event(kind: EventKind, slice_id: str, **values: Any) -> AgentEvent:
    facts = {"event_id": f"e-{kind}-{slice_id}", "at": datetime.now(UTC), "gpu_id": "SIM-0"}
    return AgentEvent(**{**facts, "kind": kind, "slice_id": slice_id, **values})


async def test_a_job_is_done_and_its_slice_is_free_again(ada: Ada) -> None:
    job_id = await ada.submit(["print", "grüezi"], ["write", "request", "request"])
    job = await ada.until(job_id, "done", "failed")
    assert (job["state"], job["cells_done"], job["exit_code"]) == ("done", 2, 0)
    assert job["slice"] is None
    request = json.loads((ada.home / "request").read_text())
    assert request["output"] == job["output_notebook"]
    assert request["original"] == str(ada.home / "train.ipynb")
    _, log = await ada.world.call("GET", f"jobs/{job_id}/log?offset=2", ada.token)
    assert (log["offset"], log["ended"]) == (2, True)
    assert log["text"].endswith("ezi\n")


async def test_a_job_that_fails_names_cell_and_error(ada: Ada) -> None:
    job = await ada.until(await ada.submit(["print", "x"], ["fail", "no data"]), "failed")
    assert job["reason"] == "cell 2: ValueError: no data"


async def test_a_job_waits_with_place_and_reason_until_there_is_room(ada: Ada) -> None:
    ada.agent.gpus = (a_gpu(lendable_mib=10 * GIB),)
    await ada.agent.report()
    job_id = await ada.submit(["print", "x"])

    async def has_place() -> bool:
        return (await ada.see(job_id))["place"] == 1

    await until(has_place)
    job = await ada.see(job_id)
    assert job["state"] == "waiting"
    assert "10 GiB" in job["reason"]
    assert job["reason_code"] == "too-little-idle"
    ada.agent.gpus = (a_gpu(),)
    await ada.agent.report()
    await ada.until(job_id, "done")


async def test_a_placed_job_starts_only_when_its_gate_opens(ada: Ada) -> None:
    ada.agent.says = _ClosedGates(ada)  # type: ignore[assignment]
    job_id = await ada.submit(["print", "x"])
    await ada.until(job_id, "placed")

    async def says_why() -> bool:
        return "active" in (await ada.see(job_id))["reason"]

    await until(says_why)
    job = await ada.see(job_id)
    assert job["slice"]["lease"]["memory_mib"] == 79 * GIB
    assert job["started_at"] is None
    assert job["reason"] == "waits for its room on GPU 0 of node-a: an owner is active there"
    assert job["reason_code"] == "owners-active"
    ada.agent.says = {}
    await ada.agent.report()
    await ada.until(job_id, "done")


class _ClosedGates(dict[str, Any]):
    """Every gate is closed."""

    def __init__(self, ada: Ada) -> None:
        self._ada = ada

    def get(self, slice_id: str, default: Any = None) -> Any:
        del default
        wait = WaitReport(reason=WaitReason.OWNERS_ACTIVE, place=1)
        return a_report(slice_id, gate_open=False, wait=wait)


async def test_a_jobs_environment_holds_its_slice_and_no_token(ada: Ada) -> None:
    job_id = await ada.submit(["write", "environment", "environment"], environment={"SEED": "7"})
    await ada.until(job_id, "done")
    environment = json.loads((ada.home / "environment").read_text())
    assert environment["SEED"] == "7"
    assert environment["SUBLET_JOB_ID"] == job_id
    assert environment["SUBLET_GPU_ID"] == "SIM-0"
    assert environment["SUBLET_MEMORY_MIB"] == str(79 * GIB)
    assert "canary" not in json.dumps(environment)


async def test_the_agent_learns_the_jobs_first_process(ada: Ada) -> None:
    job_id = await ada.submit(["write", "pid", "pid"], ["wait", "go"])
    pid = int(await ada.until_file("pid"))
    await ada.agent.until(
        lambda: pid in [s.root_pid for s in ada.agent.assignments.slices if s.holder == "job"]
    )
    (ada.home / "go").touch()
    await ada.until(job_id, "done")


async def test_cancelling_ends_every_process_of_a_job(ada: Ada) -> None:
    job_id = await ada.submit(["deaf"], ["kernel", "kernel"], ["wait", "never"])
    kernel = int(await ada.until_file("kernel"))
    status, job = await ada.world.call("POST", f"jobs/{job_id}/cancel", ada.token)
    assert (status, job["reason"]) == (200, "is being cancelled")
    job = await ada.until(job_id, "cancelled")
    assert not psutil.pid_exists(kernel) or psutil.Process(kernel).status() == "zombie"
    assert job["slice"] is None
    status, problem = await ada.world.call("POST", f"jobs/{job_id}/cancel", ada.token)
    assert (status, problem["reason"]) == (409, "conflict")


async def test_a_waiting_job_is_cancelled_at_once(ada: Ada) -> None:
    ada.agent.gpus = (a_gpu(lendable_mib=0),)
    await ada.agent.report()
    job_id = await ada.submit(["print", "x"])
    status, job = await ada.world.call("POST", f"jobs/{job_id}/cancel", ada.token)
    assert (status, job["state"]) == (200, "cancelled")


async def test_what_a_job_leaves_behind_ends_with_it(ada: Ada) -> None:
    job_id = await ada.submit(["kernel", "kernel"])
    await ada.until(job_id, "done")
    kernel = int((ada.home / "kernel").read_text())
    assert not psutil.pid_exists(kernel) or psutil.Process(kernel).status() == "zombie"


async def test_an_evicted_job_goes_back_to_the_queue_and_runs_again(ada: Ada) -> None:
    job_id = await ada.submit(["write", "pid", "pid"], ["wait", "go"])
    first = await ada.until_file("pid")
    slice_id = (await ada.see(job_id))["slice"]["lease"]["slice_id"]
    await ada.agent.tell(_an_event(EventKind.EVICTED, slice_id, detail="managed memory"))
    await until(lambda: (ada.home / "pid").read_text() not in ("", first))
    (ada.home / "go").touch()
    await ada.until(job_id, "done")
    assert ada.world.service.ledger.jobs[job_id].attempts == 2


async def test_a_job_that_dies_of_a_signal_says_so(ada: Ada) -> None:
    job = await ada.until(await ada.submit(["die", int(signal.SIGKILL)]), "failed")
    assert "signal 9" in job["reason"]


async def test_a_job_that_its_runner_does_not_end_in_time_is_ended(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        ada = await make_ada(world)
        job_id = await ada.submit(["write", "pid", "pid"], ["wait", "never"], max_run_s=60)
        await ada.until_file("pid")
        ledger, now = world.service.ledger, datetime.now(UTC)
        long_ago = replace(ledger.jobs[job_id], started_at=now - timedelta(seconds=80))
        ledger.apply(Change(jobs=(long_ago,)), now)
        job = await ada.until(job_id, "failed")
        assert (job["max_run_s"], job["reason"]) == (60, "ran for longer than 60 s")


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
    psutil.Process(pid).kill()
    (ada.home / "go").touch()
    monkeypatch.setattr(runner, "_EVICTION_IS_TOLD_WITHIN", timedelta(seconds=0.5))
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
    psutil.Process(pid).kill()
    monkeypatch.setattr(runner, "_EVICTION_IS_TOLD_WITHIN", timedelta(seconds=0.5))
    async with hub_world(tmp_path, hub) as world:
        ada.world = world
        if agent_is_back:
            await world.agent()
        else:
            world.assembly._runner._runs[job_id].exited_at -= timedelta(seconds=61)
        job = await ada.until(job_id, "done", "failed")
        assert "while the service was away" in job["reason"]


async def test_a_running_job_outlives_its_agents_connection(ada: Ada) -> None:
    job_id = await ada.submit(["write", "pid", "pid"], ["wait", "go"])
    await ada.until_file("pid")
    await ada.agent.close()
    (ada.home / "go").touch()
    await ada.until(job_id, "done")


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


async def test_who_never_had_a_server_has_no_account_for_jobs(ada: Ada) -> None:
    status, problem = await ada.world.call(
        "POST", "jobs", ada.world.user("bob"), {"notebook": "train.ipynb"}
    )
    assert (status, problem["reason"]) == (409, "no-account")


async def test_a_job_with_too_long_a_log_is_ended(tmp_path: Path, hub: FakeHub) -> None:
    settings = settings_for(tmp_path)
    settings = replace(settings, limits=replace(settings.limits, log_bytes=10_000))
    async with hub_world(tmp_path, hub, settings) as world:
        ada = await make_ada(world)
        job = await ada.until(
            await ada.submit(["print", "x" * 20_000], ["wait", "never"]), "failed"
        )
        assert "its log grew" in job["reason"]


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
    psutil.Process(pid).kill()
    (tmp_path / "state" / "jobs" / job_id / "progress-1.jsonl").write_text("")
    (ada.home / "go").touch()
    async with hub_world(tmp_path, hub) as world:
        ada.world = world
        await world.agent()
        await ada.until(job_id, "done", "failed")
        assert world.service.ledger.jobs[job_id].state == "done"
        assert world.service.ledger.jobs[job_id].attempts == 2


@pytest.mark.skipif(
    os.getuid() != 0 or not Path("/usr/bin/python3").exists(),
    reason="only root can start processes of others; they need a Python outside root's home",
)
async def test_a_job_of_another_account_runs_as_that_account(ada: Ada) -> None:
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o777)  # noqa: ASYNC240 (a test may block)
        write_script(home / "train.ipynb", ["write", str(home / "pid"), "pid"])
        (home / "train.ipynb").chmod(0o644)
        account = {
            "uid": nobody.pw_uid,
            "gid": nobody.pw_gid,
            "home": name,
            "notebook_dir": name,
            "python": write_interpreter(home / "python", "/usr/bin/python3"),
        }
        body = {"owner": "ada", "account": account, "size": "small"}
        assert (await ada.world.hub_call("POST", "slices", body))[0] == 201
        job_id = await ada.submit()
        job = await ada.until(job_id, "done", "failed")
        assert job["state"] == "done", job["reason"]
        assert (home / "pid").stat().st_uid == nobody.pw_uid


@pytest.mark.skipif(os.getuid() != 0, reason="as root")
async def test_roots_group_is_never_given_to_a_job(ada: Ada) -> None:
    account = {**ada.world.account("ada"), "uid": 65534, "gid": 0}
    body = {"owner": "ada", "account": account, "size": "small"}
    assert (await ada.world.hub_call("POST", "slices", body))[0] == 201
    ada.script(["print", "x"])
    status, problem = await ada.post()
    assert (status, problem["reason"]) == (409, "no-account")
