"""TCP ports for servers that a test starts: each is given once, and to nobody else in this run."""

import atexit
import contextlib
import os
import socket
import stat
from contextlib import ExitStack
from pathlib import Path

from sublet_hub.one_machine.ports import hold_ports

_HELD = ExitStack()
"""Until the tests end: a server may be started again where it was."""
atexit.register(_HELD.close)


def free_ports(count: int) -> list[int]:
    """Return ports where nobody listens, and nobody will but who is told of them."""
    return _HELD.enter_context(hold_ports(count))


def free_port() -> int:
    """Return one such port."""
    return free_ports(1)[0]


def is_kept_for_its_server(port: int) -> bool:
    """Whether a port is in use to all but those who ask for it as servers do."""
    with socket.socket() as other, contextlib.suppress(OSError):
        other.bind(("127.0.0.1", port))
        return False
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    return True


def ports_of_this_process() -> set[int]:
    """The ports to which this process has a socket bound, also where nobody listens."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        # Another thread may close one meanwhile.
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(each.name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(each.name))) as bound:
                if bound.family == socket.AF_INET:
                    found.add(bound.getsockname()[1])
    return found
