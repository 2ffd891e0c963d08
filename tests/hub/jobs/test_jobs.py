"""Training jobs over the API: submitted, run, cancelled and ended.

A stand-in for the owner's interpreter keeps these quick; ``test_jobs_for_real`` has papermill.
"""

import json
import os
import pwd
import signal
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.ledger.records import Change
from sublet_quota.reasons.cap_keepers import DRIVER_IF_ABLE
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.agent_link import WaitReport

from tests.support.ended_processes import lives
from tests.support.fake_agent import GIB, a_gpu, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.hub_world_runner import write_interpreter, write_script
from tests.support.job_owner import Ada, make_ada

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def ada(world: HubWorld) -> AsyncIterator[Ada]:
    yield await make_ada(world)


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
    ada.agent.gpus = (a_gpu(lendable_mib=10 * GIB, suspend_mib_per_s=6000),)
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


@pytest.mark.parametrize("by_driver", [True, False], ids=["the driver", "the frameworks"])
async def test_what_keeps_a_jobs_cap_is_as_its_owners_spawner_says(
    ada: Ada, *, by_driver: bool
) -> None:
    account = {**ada.world.account("ada"), "driver_memory_limit": by_driver}
    await ada.world.slice_for("ada", size="small", account=account)
    job_id = await ada.submit(["write", "environment", "environment"], ["wait", "go"])
    await ada.until_file("environment")
    await ada.agent.until(lambda: [s for s in ada.agent.assignments.slices if s.holder == "job"])
    (assigned,) = [s for s in ada.agent.assignments.slices if s.holder == "job"]
    assert assigned.cap_kept_by == (("watch", DRIVER_IF_ABLE) if by_driver else ())
    environment = json.loads((ada.home / "environment").read_text())
    assert environment["SUBLET_MEMORY_MIB"] == str(79 * GIB)
    for name in ("PYTORCH_ALLOC_CONF", "XLA_CLIENT_MEM_FRACTION"):
        assert (name in environment) is not by_driver
    (ada.home / "go").touch()
    await ada.until(job_id, "done")


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
    assert not lives(kernel)
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
    assert not lives(kernel)


async def test_a_job_that_dies_of_a_signal_says_so(ada: Ada) -> None:
    job = await ada.until(await ada.submit(["die", int(signal.SIGKILL)]), "failed")
    assert "signal 9" in job["reason"]


async def test_a_job_that_runs_for_too_long_is_ended(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub) as world:
        ada = await make_ada(world)
        job_id = await ada.submit(["write", "pid", "pid"], ["wait", "never"], max_run_s=60)
        await ada.until_file("pid")
        ledger, now = world.service.ledger, datetime.now(UTC)
        long_ago = replace(ledger.jobs[job_id], started_at=now - timedelta(seconds=80))
        ledger.apply(Change(jobs=(long_ago,)), now)
        job = await ada.until(job_id, "failed")
        assert (job["max_run_s"], job["reason"]) == (60, "ran for longer than 60 s")


async def test_a_job_with_too_long_a_log_is_ended(tmp_path: Path, hub: FakeHub) -> None:
    settings = settings_for(tmp_path)
    settings = replace(settings, limits=replace(settings.limits, log_bytes=10_000))
    async with hub_world(tmp_path, hub, settings) as world:
        ada = await make_ada(world)
        job = await ada.until(
            await ada.submit(["print", "x" * 20_000], ["wait", "never"]), "failed"
        )
        assert "its log grew" in job["reason"]


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
