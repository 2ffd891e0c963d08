"""Who runs on a folder: one program at a time, and what a killed one left."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from sublet_hub.one_machine.folder_lock import FolderClaim, FolderInUseError, Started
from sublet_hub.one_machine.machine import OneMachine
from sublet_hub.one_machine.paths import Places
from sublet_hub.one_machine.ports import Ports
from sublet_hub.one_machine.settings import MachineSettings

CLAIMS_AND_STARTS_A_PART = """
import subprocess, sys
from pathlib import Path
from sublet_hub.one_machine.folder_lock import FolderClaim
claim = FolderClaim(Path(sys.argv[1]))
claim.take()
part = subprocess.Popen(["sleep", "100"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
claim.note("hub", part.pid)
print(part.pid, flush=True)
part.wait()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sublet" / "running"


def test_who_comes_second_is_told_who_runs_and_what_to_do(path):
    claim = FolderClaim(path)
    claim.take()
    with pytest.raises(FolderInUseError) as refusal:
        FolderClaim(path).take()
    assert f"{path.parent} is in use: process {os.getpid()} runs a hub on it" in str(refusal.value)
    assert f"kill {os.getpid()}" in str(refusal.value)
    assert "--folder" in str(refusal.value)
    claim.give_up()


def test_a_folder_that_was_given_up_is_free_and_nothing_is_left_over(path):
    first, second = FolderClaim(path), FolderClaim(path)
    first.take()
    first.note("hub", os.getpid())
    first.give_up()
    second.take()
    assert second.left_over == ()
    second.give_up()


def test_a_killed_program_keeps_nobody_out_and_its_parts_are_known(path):
    command = [sys.executable, "-c", CLAIMS_AND_STARTS_A_PART, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        part = psutil.Process(int(program.stdout.readline()))
        program.kill()
    successor = FolderClaim(path)
    try:
        successor.take()
        assert [(each.name, each.find()) for each in successor.left_over] == [("hub", part)]
    finally:
        part.send_signal(signal.SIGKILL)
        successor.give_up()


def test_what_was_left_is_known_also_to_who_comes_after_a_killed_successor(path):
    left = Started.of("hub", os.getpid())
    listed = [Started("the program", 1, 0.0), left]
    path.parent.mkdir()
    path.write_text("".join(json.dumps(asdict(each)) + "\n" for each in listed))
    command = [sys.executable, "-c", CLAIMS_AND_STARTS_A_PART, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        part = psutil.Process(int(program.stdout.readline()))
        program.kill()
    part.kill()
    claim = FolderClaim(path)
    claim.take()
    assert left in claim.left_over
    claim.give_up()


@pytest.fixture
def left_running(path) -> Iterator[Started]:
    """A hub that a killed program has left, and that runs on."""
    command = [sys.executable, "-c", "import time; time.sleep(100)"]
    with subprocess.Popen(command) as part:
        left = Started.of("hub", part.pid)
        ended = Started("agent", os.getpid(), 0.0)
        listed = [Started("the program", 1, 0.0), left, ended]
        path.parent.mkdir()
        path.write_text("".join(json.dumps(asdict(each)) + "\n" for each in listed))
        yield left
        os.kill(part.pid, signal.SIGKILL)


def test_what_was_left_and_still_runs_is_known_after_a_folder_was_given_up(path, left_running):
    for _ in range(2):
        claim = FolderClaim(path)
        claim.take()
        assert left_running in claim.left_over
        claim.give_up()
    claim = FolderClaim(path)
    claim.take()
    assert claim.left_over == (left_running,)
    claim.give_up()


def test_what_was_left_and_cannot_be_stopped_is_named_and_not_forgotten(
    path, left_running, monkeypatch
):
    def not_allowed(process):
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "terminate", not_allowed)
    places = Places(path.parent, Ports(0, 0, 0, 0))
    settings = MachineSettings(places, simulated=True)
    machine = OneMachine(settings, lambda _: None)
    with pytest.raises(FolderInUseError) as refusal, machine:
        pass
    named = f"the hub of a killed run (process {left_running.pid}) cannot be stopped"
    assert named in str(refusal.value)
    claim = FolderClaim(path)
    claim.take()
    assert claim.left_over == (left_running,)
    claim.give_up()


def test_a_pid_that_another_process_has_now_is_not_the_part():
    assert Started("hub", os.getpid(), 0.0).find() is None


def test_a_line_that_a_killed_program_could_not_end_is_passed_over(path):
    path.parent.mkdir()
    path.write_text('{"name": "the program", "pid": 1, "at_s": 0.0}\n{"name": "hub", "pi')
    claim = FolderClaim(path)
    claim.take()
    assert claim.left_over == ()
    claim.give_up()
