"""The demo as its users run it: a process of its own, judged by its exit code and its files."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.programs import STOP_WITHIN_S, in_a_terminal

pytestmark = pytest.mark.end_to_end


ROOT = Path(__file__).parents[2]


def play(output: Path, *options: str) -> tuple[int, dict, str]:
    ended = subprocess.run(
        make_demo("--output", str(output), *options),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    told = ended.stdout + ended.stderr
    assert (output / "demo.json").exists(), told
    return ended.returncode, json.loads((output / "demo.json").read_text()), told


def make_demo(*options: str) -> list[str]:
    """What `make demo` runs, once it has set up what it needs: `make test` has done so."""
    asked = [f"VENV={sys.prefix}", "DEVICE=simulated", f"DEMO_OPTIONS={shlex.join(options)}"]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    would_run = subprocess.run(
        [shutil.which("make") or "make", "--dry-run", "demo", *asked],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return shlex.split(would_run.stdout.splitlines()[-1])


def test_the_whole_story_is_played_and_nothing_is_lost(tmp_path):
    code, record, told = play(tmp_path / "out")
    assert record["wrong"] == [], told
    assert code == 0
    assert [each["training_was"] for each in record["give_backs"]] == ["paused", "suspended"]
    assert record["facts"]["promised_mib"] == 2 * record["facts"]["gpu_memory_mib"]
    assert record["facts"]["called_back"]["for"] == "lab"
    assert "Called back: its room is due to lab." in told
    assert record["facts"]["waited_in_line"]["owner"] == "emil"
    assert "Your notebook is in line, at place 1" in told
    assert record["facts"]["shares_kept"]["emil"] == pytest.approx(0.75, abs=0.05)
    assert "lost or wrong: nothing" in told
    assert (tmp_path / "out" / "timeline.svg").read_text().startswith("<?xml")


def test_a_poisoned_notebook_makes_the_demo_fail_and_say_whose_it_was(tmp_path):
    code, record, told = play(tmp_path / "out", "--poison")
    assert code == 1
    assert any("the notebook of ada is lost" in each for each in record["wrong"]), told
    assert "the notebook of ada is lost" in told


def test_without_the_check_for_room_a_notebook_is_lost_and_the_demo_says_so(tmp_path):
    code, record, told = play(tmp_path / "out", "--without-room-check")
    assert code == 1
    assert any("is lost" in each for each in record["wrong"]), told


def test_a_demo_whose_terminal_is_closed_leaves_nothing_running_however_often_it_is_told(tmp_path):
    with in_a_terminal(make_demo("--output", str(tmp_path / "out"))) as running:
        running.wait_for("has a slice of")
        parts = running.parts()
        assert len(parts) >= 5
        running.close_terminal()
        for _ in range(3):
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.process.wait(0.3)
            running.process.terminate()
        running.process.wait(STOP_WITHIN_S)
        assert psutil.wait_procs(parts, timeout=60)[1] == []


def test_a_real_gpu_is_never_broken_on_purpose():
    command = [
        sys.executable,
        "-m",
        "sublet_hub.one_machine.demo",
        "--device",
        "nvidia",
        "--poison",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode != 0
    assert "no NVIDIA GPU" in ended.stderr or "not broken on purpose" in ended.stderr
