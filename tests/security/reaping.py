"""A program that runs another and, when that is over, ends whatever it has left running.

Whoever loses their parent below becomes a child of this process, be it in a session of its own.
SIGTERM ends all of it.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import Final

import psutil

_PR_SET_CHILD_SUBREAPER: Final = 36
_WITHIN_S: Final = 30.0
"""How long those that are ended may take: one may be frozen."""


def main(command: list[str]) -> int:
    """Run the command; return how it ended."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    process = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(process.pid, signal.SIGKILL))
    while True:
        pid, status = os.wait()
        if pid == process.pid:
            break
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_all()
    return os.waitstatus_to_exitcode(status) & 0x7F


def _end_all() -> None:
    until = time.monotonic() + _WITHIN_S
    while time.monotonic() < until:
        for left in psutil.Process().children(recursive=True):
            left.kill()
        try:
            # Whoever they leave behind becomes a child in turn.
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)
        except ChildProcessError:
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
