"""Jobs' processes on this machine: watching their end costs nobody else anything."""

import asyncio
import socket
import sys

import pytest
from sublet_hub.ledger import ProcessIdentity
from sublet_hub.local_jobs.processes import watch_exit

pytestmark = pytest.mark.asyncio


async def test_a_watch_that_is_stopped_twice_leaves_the_next_descriptor_alone() -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-S", "-E", "-c", "pass")
    ended = asyncio.Event()
    stop = watch_exit(ProcessIdentity("boot", child.pid, 0.0), ended.set)
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
