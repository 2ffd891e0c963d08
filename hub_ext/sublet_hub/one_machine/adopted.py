"""Processes whose part has died: they become this program's children, and are not lost sight of.

Notebook servers and jobs outlive the hub and the service that started them. Adopted, they are found
when everything is stopped, and are no zombies once they end: whoever asks for such a pid would take
that for a running process.
"""

import contextlib
import ctypes
import os
import threading
import time
from collections.abc import Callable, Container, Iterator
from typing import Final

import psutil

_PR_SET_CHILD_SUBREAPER: Final = 36
_LOOK_EVERY_S: Final = 0.2
_KILLED_AFTER_S: Final = 5.0
_GIVEN_UP_AFTER_S: Final = 10.0


def adopt_orphans() -> None:
    """Ask the kernel to make this process the parent of all orphans below it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"orphans cannot be adopted: {os.strerror(number)}")


def adopted(parts: Container[int]) -> list[psutil.Process]:
    """Return the living children that are no parts, and take leave of those that have ended."""
    living = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
            if child.pid in parts:
                continue
            if child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)
            else:
                living.append(child)
    return living


@contextlib.contextmanager
def no_zombies(parts: Callable[[], Container[int]]) -> Iterator[None]:
    """Take leave of the adopted that end while the block lasts: a hub that stops waits for them."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_EVERY_S):
            adopted(parts())

    watching = threading.Thread(target=watch, name="no-zombies")
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def end_adopted() -> None:
    """End all children, with what they have started: asked first, killed where that is in vain.

    Once there are no parts any more.
    """
    me = psutil.Process()
    began = time.monotonic()
    asked: set[psutil.Process] = set()
    # Again and again: who ends leaves its own children to this process.
    while (left := me.children(recursive=True)) and time.monotonic() < began + _GIVEN_UP_AFTER_S:
        patient = time.monotonic() < began + _KILLED_AFTER_S
        for each in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                if not patient:
                    each.kill()
                elif each not in asked:
                    each.terminate()
        asked.update(left)
        psutil.wait_procs(left, timeout=_LOOK_EVERY_S)
