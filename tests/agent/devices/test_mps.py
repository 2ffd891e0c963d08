"""MPS is seen by its processes."""

from pathlib import Path

import pytest
from sublet_agent.devices.mps import mps_process


def runs(proc: Path, pid: int, name: str) -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "comm").write_text(f"{name}\n")


@pytest.mark.parametrize("name", ["nvidia-cuda-mps-control"[:15], "nvidia-cuda-mps-server"[:15]])
def test_a_daemon_or_server_is_named_with_its_pid(tmp_path: Path, name: str) -> None:
    runs(tmp_path, 9, "python")
    runs(tmp_path, 10, name)
    assert mps_process(tmp_path) == f"process 10, {name}"


def test_without_one_there_is_none(tmp_path: Path) -> None:
    runs(tmp_path, 9, "nvidia-persiste")
    (tmp_path / "self").mkdir()
    (tmp_path / "11").mkdir()
    assert mps_process(tmp_path) is None
