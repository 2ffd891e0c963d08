"""Processes that start others for ever, each of which takes GPU memory when it is born."""

from pathlib import Path

from tests.support.agent_world import Kernel

_GRAB = """
import ctypes, os, signal, time
def grab_for_ever(mib, rest):
    if os.fork():
        return
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        time.sleep(0.02)
        if os.path.exists(rest) or os.fork():
            continue
        try:
            gpu.allocate(mib=mib)
            time.sleep(0.005)
        finally:
            os._exit(0)
"""


class Grabber:
    """One that descends from a kernel; it rests as long as its file is there."""

    def __init__(self, kernel: Kernel, mib: int, rest: Path) -> None:
        self._rest = rest
        self._rest.touch()
        kernel.run(f"exec({_GRAB!r})")
        kernel.run(f"grab_for_ever({mib}, {str(rest)!r})")

    def begin(self) -> None:
        self._rest.unlink()

    def rest(self) -> None:
        self._rest.touch()
