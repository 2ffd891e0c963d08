"""One agent at a time works on a state folder: the next waits until the one before has ended.

An agent whose watchdog was killed finishes or undoes its moves before it ends, which takes seconds.
A second one would meanwhile move the same processes, and write the same journal.
"""

import fcntl
import logging
import os
from pathlib import Path
from typing import Final

NAME: Final = "agent.lock"

log = logging.getLogger(__name__)


def become_the_only_agent(folder: Path) -> None:
    """Wait until no other agent works on this folder; from then on this process is the one.

    The lock is the process's own (no child inherits it) and ends with it, however that ends.
    """
    # Stays open: a lock of this kind ends when any descriptor of its file is closed.
    lock = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.warning("another agent still works on %s: waiting for its end", folder)
        fcntl.lockf(lock, fcntl.LOCK_EX)
        log.info("the other agent has ended")
