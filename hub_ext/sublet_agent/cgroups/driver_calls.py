"""Who may take GPU memory although their group is told to freeze: those in a call of the driver.

A thread that is to be frozen runs none of its own program any more; it may only finish the call of
the kernel that it is in. One that waits there for a file (a server that hangs, a FUSE file system
of its own) is not frozen until that ends, which may be never, and can take nothing meanwhile: only
a call into the card's driver takes memory. So a group is as good as frozen when nobody in it runs,
or is in such a call. The kernel tells root the stack of a thread; where it does not, or a process
holds that up, nothing is known of it, and it is waited for.
"""

import errno
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Final

from sublet_procfs.reader import Reader

from sublet_agent.cgroups.trees import FreezerTree, wait_frozen

NVIDIAS: Final = ("[nvidia",)
"""What the stack of a thread names that is in a call of NVIDIA's kernel modules."""
SIMULATED: Final = ("unix_stream_",)
"""The same of a simulated card: a message on a socket."""
_LOOK_EVERY_S: Final = 0.05
_LEAST_READ_S: Final = 0.01
_GONE: Final = frozenset({0, errno.ENOENT, errno.ESRCH})

log = logging.getLogger(__name__)


class DriverCalls:
    """The look at which processes are in a call of the cards' driver."""

    def __init__(self, names: Sequence[str] = NVIDIAS) -> None:
        self._names = tuple(names)

    def wait_harmless(
        self, groups: Iterable[tuple[FreezerTree, str]], within_s: float
    ) -> list[str]:
        """Wait until nobody in these groups can take GPU memory; return the places where some may.

        All of them must have been told to freeze.
        """
        waiting = list(groups)
        deadline = time.monotonic() + within_s
        while True:
            left_s = deadline - time.monotonic()
            late = set(wait_frozen(waiting, max(0.0, min(left_s, _LOOK_EVERY_S))))
            waiting = [(tree, place) for tree, place in waiting if place in late]
            if not waiting or left_s <= 0:
                return [place for _, place in waiting]
            pids = {pid for tree, place in waiting for pid in tree.pids(place)}
            if self._nobody_calls(sorted(pids), deadline):
                log.info("in %s some wait in the kernel, for no GPU: as good as frozen", late)
                return []

    def _nobody_calls(self, pids: Iterable[int], deadline: float) -> bool:
        """Whether nobody of these is in a call of the driver; all are read until ``deadline``.

        Everybody on the card stands still meanwhile: who has too many threads to be read in that
        time is not known, and neither are those after them.
        """
        try:
            reader = Reader.start(_left_s(deadline))
        except OSError:
            return False
        try:
            for pid in pids:
                if time.monotonic() >= deadline:
                    return False
                request = {"pid": pid, "into": self._names}
                answer = reader.ask(request, _left_s(deadline), starved_s=0.0)
                if answer.get("found") or answer.get("errno", 0) not in _GONE:
                    log.warning("process %s does not stand still: %s", pid, answer)
                    return False
        except OSError as error:
            log.warning("what a process does that does not stand still is not known: %s", error)
            return False
        finally:
            reader.give_up()
        return True


def _left_s(deadline: float) -> float:
    return max(_LEAST_READ_S, deadline - time.monotonic())
