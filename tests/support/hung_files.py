"""A file system that never answers, and processes that wait for it in the kernel (state D)."""

import contextlib
import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.control_groups import until

_DETACH = 2
_WAITS = """
import os, sys
uid = int(sys.argv[1])
os.setresuid(uid, uid, uid)
print(uid, flush=True)
os.stat(sys.argv[2])
"""


@contextlib.contextmanager
def hung_folder() -> Iterator[Path]:
    """Mount a folder of which nobody is told anything while the block lasts; skip without FUSE."""
    libc = ctypes.CDLL(None, use_errno=True)
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder) / "hung"
        at.mkdir()
        Path(folder).chmod(0o755)
        try:
            server = os.open("/dev/fuse", os.O_RDWR)
        except OSError as error:
            pytest.skip(f"no file systems of one's own here: {error}")
        try:
            options = f"fd={server},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
            if libc.mount(b"fuse", bytes(at), b"fuse", 0, options):
                pytest.skip(f"no FUSE can be mounted here: {os.strerror(ctypes.get_errno())}")
        except BaseException:
            os.close(server)
            raise
        try:
            yield at
        finally:
            # Whoever waits goes on with that.
            os.close(server)
            libc.umount2(bytes(at), _DETACH)


@contextlib.contextmanager
def waiting_for(folder: Path, uid: int) -> Iterator[int]:
    """Yield the pid of a process that waits for a file there, in state D; it ends afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", _WAITS, str(uid), str(folder / "any")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            until(lambda: ") D " in Path(f"/proc/{process.pid}/stat").read_text())
            yield process.pid
        finally:
            process.kill()
