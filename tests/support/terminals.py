"""A program's output at a real terminal of a given width."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

_STYLES = re.compile("\x1b\\[[0-9;]*m")


def sublet_at_a_terminal(columns: int, *arguments: str) -> list[str]:
    """Return the lines that the command ``sublet`` writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    unset = {"COLUMNS", "LINES", "NO_COLOR"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    program = Path(sys.executable).with_name("sublet")
    with subprocess.Popen(
        [program, *arguments], stdout=theirs, stderr=theirs, env={**environment, "TERM": "xterm"}
    ) as process:
        os.close(theirs)
        text = b""
        while part := _read(ours):
            text += part
        assert process.wait() == 0, text.decode()
    os.close(ours)
    return _STYLES.sub("", text.decode()).replace("\r\n", "\n").splitlines()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # what a terminal says when nobody writes to it any more
        return b""
