"""What a process has mapped or was started with, and what that says about suspending it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sublet_agent.devices.beforehand import TOOLS, why_not_suspendable
from sublet_procfs.tenant_memory import ReadingLimits, TenantMemory
from sublet_quota.reasons.obstacles import Obstacle

from tests.support.held_memory import holding_process, pretended_process

PID = 7
SOMEBODY = 65534
PYTORCH = "/opt/venv/lib/python3.12/site-packages/nvidia/cuda_cupti/lib/libcupti.so.12"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    pretended_process(tmp_path, PID)
    tell(tmp_path)
    return tmp_path


def tell(proc: Path, *mapped: str, environment: bytes = b"HOME=/home/ada\0") -> None:
    lines = [f"7f0000000000-7f0000001000 r-xp 00000000 08:01 42    {path}\n" for path in mapped]
    (proc / str(PID) / "maps").write_text("".join(lines))
    (proc / str(PID) / "environ").write_bytes(environment)


def obstacle(proc: Path) -> Obstacle | None:
    why = why_not_suspendable(PID, proc=proc)
    return None if why is None else why.obstacle


def test_a_process_that_only_imported_pytorch_has_no_profiler(proc: Path) -> None:
    tell(proc, "/usr/lib/libcuda.so.580.159.04", PYTORCH)
    assert obstacle(proc) is None


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tools_library_is_named(proc: Path, tool: str) -> None:
    tell(proc, PYTORCH, f"/opt/nvidia/tools/{tool}")
    why = why_not_suspendable(PID, proc=proc)
    assert why is not None
    assert why.obstacle is Obstacle.PROFILER
    assert tool in why.detail


def test_a_file_that_only_ends_like_a_tools_library_is_none(proc: Path) -> None:
    tell(proc, "/home/ada/my-libcuinj64.so")
    assert obstacle(proc) is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (b"A=1\0CUDA_INJECTION64_PATH=/opt/tool.so\0", Obstacle.PROFILER),
        (b"CUDA_INJECTION64_PATH=\0", None),
        (b"MY_CUDA_INJECTION64_PATH=/opt/tool.so\0", None),
        (b"NVTX_INJECTION64_PATH=/opt/libcupti.so\0", None),
    ],
)
def test_what_a_process_is_started_to_inject_counts(
    proc: Path, environment: bytes, expected: Obstacle | None
) -> None:
    tell(proc, environment=environment)
    assert obstacle(proc) is expected


def test_shared_memory_counts_more_than_a_profiler(proc: Path) -> None:
    tell(proc, "/opt/libToolsInjection64.so", "/dev/shm/cuda.shm.0.1.2")  # noqa: S108 - a mark
    assert obstacle(proc) is Obstacle.CUDA_IPC


def test_what_is_gone_or_cannot_be_read_must_not_be_suspended(proc: Path) -> None:
    gone = why_not_suspendable(PID + 1, proc=proc)
    assert gone is not None
    assert gone.obstacle is Obstacle.UNREADABLE
    (proc / str(PID) / "environ").unlink()
    (proc / str(PID) / "environ").mkdir()
    assert obstacle(proc) is Obstacle.UNREADABLE


def test_what_is_kept_from_being_read_must_not_be_suspended(tmp_path: Path) -> None:
    holding_process(tmp_path, PID)
    with TenantMemory(ReadingLimits(within_s=0.2)) as memory:
        why = why_not_suspendable(PID, None, tmp_path, memory)
    assert why is not None
    assert why.obstacle is Obstacle.UNREADABLE
    assert "keeps from being read" in why.detail


def test_this_process_can_be_looked_at() -> None:
    assert why_not_suspendable(os.getpid()) is None


@pytest.mark.parametrize("tool", ["", "/opt/tool.so"])
def test_with_no_more_than_an_agents_rights_in_a_pod_all_of_it_can_be_read(tool: str) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to give rights up")
    theirs = ["/bin/sh", "-c", "echo; read line"]
    look = (
        "import sys; from sublet_agent.devices.beforehand import why_not_suspendable;"
        "print(why_not_suspendable(int(sys.argv[1])))"
    )
    with subprocess.Popen(
        theirs,
        user=SOMEBODY,
        env={"CUDA_INJECTION64_PATH": tool},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        rights = ["setpriv", "--bounding-set=-all,+sys_ptrace,+kill"]
        command = [*rights, sys.executable, "-c", look, str(process.pid)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        process.kill()
    assert ("CUDA_INJECTION64_PATH" in told) is bool(tool)
    assert tool or told == "None\n"
