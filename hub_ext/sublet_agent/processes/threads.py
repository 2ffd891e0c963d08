"""The threads of a process whose main thread has ended, as whoever calls ``pthread_exit`` makes it.

The kernel shows such a process as a zombie, although its other threads run, hold memory and compute
on. What its main thread does not tell any more (control groups of version 1, environment) they do.
"""

import errno
import os
from collections.abc import Iterator
from typing import Final

STAT_STATE: Final = 0
"""The place of the state in what ``stat_fields`` returns."""
_STAT_FLAGS: Final = 6
_STAT_LEAST: Final = 20
ENDED: Final = frozenset({"Z", "X"})
"""The states of a thread that has ended."""
_EXITING: Final = 0x4
"""The kernel's PF_EXITING: the thread is on its way out, and runs no program any more."""
_OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""The errors that come of the agent's own limits, and say nothing of the process that is looked at.
"""


def stat_fields(path: str) -> list[str] | None:
    """Return the fields of a ``stat`` file behind the command's name; ``None``: it is gone.

    ``OSError`` where the agent has no file left to look with: nobody has died of that.
    """
    try:
        with open(path, "rb") as stat:  # noqa: PTH123 - hot path
            text = stat.read()
    except OSError as error:
        if error.errno in _OURS:
            raise
        return None
    # The command's name is in brackets and may itself hold brackets and blanks.
    fields = text[text.rfind(b")") + 2 :].decode("ascii", "replace").split()
    return fields if len(fields) >= _STAT_LEAST else None


def living_threads(pid: int, proc: str = "/proc") -> Iterator[tuple[int, str]]:
    """Yield a process' threads that do not end, the main one first, each with its state's letter.

    ``OSError`` as of ``stat_fields``.
    """
    for thread in _threads(pid, proc):
        stat = stat_fields(f"{proc}/{pid}/task/{thread}/stat")
        if stat is None or stat[STAT_STATE] in ENDED or int(stat[_STAT_FLAGS]) & _EXITING:
            continue
        yield thread, stat[STAT_STATE]


def speaking_thread(pid: int, proc: str = "/proc") -> int:
    """Return the thread that tells what is so of all of them: the main one, while it lives."""
    return next((thread for thread, _ in living_threads(pid, proc)), pid)


def _threads(pid: int, proc: str) -> Iterator[int]:
    yield pid
    try:
        names = os.listdir(f"{proc}/{pid}/task")  # noqa: PTH208 - hot path
    except OSError as error:
        if error.errno in _OURS:
            raise
        return
    yield from (int(name) for name in names if int(name) != pid)
