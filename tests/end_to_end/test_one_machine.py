"""`make up` as a person runs it: it says how to log in, and leaves nothing behind."""

import asyncio
import contextlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
from sublet_hub.one_machine.demo.jupyter_client import CellError, Person
from tornado.httpclient import AsyncHTTPClient

from tests.support.ports import free_port
from tests.support.programs import STOP_WITHIN_S, Program, in_a_terminal, program

pytestmark = pytest.mark.end_to_end

UP = [sys.executable, "-m", "sublet_hub.one_machine", "--device", "simulated"]
PROXY = "configurable-http-proxy"
SIMULATED_GPUS = "sublet_agent.simulated.daemon"
SERVICE = "sublet_hub.app"
HUB = "jupyterhub -f"
AGENT = "sublet_agent.app.application"
READY = "Stop with Ctrl-C"
HOLD = "import sublet_agent.simulated.client as gpu; b = gpu.allocate(gib=4); h = b.fill(1); x = 41"
LOOK = "print(b.sha256() == h, x)"
JOB = {
    "notebook": "train-digits.ipynb",
    "memory_mib": 4096,
    "parameters": {"steps": 100_000, "hold_gib": 2, "step_s": 0.02},
}


def up(folder: Path, port: int) -> list[str]:
    return [*UP, "--port", str(port), "--folder", str(folder)]


def test_up_tells_how_to_log_in_refuses_a_second_on_its_folder_and_ends_with_all_its_parts(
    tmp_path,
):
    folder, port = tmp_path / "sublet", free_port()
    with program(up(folder, port), tmp_path / "told.txt") as running:
        running.wait_for(READY)
        assert "SIMULATED" in running.told()
        assert re.search(r"any name and the password\s+\S{8,}", running.told())
        assert_answers(port)
        parts, before = running.parts(), state_of(folder)
        # Below these there are some that end soon by themselves, as the agent's canary does.
        main_parts = parts_of(running, PROXY, SIMULATED_GPUS, SERVICE, HUB, AGENT)
        second = subprocess.run(
            up(folder, free_port()), capture_output=True, text=True, timeout=300, check=False
        )
        assert second.returncode == 1
        assert f"in use: process {running.process.pid} runs a hub on it" in second.stderr
        assert state_of(folder) == before
        assert all(each.is_running() for each in main_parts)
        assert_answers(port)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(STOP_WITHIN_S) == 0, running.told()
        assert psutil.wait_procs(parts, timeout=60)[1] == []
    private = [folder / "secrets" / name for name in ("password", "service-token")]
    assert [oct(each.stat().st_mode & 0o777) for each in private] == ["0o600", "0o600"]


def assert_answers(port: int) -> None:
    """The page to log in at is there."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/hub/login", timeout=60) as page:
        assert page.status == 200


def state_of(folder: Path) -> dict[str, object]:
    """What a second program has changed, on a folder that it may not touch."""
    secrets = [file for file in (folder / "secrets").rglob("*") if file.is_file()]
    files = [*secrets, folder / "jupyterhub_config.py", folder / "running"]
    sockets = {str(each): each.stat().st_ino for each in (folder / "run").iterdir()}
    return {**sockets, **{str(each): each.read_text() for each in files}}


def test_up_keeps_notebooks_and_jobs_when_parts_die_and_the_next_up_stops_what_a_killed_one_left(
    tmp_path,
):
    folder, port = tmp_path / "sublet", free_port()
    folder.mkdir()
    (folder / "quota.yaml").write_text("pools: [{name: interactive, idle_after: 1s}]")
    with program(up(folder, port), tmp_path / "first.txt") as killed:
        killed.wait_for(READY)
        asyncio.run(let_parts_die(killed, folder, port))
        left = killed.parts()
        killed.process.kill()
        killed.process.wait(STOP_WITHIN_S)
        before = passwords(folder)
        closed = folder / "agent" / "closed-gpus.json"
        closed.write_text("of simulated GPUs that are no more")
        with in_a_terminal(up(folder, port)) as running:
            running.wait_for(READY)
            assert not closed.exists()
            assert "A killed run left its hub" in running.told()
            assert psutil.wait_procs(left, timeout=60)[1] == []
            assert_answers(port)
            assert passwords(folder) == before
            assert all(each in running.told() for each in before)
            parts = running.parts()
            assert len(parts) >= 4
            running.close_terminal()
            running.process.wait(STOP_WITHIN_S)
            assert psutil.wait_procs(parts, timeout=60)[1] == []


def passwords(folder: Path) -> list[str]:
    return [(folder / "secrets" / name).read_text() for name in ("password", "admin-password")]


async def let_parts_die(running: Program, folder: Path, port: int) -> None:
    """Kill every part of a running machine: a kernel, a job and the ledger are as they were."""
    user, admin = passwords(folder)
    ada = Person(f"http://127.0.0.1:{port}", "ada", user)
    boss = Person(ada.hub_url, "admin", admin)
    await asyncio.gather(ada.log_in(), boss.log_in())
    await ada.start_server({})
    kernel = await ada.open_kernel()
    await kernel.run(HOLD)
    job = await ada.service("POST", "jobs", JOB)
    trains = await until_it_trains(ada, job["job_id"])
    slices = await slices_of(boss)
    kill_parts(running, SERVICE, AGENT, HUB)
    # The way to the kernel is there all the while; the cell waits for the agent's next life.
    assert (await kernel.run(LOOK)).text == "True 41\n"
    for name in ("service", "agent", "hub"):
        running.wait_for(f"{name} answers again")
    assert await slices_of(boss) == slices
    kill_parts(running, PROXY)
    running.wait_for("proxy answers again")
    await kernel.connect_again()
    assert (await kernel.run(LOOK)).text == "True 41\n"
    assert await until_it_trains(ada, job["job_id"]) == trains
    kill_parts(running, SIMULATED_GPUS)
    running.wait_for("simulated-gpus answers again")
    assert "WHAT WAS ON THE SIMULATED GPUS IS GONE" in running.told()
    with pytest.raises(CellError, match="the simulated GPUs"):
        await kernel.run(LOOK)
    for name in ("service", "agent", "hub", "proxy", "simulated-gpus"):
        assert re.search(rf"{name} \(process \d+\) was ended by SIGKILL; it is", running.told())
    kernel.close()
    AsyncHTTPClient().close()


async def until_it_trains(owner: Person, job_id: str) -> tuple[int, list[int]]:
    """Wait until a job computes on the GPU; return its attempts, and its processes there."""
    ends = time.monotonic() + 120
    while True:
        job = await owner.service("GET", f"jobs/{job_id}")
        report = (job["slice"] or {}).get("report") or {}
        if job["state"] == "running" and report.get("gate_open") and report["memory_mib"] > 2048:
            return job["attempts"], report["pids"]
        assert time.monotonic() < ends, job
        await asyncio.sleep(0.2)


async def slices_of(admin: Person) -> set[tuple[str, str]]:
    (gpu,) = await admin.service("GET", "gpus")
    return {(s["lease"]["slice_id"], s["lease"]["owner"]) for s in gpu["slices"]}


def kill_parts(running: Program, *commands: str) -> None:
    """Kill the parts whose command lines have these words in them."""
    for part in parts_of(running, *commands):
        part.kill()


def parts_of(running: Program, *commands: str) -> list[psutil.Process]:
    """The parts whose command lines have these words in them, each of another."""
    parts = psutil.Process(running.process.pid).children()
    lines = {each: command_line(each) for each in parts}
    found = [each for each, line in lines.items() if any(words in line for words in commands)]
    assert len(found) == len(commands), lines
    return found


def command_line(process: psutil.Process) -> str:
    """Nothing of who has ended, as what a dead part has left may do at any moment."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return shlex.join(process.cmdline())
    return ""


def test_up_on_a_machine_without_a_card_refuses_nvidia_and_says_what_to_do():
    command = [sys.executable, "-m", "sublet_hub.one_machine", "--device", "nvidia"]
    if shutil.which("nvidia-smi") is not None:
        pytest.skip("this machine has an NVIDIA driver")
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode != 0
    assert "no NVIDIA GPU" in ended.stderr
