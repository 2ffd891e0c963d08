"""MPS is seen by its processes, and those of tenants do not count."""

import os
from pathlib import Path

import pytest
from sublet_agent.devices.mps import mps_process

CONTROL, SERVER = "nvidia-cuda-mps-control", "nvidia-cuda-mps-server"
TENANT = 12345


def runs(proc: Path, pid: int, name: str, uid: int = 0, program: str = "") -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "comm").write_text(f"{name[:15]}\n")
    (proc / str(pid) / "status").write_text(f"Name:\t{name[:15]}\nUid:\t{uid}\t0\t0\t0\n")
    (proc / str(pid) / "exe").symlink_to(f"/usr/bin/{program or name}")


@pytest.mark.parametrize("uid", [0, os.geteuid()])
@pytest.mark.parametrize("name", [CONTROL, SERVER])
def test_a_daemon_or_server_is_named_with_its_pid(tmp_path: Path, name: str, uid: int) -> None:
    runs(tmp_path, 9, "python")
    runs(tmp_path, 10, name, uid)
    assert mps_process(tmp_path) == f"process 10, {name[:15]}"


def test_without_one_there_is_none(tmp_path: Path) -> None:
    runs(tmp_path, 9, "nvidia-persistenced")
    (tmp_path / "self").mkdir()
    (tmp_path / "11").mkdir()
    assert mps_process(tmp_path) is None


def test_a_tenants_daemon_or_process_of_that_name_does_not_count(tmp_path: Path) -> None:
    runs(tmp_path, 9, CONTROL, TENANT)
    assert mps_process(tmp_path) is None
    assert mps_process(tmp_path, {TENANT}) is not None


def test_a_program_of_roots_that_was_started_under_that_name_does_not_count(tmp_path: Path) -> None:
    runs(tmp_path, 9, CONTROL, program="sudo")
    assert mps_process(tmp_path) is None


def test_behind_one_that_does_not_count_one_that_does_is_found(tmp_path: Path) -> None:
    runs(tmp_path, 9, CONTROL, TENANT)
    runs(tmp_path, 10, CONTROL)
    assert mps_process(tmp_path) == f"process 10, {CONTROL[:15]}"
