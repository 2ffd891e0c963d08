"""A run of the cluster's tests ends with all that belongs to it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kube.run_folder import cgroup_of, end_programs

FREEZERS = Path("/sys/fs/cgroup/freezer")
"""Of version 1: frozen there, a process that was killed does not end."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """The folder of a run that has a cgroup."""
    if not os.access(FREEZERS, os.W_OK):
        pytest.skip("this machine has no cgroups of version 1 that this user may use")
    folder = tmp_path / f"sublet-kube-{os.getpid()}-1"
    group = FREEZERS / cgroup_of(folder) / "pod"
    group.mkdir(parents=True)
    yield folder
    (group / "freezer.state").write_text("THAWED")
    group.rmdir()
    group.parent.rmdir()


@pytest.mark.parametrize(
    "name", ["containerd", "orphan"], ids=["a program", "one whose parent was killed"]
)
def test_what_stands_still_in_a_cgroup_is_ended_too(run: Path, name: str) -> None:
    group = FREEZERS / cgroup_of(run) / "pod"
    words = [name, "-c", "input()", f"{run}/containerd.sock"]
    with subprocess.Popen(words, executable=sys.executable, stdin=subprocess.PIPE) as process:
        try:
            (group / "cgroup.procs").write_text(str(process.pid))
            (group / "freezer.state").write_text("FROZEN")
            end_programs(run)
            assert process.poll() is not None
        finally:
            (group / "freezer.state").write_text("THAWED")
            process.kill()
