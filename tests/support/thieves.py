"""A thread that takes all of a card's memory that it can get, and gives it back, for ever."""

from pathlib import Path

from tests.support.agent_world import Kernel

_STEAL = """
import os, threading, time
def steal_for_ever(rest, stolen):
    # A context is current in the thread that made it.
    gpu.allocate(mib=1).free()
    while True:
        if os.path.exists(rest):
            time.sleep(0.01)
            continue
        held, mib = [], 8192
        while mib >= 64:
            try:
                held.append(gpu.allocate(mib=mib))
                stolen[0] += mib
            except gpu.OutOfMemoryError:
                mib //= 2
        for each in held:
            each.free()
"""


class Thief:
    """A thief in a kernel's process; it rests as long as its file is there."""

    def __init__(self, kernel: Kernel, rest: Path) -> None:
        self._kernel = kernel
        self._rest = rest
        self._rest.touch()
        kernel.run(f"exec({_STEAL!r})")
        kernel.run("stolen = [0]")
        kernel.run(
            "threading.Thread(target=steal_for_ever, daemon=True, "
            f"args=({str(rest)!r}, stolen)).start()"
        )

    def begin(self) -> None:
        self._rest.unlink()

    def rest(self) -> None:
        self._rest.touch()

    @property
    def stolen_mib(self) -> int:
        """How much it has taken in all, counted each time anew."""
        return int(self._kernel.run("stolen[0]"))
