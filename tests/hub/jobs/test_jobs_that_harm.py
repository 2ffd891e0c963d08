"""Jobs that say, ask or do what no job should: nobody else's jobs and slices notice."""

import asyncio
import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from sublet_hub.errors import NotebookError
from sublet_hub.host import owner_process
from sublet_hub.host.owner_process import run_as_owner
from sublet_hub.host.process_identity import is_alive
from sublet_hub.jobs.backends.local import processes, runner
from sublet_hub.jobs.backends.local.notebook_check import inspect_notebook
from sublet_hub.jobs.backends.local.processes import HeldProcess, Launch, start_held
from sublet_hub.jobs.log_retention import LogRoom, make_room
from sublet_hub.jobs.notebook import locate_notebook
from sublet_hub.jobs.progress import Progress, ProgressFile, last_failure
from sublet_hub.ledger import ended_jobs as ended_jobs_module
from sublet_hub.ledger.database import Database, LedgerWriteError
from sublet_hub.ledger.held_periods import HeldPeriod
from sublet_hub.ledger.records import Change, EventRecord, StartedProcess
from sublet_hub.ledger.text import storable
from sublet_hub.state.job_files import JobFiles
from sublet_quota.names.ids import JobId
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.api import AccountTemplate

from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.job_owner import make_ada


def an_account(home: Path, *lines: str) -> AccountTemplate:
    """Whose interpreter is a shell script, and whose folder is a link to somewhere else."""
    interpreter = home / "python"
    interpreter.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    interpreter.chmod(0o755)
    (home / "link").symlink_to(home)
    return AccountTemplate(
        uid=os.getuid(),
        gid=os.getgid(),
        home=str(home),
        notebook_dir=str(home / "link"),
        python=str(interpreter),
        environment={"PATH": os.environ["PATH"]},
    )


def test_a_job_starts_in_no_folder_that_its_owner_can_choose(tmp_path: Path) -> None:
    account = an_account(tmp_path, "exec sleep 60")
    log = os.open(os.devnull, os.O_WRONLY)
    held = start_held(Launch(account, dict(account.environment), log, log), "boot")
    os.close(log)
    try:
        assert Path(f"/proc/{held.child.pid}/cwd").readlink() == Path("/")
    finally:
        held.give_up()


@pytest.mark.asyncio
async def test_a_notebook_is_looked_at_in_no_folder_that_its_owner_can_choose(
    tmp_path: Path,
) -> None:
    account = an_account(tmp_path, 'echo "in $(pwd)" >&2', "exit 3")
    path = locate_notebook(account, "train.ipynb")
    assert not isinstance(path, Refusal)
    refusal = await inspect_notebook(account, path, timedelta(seconds=60))
    assert isinstance(refusal, Refusal)
    assert refusal.message == "train.ipynb: in /"


@pytest.mark.asyncio
@pytest.mark.parametrize("then", ["", "exec sleep 600"])
async def test_a_child_that_holds_its_pipes_keeps_no_notebook_check_waiting(
    tmp_path: Path, then: str
) -> None:
    told = tmp_path / "pid"
    # In a session of its own before it says so: the check's end is not the child's.
    child = f"setsid sh -c 'echo $$ > {told}; exec sleep 600' &"
    account = an_account(tmp_path, child, then)
    path = locate_notebook(account, "train.ipynb")
    assert not isinstance(path, Refusal)
    told.touch()
    # On a busy machine the check may be given up before it has come as far as its child.
    async with asyncio.timeout(60):
        while not told.read_text():
            with pytest.raises(NotebookError, match="did not answer within 1 s"):
                await inspect_notebook(account, path, timedelta(seconds=1))
    os.kill(int(told.read_text()), signal.SIGKILL)


@pytest.mark.asyncio
async def test_a_process_that_nothing_kills_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    account = an_account(tmp_path, "exec sleep 60")
    monkeypatch.setattr(owner_process, "_DIES_WITHIN_S", 0.1)
    with monkeypatch.context() as patch:
        told = let_nothing_be_killed(patch)
        with pytest.raises(NotebookError, match="did not answer"):
            await run_as_owner(account, [account.python], timedelta(seconds=0.1))
    assert "cannot be killed" in caplog.text
    pid = told.pop()
    os.killpg(pid, signal.SIGKILL)
    # Once it is reaped nothing watches for its end any more, when the loop is.
    await until(lambda: not psutil.pid_exists(pid))
    for thread in threading.enumerate():
        if thread.name.startswith("asyncio-waitpid"):
            await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)


def let_nothing_be_killed(patch: pytest.MonkeyPatch) -> set[int]:
    """As with a process that waits for a dead file server; returns who was to be killed."""
    told: set[int] = set()
    patch.setattr(os, "killpg", lambda pid, _: told.add(pid))
    patch.setattr(subprocess.Popen, "send_signal", lambda self, _: told.add(self.pid))
    patch.setattr(psutil.Process, "send_signal", lambda self, _: told.add(self.pid))
    return told


@pytest.mark.asyncio
async def test_a_job_that_nothing_kills_ends_in_words_and_holds_nobody_up(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await make_ada(world)
    job_id = await ada.submit(["write", "pid", "pid"], ["wait", "never"])
    pid = int(await ada.until_file("pid"))
    monkeypatch.setattr(processes, "_KILL_ROUNDS", 3)
    with monkeypatch.context() as patch:
        told = let_nothing_be_killed(patch)
        await ada.world.call("POST", f"jobs/{job_id}/cancel", ada.token)
        job = await ada.until(job_id, "cancelled")
    assert pid in told
    assert "by its owner; a process of it waits" in job["reason"]
    assert job["slice"] is None
    os.kill(pid, signal.SIGKILL)
    # Nobody keeps a zombie of it.
    await until(lambda: not psutil.pid_exists(pid))


def let_die_where_told(interpreter: Path) -> None:
    first, rest = interpreter.read_text().split("\n", 1)
    dies = '[ "$4" = run ] && [ -n "$DIES" ] && exit 7'
    interpreter.write_text(f"{first}\n{dies}\n{rest}")


@pytest.mark.asyncio
async def test_a_process_that_ends_before_its_request_is_a_failed_job(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(launch: Launch, boot_id: str) -> HeldProcess:
        held = start_held(launch, boot_id)
        if "DIES" in launch.environment:
            os.waitid(os.P_PID, held.child.pid, os.WEXITED | os.WNOWAIT)
        return held

    monkeypatch.setattr(runner, "start_held", start)
    ada = await make_ada(world)
    let_die_where_told(Path(world.interpreter))
    job_id = await ada.submit(["print", "x"], environment={"DIES": "1"})
    job = await ada.until(job_id, "failed")
    assert "exit status 7" in job["reason"]
    assert [record.is_job for record in world.service.ledger.slices.values()] == [False]


@pytest.mark.asyncio
async def test_a_job_that_cannot_be_looked_after_stops_no_other(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await make_ada(world)
    bad = await ada.submit(["wait", "never"], memory_mib=1024)
    look = runner.LocalRunner._look_at_running

    def look_or_fail(self: runner.LocalRunner, job: Any, run: Any) -> None:
        if job.job_id == bad:
            raise OverflowError
        look(self, job, run)

    await ada.until(bad, "running")
    with monkeypatch.context() as patch:
        patch.setattr(runner.LocalRunner, "_look_at_running", look_or_fail)
        other = await ada.submit(["print", "x"], memory_mib=1024)
        await ada.until(other, "done")
    await ada.world.call("POST", f"jobs/{bad}/cancel", ada.token)
    await ada.until(bad, "cancelled")


@pytest.mark.asyncio
async def test_no_time_is_too_long_to_be_reckoned_with(world: HubWorld) -> None:
    ada = await make_ada(world)
    ada.script(["print", "x"])
    for seconds in (10**14, 10**20):
        status, problem = await ada.post(max_run_s=seconds)
        assert (status, problem["reason"]) == (400, "bad-request")


def test_counts_that_no_notebook_has_are_passed_over(tmp_path: Path) -> None:
    told = tmp_path / "progress"
    told.write_text(
        '{"cell": 1, "total": 3, "state": "running"}\n'
        f'{{"cell": 1, "total": {10**30}, "state": "running"}}\n'
        f'{{"cell": {2**40}, "total": {2**40}, "state": "running"}}\n'
    )
    assert ProgressFile(told).read() == Progress(0, 3, None, 1)


def test_a_job_that_counts_its_cells_anew_is_never_further_than_its_end(tmp_path: Path) -> None:
    told = tmp_path / "progress"
    told.write_text(
        '{"cell": 10, "total": 10, "state": "done"}\n{"cell": 1, "total": 1, "state": "running"}\n'
    )
    assert ProgressFile(told).read() == Progress(1, 1, None, 1)


@pytest.mark.asyncio
async def test_a_stored_job_that_has_done_more_cells_than_it_has_is_shown(world: HubWorld) -> None:
    ada = await make_ada(world)
    job_id = await ada.submit(["print", "x"])
    await ada.until(job_id, "done")
    ledger = world.service.ledger
    stored = replace(ledger.jobs[job_id], cells_done=10, cells_total=1)
    ledger.apply(Change(jobs=(stored,)), stored.submitted_at)
    status, jobs = await world.call("GET", "jobs", world.admin())
    assert status == 200
    assert [(job["cells_done"], job["progress"]) for job in jobs] == [(1, 1.0)]


def test_a_flood_of_progress_takes_a_part_of_a_round_and_hides_no_end(tmp_path: Path) -> None:
    told = tmp_path / "progress"
    flood = b"\n" * 2**20 + b"{}\n" * 2**18
    end = b'{"cell": 2, "total": 3}\n{"ended": true, "ok": false, "error": {"name": "E"}}\n'
    told.write_bytes(flood + end)
    file = ProgressFile(told)
    used_s = time.process_time()
    for _ in range(10):
        assert file.read() == Progress()
    assert time.process_time() - used_s < 0.5
    ended = file.read_end()
    assert (ended.cells_done, ended.cells_total) == (1, 3)
    assert ended.ended is not None
    failure = last_failure(told)
    assert failure is not None
    assert failure.name == "E"
    told.write_bytes(end + b"{}\n" * 20)
    assert last_failure(told) is None


def test_a_line_of_junk_costs_no_more_than_one_of_text(tmp_path: Path) -> None:
    told = tmp_path / "progress"

    def cost_of(line: bytes) -> float:
        told.write_bytes(line + b"\n")
        costs = []
        for _ in range(7):
            began_s = time.thread_time()
            last_failure(told)
            ProgressFile(told).read_end()
            costs.append(time.thread_time() - began_s)
        return min(costs)

    text = "\N{LATIN SMALL LETTER E WITH ACUTE}" * 40_000
    error = {"name": "E", "traceback": text}
    allowed = cost_of(json.dumps({"ended": True, "ok": False, "error": error}).encode())
    head = b'{"ended": true, "ok": false, "error": {"name": "\\u0041"}, "more": ['
    for part in (b"0,", b"{},", b'"",', b'{"":0},', b"1e9,", b"[]," * 1000):
        junk = head + part * (240_000 // len(part)) + b"0]}"
        assert cost_of(junk) < allowed, part[:9]
        lines = b'{"ended": true, "error": "\\u0041", "more": [' + part * (11_000 // len(part))
        assert cost_of((lines + b"0]}\n") * 20) < allowed, part[:9]


@pytest.mark.parametrize(
    "text", ['"', '\\"', "\\", '"' * 500, "{[," * 500, "\ud800", "\U0001f600\udc00\0", "\\\\ud800"]
)
def test_whatever_stands_in_an_errors_text_is_understood(tmp_path: Path, text: str) -> None:
    told = tmp_path / "progress"
    error = {"cell": 1, "name": "E", "message": text, "traceback": text}
    line = {
        "ended": True,
        "ok": False,
        "error": error,
        "output": text,
        "at": "2026-11-24T09:30:00Z",
    }
    told.write_text("junk\n" + json.dumps(line) + "\n" * 3000)
    failure = last_failure(told)
    assert failure is not None
    assert failure.message == failure.traceback == storable(text)


@pytest.mark.asyncio
async def test_words_that_no_database_takes_are_stored_without_what_it_refuses(
    world: HubWorld,
) -> None:
    ada = await make_ada(world)
    job = await ada.until(await ada.submit(["fail", "a\0b\ud800c"]), "failed")
    assert job["reason"] == "cell 1: ValueError: a\ufffdb\ufffdc"
    assert job["failure"]["message"] == "a\ufffdb\ufffdc"


@pytest.mark.asyncio
async def test_a_job_whose_end_cannot_be_stored_in_its_words_ends_without_them(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await make_ada(world)
    write = Database.write

    def write_or_refuse(
        self: Database, change: Change, now: datetime, begun: tuple[HeldPeriod, ...] = ()
    ) -> tuple[EventRecord, ...]:
        if any("not to be stored" in job.reason.told for job in change.jobs):
            message = "refused"
            raise LedgerWriteError(message)
        return write(self, change, now, begun)

    monkeypatch.setattr(Database, "write", write_or_refuse)
    job = await ada.until(await ada.submit(["fail", "not to be stored"]), "failed")
    assert "cannot be stored" in job["reason"]
    assert job["slice"] is None


@pytest.mark.asyncio
async def test_an_eviction_that_cannot_be_stored_for_a_while_is_still_one(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await make_ada(world)
    job_id = await ada.submit(["write", "pid", "pid"], ["wait", "go"])
    await ada.until_file("pid")
    refused: list[Change] = []
    with monkeypatch.context() as patch:

        def refuse(_self: Database, change: Change, *_rest: object) -> tuple[EventRecord, ...]:
            refused.append(change)
            message = "the database is away"
            raise LedgerWriteError(message)

        patch.setattr(Database, "write", refuse)
        world.assembly._runner.evict(world.service.ledger.jobs[job_id].slice_id, "room")
        await until(lambda: sum(bool(change.jobs) for change in refused) >= 3)
    (ada.home / "go").touch()
    await until(lambda: world.service.ledger.jobs[job_id].attempts == 2, 60)
    await ada.until(job_id, "done")
    assert world.service.ledger.jobs[job_id].failed_attempts == 0


def test_a_process_is_still_itself_when_the_clock_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    process = psutil.Process()
    itself = StartedProcess("boot", process.pid, process.create_time() - psutil.boot_time())
    another = StartedProcess("boot", process.pid, itself.start_time - 0.5)
    booted = psutil.boot_time()
    for set_by in (0, 1, -3600):
        monkeypatch.setattr("psutil._pslinux.boot_time", lambda by=set_by: booted + by)
        assert is_alive(itself, "boot")
        assert not is_alive(another, "boot")


@pytest.mark.asyncio
async def test_a_notebook_that_has_endless_parameters_is_refused(world: HubWorld) -> None:
    ada = await make_ada(world)
    endless = [{"name": "x", "type": "str", "default": "A" * 3_000_000}]
    ada.script(["print", "x"], parameters=endless)
    status, problem = await ada.post()
    assert (status, problem["reason"]) == (400, "bad-notebook")
    assert "larger than 256 KiB" in problem["message"]


@pytest.mark.asyncio
async def test_large_parameters_are_refused_with_what_to_do(world: HubWorld) -> None:
    ada = await make_ada(world)
    ada.script(["print", "x"])
    status, problem = await ada.post(parameters={"x": "ü" * 9000})
    assert (status, problem["reason"]) == (400, "bad-request")
    assert "18009 bytes" in problem["message"]
    assert "a file that the notebook reads" in problem["message"]
    assert (await ada.post(parameters={"x": "y" * 16_000}))[0] == 201


def test_room_that_is_reserved_behind_a_logs_end_counts_and_goes_with_the_job(
    tmp_path: Path,
) -> None:
    files, job_id = JobFiles(tmp_path), JobId("j")
    files.prepare(job_id, {})
    log = files.log_path(job_id)
    log.write_text("said")
    reserve = ["fallocate", "--keep-size", "--length", "16M", str(log)]
    if subprocess.run(reserve, check=False, capture_output=True).returncode != 0:
        pytest.skip("nothing can be reserved in this file system")
    assert files.bytes_written(job_id, 1) >= 16 * 2**20
    make_room(files, [job_id], LogRoom(2**20, 2**23))
    assert files.bytes_written(job_id, 1) == len("said")
    assert log.read_text() == "said"


def test_logs_of_ended_jobs_are_cut_and_the_oldest_go_first(tmp_path: Path) -> None:
    files = JobFiles(tmp_path)
    jobs = [JobId(name) for name in ("newest", "older", "oldest")]
    for job_id in jobs:
        files.prepare(job_id, {"A": "b"})
        files.log_path(job_id).write_bytes(b"x" * 30_000)
    make_room(files, jobs, LogRoom(20_000, 50_000))
    assert [files.bytes_kept(job_id) for job_id in jobs[:2]] == [20_000, 20_000]
    text = files.read_log(jobs[2], 0, ended=True).text
    assert text.startswith("[This log was deleted")
    assert files.environment(jobs[2]) == {"A": "b"}


@pytest.mark.asyncio
async def test_an_owners_ended_jobs_keep_bounded_logs_and_leave_none_when_forgotten(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(tmp_path)
    limits = replace(settings.limits, log_bytes=10_000, owner_logs_bytes=20_000)
    settings = replace(settings, limits=limits)
    async with hub_world(tmp_path, hub, settings) as world:
        ada = await make_ada(world)
        files = world.assembly._files
        job_ids = [await ada.submit(["print", "x" * 20_000], ["print", "y"]) for _ in range(3)]
        for job_id in job_ids:
            await ada.until(job_id, "done", "failed")
        kept = [files.bytes_kept(job_id) for job_id in job_ids]
        assert sum(kept) < 25_000
        assert max(kept) < 11_000
        monkeypatch.setattr(ended_jobs_module, "MOST_ENDED_JOBS", 1)
        monkeypatch.setattr(ended_jobs_module, "_NEWEST_STAY", 1)
        last = await ada.submit(["print", "z"])
        await ada.until(last, "done")
        assert list(world.service.ledger.jobs) == [last]
        assert [path.name for path in files.folder.iterdir()] == [last]
