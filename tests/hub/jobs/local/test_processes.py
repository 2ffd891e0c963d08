"""Jobs' processes on this machine: watching their end costs nobody else anything."""

import asyncio
import contextlib
import os
import socket
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sublet_hub.jobs.backends.local.processes import JobTree, end_tree, watch_exit
from sublet_hub.ledger.records import StartedProcess
from sublet_procfs.tenant_memory import TenantMemory
from sublet_quota.names.ids import JobId, SliceId

from tests.support.control_groups import control_groups, group_that_is_no_text, needs_freezer
from tests.support.ended_processes import lives
from tests.support.held_memory import memory_held

pytestmark = pytest.mark.asyncio


async def test_a_watch_that_is_stopped_twice_leaves_the_next_descriptor_alone() -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-S", "-E", "-c", "pass")
    ended = asyncio.Event()
    stop = watch_exit(StartedProcess("boot", child.pid, 0.0), ended.set)
    await asyncio.wait_for(ended.wait(), 60)
    await child.wait()
    # The number of the watch's descriptor is free, and goes to who opens one next.
    heard, loop = asyncio.Event(), asyncio.get_running_loop()
    pairs = [socket.socketpair() for _ in range(4)]
    for ours, _ in pairs:
        loop.add_reader(ours, heard.set)
    stop()
    for ours, theirs in pairs:
        heard.clear()
        theirs.send(b"x")
        await asyncio.wait_for(heard.wait(), 60)
        loop.remove_reader(ours)
        ours.close()
        theirs.close()


async def test_who_left_the_job_and_its_environment_behind_ends_with_it(tmp_path: Path) -> None:
    tree = needs_freezer(tmp_path)
    with control_groups(tree, tmp_path) as groups, group_that_is_no_text(tree):
        mine = str(uuid.uuid4())
        runner = groups.family()
        groups.serve(groups.slice(mine, runner))
        escaped = runner.starts("detached")
        runner.process.kill()
        runner.process.wait()
        root = StartedProcess("boot", runner.pid, 0.0)
        for uid, slice_id, ends in (
            (os.getuid(), str(uuid.uuid4()), False),
            (54321, mine, False),
            (os.getuid(), mine, True),
        ):
            tree = JobTree(JobId("job"), uid, root, "boot", SliceId(slice_id))
            assert await end_tree(tree, grace_s=0)
            assert lives(escaped) is not ends


SOMEBODY = 65534


@contextlib.contextmanager
def own_threads_taken() -> Iterator[None]:
    """Have the event loop's own threads, which everything shares, do something else."""
    let_go = threading.Event()
    with ThreadPoolExecutor(1) as own:
        own.submit(let_go.wait)
        asyncio.get_running_loop().set_default_executor(own)
        try:
            yield
        finally:
            let_go.set()


async def test_six_jobs_that_keep_their_memory_from_being_read_keep_no_others_from_ending(
    tmp_path: Path,
) -> None:
    gone, theirs = StartedProcess("boot", 1, 0.0), str(uuid.uuid4())
    with memory_held(tmp_path) as holder, TenantMemory() as memory:
        left = await asyncio.create_subprocess_exec(
            "sleep", "600", env={"SUBLET_JOB_ID": theirs}, user=SOMEBODY
        )
        hostile = [(str(uuid.uuid4()), holder.uid) for _ in range(6)]
        ends = [
            end_tree(JobTree(JobId(job), uid, gone, "boot", SliceId(job), memory), grace_s=0)
            for job, uid in (*hostile, (theirs, SOMEBODY))
        ]
        # Whatever the service's own threads do meanwhile: they are not needed for this.
        try:
            with own_threads_taken():
                assert await asyncio.wait_for(asyncio.gather(*ends), 60) == [True] * len(ends)
            assert holder.still()
        finally:
            with contextlib.suppress(ProcessLookupError):
                left.kill()
            await left.wait()
