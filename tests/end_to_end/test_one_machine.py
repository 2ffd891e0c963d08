"""`make up` as a person runs it: it says how to log in, and leaves nothing behind."""

import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.support.ports import free_port
from tests.support.programs import in_a_terminal, program

pytestmark = pytest.mark.end_to_end

UP = [sys.executable, "-m", "sublet_hub.one_machine", "--device", "simulated"]
READY = "Stop with Ctrl-C"


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
        assert len(parts) >= 4
        second = subprocess.run(
            up(folder, free_port()), capture_output=True, text=True, timeout=300, check=False
        )
        assert second.returncode == 1
        assert f"in use: process {running.process.pid} runs a hub on it" in second.stderr
        assert state_of(folder) == before
        assert all(each.is_running() for each in parts)
        assert_answers(port)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 0, running.told()
        assert psutil.wait_procs(parts, timeout=10)[1] == []
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


def test_up_after_a_killed_one_stops_what_that_left_and_ends_itself_with_its_terminal(tmp_path):
    folder, port = tmp_path / "sublet", free_port()
    with program(up(folder, port), tmp_path / "first.txt") as killed:
        killed.wait_for(READY)
        left = killed.parts()
        killed.process.kill()
        killed.process.wait(10)
        closed = folder / "agent" / "closed-gpus.json"
        closed.write_text("of simulated GPUs that are no more")
        with in_a_terminal(up(folder, port)) as running:
            running.wait_for(READY)
            assert not closed.exists()
            assert "A killed run left its hub" in running.told()
            assert psutil.wait_procs(left, timeout=10)[1] == []
            assert_answers(port)
            parts = running.parts()
            assert len(parts) >= 4
            running.close_terminal()
            running.process.wait(60)
            assert psutil.wait_procs(parts, timeout=10)[1] == []


def test_up_on_a_machine_without_a_card_refuses_nvidia_and_says_what_to_do():
    command = [sys.executable, "-m", "sublet_hub.one_machine", "--device", "nvidia"]
    if shutil.which("nvidia-smi") is not None:
        pytest.skip("this machine has an NVIDIA driver")
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "no NVIDIA GPU" in ended.stderr
