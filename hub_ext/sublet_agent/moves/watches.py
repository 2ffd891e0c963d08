"""The watches over a move while the driver makes it.

A driver moves a process with the help of that process's own threads, so it waits for one that is
stopped in the middle: for minutes, in which everybody else on the card stands still. Whoever may
signal a process can stop it (its owner, by Ctrl-Z), so such a one is let go on. One that a debugger
holds, or that somebody froze, cannot be helped.
"""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from sublet_agent.devices.interface import Device, ProcessState, StandsStillError
from sublet_agent.processes.process_table import ProcessIdentity, ProcessTable

_LOOK_EVERY_S: Final = 0.02

log = logging.getLogger(__name__)


@contextlib.contextmanager
def meanwhile(look: Callable[[], object], name: str) -> Iterator[None]:
    """Call ``look`` again and again, in a thread of that name, while the block lasts."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_EVERY_S):
            look()

    watcher = threading.Thread(target=watch, name=name)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@contextlib.contextmanager
def kept_going(table: ProcessTable, identity: ProcessIdentity) -> Iterator[None]:
    """Let a process go on whenever it is stopped while the block lasts."""
    told = False

    def look() -> None:
        nonlocal told
        # The agent's own limits may keep it from looking: then it looks again.
        with contextlib.suppress(OSError):
            if not table.is_stopped(identity):
                return
            goes_on = table.send_signal(identity, signal.SIGCONT)
            if not told:
                told = True
                what = "goes on" if goes_on else "cannot be let go on"
                log.warning("process %s was stopped in mid-move, and %s", identity.pid, what)

    with meanwhile(look, "kept-going"):
        yield


def state_after_move(
    device: Device, table: ProcessTable, identity: ProcessIdentity, deadline: float
) -> ProcessState | None:
    """Return a process's state after the end of a move that may be under way.

    One that stands still may be in the middle of its move, so it is let go on where that is
    possible, and waited for until ``deadline`` (of ``time.monotonic``). ``DeviceError`` where its
    state cannot be read.
    """
    with kept_going(table, identity):
        while True:
            try:
                return device.state(identity.pid)
            except StandsStillError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_LOOK_EVERY_S)
