"""Processes that outlive their server, found by uid and by the slice in environment or group.

The environment is the process's own word, so it chooses among processes of one uid only: a user
who writes another's slice there ends a process of their own. Whoever empties it is still in the
slice's control group, where the agent keeps such.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from sublet_procfs.tenant_memory import TenantMemory, tenant_memory
from sublet_quota.names.control_groups import is_in_group_of
from sublet_quota.names.ids import SliceId


def end_processes_of(
    slice_id: SliceId, uid: int, grace_s: float, memory: TenantMemory | None = None
) -> int:
    """End the processes of ``uid`` with ``slice_id``: ask, wait, kill. Return how many. Blocks.

    Looks again after the killing, for what was forked meanwhile.
    """
    memory = tenant_memory() if memory is None else memory
    asked = list(_left_processes(slice_id, uid, memory))
    if not asked:
        return 0
    _each(asked, psutil.Process.terminate)
    psutil.wait_procs(asked, timeout=grace_s)
    remaining = list(_left_processes(slice_id, uid, memory))
    _each(remaining, psutil.Process.kill)
    psutil.wait_procs(remaining, timeout=grace_s)
    return len({process.pid for process in (*asked, *remaining)})


def _left_processes(slice_id: SliceId, uid: int, memory: TenantMemory) -> Iterator[psutil.Process]:
    # Not process_iter: of a pid that is another's by now it keeps whose it was, and ends nobody.
    for pid in psutil.pids():
        try:
            process = psutil.Process(pid)
            if process.uids().real != uid or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if is_in_group_of(slice_id, _groups_of(process)) or (
                memory.variables(process.pid, "SUBLET_SLICE_ID")[:1] == (slice_id,)
            ):
                yield process
        except (psutil.Error, OSError):
            continue


def _groups_of(process: psutil.Process) -> str:
    # Whoever may make groups may give them names that are no text.
    return Path(f"/proc/{process.pid}/cgroup").read_text(errors="replace")


def _each(processes: list[psutil.Process], action: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        try:
            action(process)
        except psutil.Error:
            continue
