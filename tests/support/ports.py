"""TCP ports for servers that a test starts: each is given once, and to nobody else in this run."""

import atexit
import contextlib
import socket
from contextlib import ExitStack

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
