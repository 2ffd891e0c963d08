"""Who outlives a server is ended with its slice, whatever it left behind."""

import os
import subprocess
import uuid
from pathlib import Path

import psutil
from sublet_procfs.tenant_memory import TenantMemory
from sublet_quota.names.ids import SliceId
from sublet_spawner.left_processes import end_processes_of

from tests.support.control_groups import control_groups, group_that_is_no_text, needs_freezer
from tests.support.fake_kubelet import wait_until
from tests.support.held_memory import memory_held
from tests.support.live_processes import start_with_pid


def test_who_emptied_its_environment_is_known_by_the_slices_control_group(tmp_path: Path) -> None:
    tree = needs_freezer(tmp_path)
    with control_groups(tree, tmp_path) as groups, group_that_is_no_text(tree):
        mine = SliceId(str(uuid.uuid4()))
        server = groups.family()
        groups.serve(groups.slice(mine, server))
        escaped = server.starts("detached")
        server.process.kill()
        server.process.wait()
        assert end_processes_of(SliceId(str(uuid.uuid4())), os.getuid(), 1.0) == 0
        assert end_processes_of(mine, 54321, 1.0) == 0
        assert psutil.pid_exists(escaped)
        assert end_processes_of(mine, os.getuid(), 60.0) == 1
        assert not psutil.pid_exists(escaped)


def test_who_keeps_its_environment_from_being_read_keeps_no_server_from_ending(
    tmp_path: Path,
) -> None:
    mine = SliceId(str(uuid.uuid4()))
    with memory_held(tmp_path) as holder, TenantMemory() as memory:
        assert end_processes_of(mine, holder.uid, 1.0, memory) == 0
        assert holder.still()


def test_who_left_its_parents_is_known_by_its_environment() -> None:
    mine = SliceId(str(uuid.uuid4()))
    left = subprocess.Popen(["/bin/sleep", "600"], env={"SUBLET_SLICE_ID": mine})
    with left, TenantMemory() as memory:
        assert end_processes_of(SliceId(str(uuid.uuid4())), os.getuid(), 1.0, memory) == 0
        assert end_processes_of(mine, os.getuid(), 60.0, memory) == 1


def test_who_has_the_pid_of_one_that_has_ended_is_asked_to_end_before_being_killed(
    tmp_path: Path,
) -> None:
    mine, uid = SliceId(str(uuid.uuid4())), os.getuid()
    begun, asked = tmp_path / "begun", tmp_path / "asked"
    waits = ["/bin/sh", "-c", f"trap '>{asked}; exit' TERM; >{begun}; read -r _"]
    with TenantMemory() as memory, subprocess.Popen(["/bin/sleep", "600"]) as seen:
        assert end_processes_of(mine, uid, 1.0, memory) == 0
        seen.kill()
        seen.wait()
        with start_with_pid(seen.pid, waits, {"SUBLET_SLICE_ID": mine}) as left:
            try:
                wait_until(begun.exists)
                assert end_processes_of(mine, uid, 60.0, memory) == 1
            finally:
                left.kill()
    assert asked.exists()
