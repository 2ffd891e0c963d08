"""Chains of processes of an account, each of which starts another and ends."""

import contextlib
import mmap
import subprocess
import sys

from tests.support.control_groups import until

CHAIN = """
import mmap, os, sys
count = mmap.mmap(os.open(sys.argv[2], os.O_RDWR), 16)
os.setresuid(int(sys.argv[1]), int(sys.argv[1]), int(sys.argv[1]))
while not count[8]:
    if os.fork():
        os._exit(0)
    count[:8] = (int.from_bytes(count[:8], "little") + 1).to_bytes(8, "little")
"""
# Who has ended is taken away at once, and no more than these are born in all.
REAPED = """
import ctypes, signal, sys, os
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
sys.stdin.buffer.read(2)
if os.fork():
    sys.stdin.buffer.read()
    os._exit(0)
"""


@contextlib.contextmanager
def chain(uid, file, place=None, tree=None):
    """Have processes of an account each of which starts another and ends; yields their count."""
    file.write_bytes(bytes(16))
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 16) as count:
        command = [sys.executable, "-c", REAPED + CHAIN, str(uid), str(file)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as parent:
            try:
                if place is not None:
                    tree.move(parent.pid, place)
                parent.stdin.write(b"go")
                parent.stdin.flush()
                until(lambda: count[:8] != bytes(8))
                yield count
            finally:
                count[8] = 1
                parent.stdin.close()
