"""A process whose main thread has ended, while another goes on."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.control_groups import until

_PROGRAM = """
import ctypes, os, threading, time
threading.Thread(target=lambda: time.sleep(600)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@contextmanager
def leaderless(**environment: str) -> Iterator[int]:
    """Let one run while the block lasts; yields its pid."""
    with subprocess.Popen([sys.executable, "-S", "-c", _PROGRAM], env=environment) as process:
        try:
            until(lambda: _state(process.pid) == "Z")
            yield process.pid
        finally:
            process.kill()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
