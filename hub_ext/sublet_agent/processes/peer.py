"""The identity of whoever is at the other end of a Unix socket.

A pid alone may be another process's by the time it is looked up, and a child may hold a connection
open that its ended parent made. So whoever connects is known by their identity from then on.
"""

import errno
import os
import select
import socket
import struct
from dataclasses import dataclass
from typing import Final

from sublet_agent.processes.process_table import ProcessIdentity, ProcessTable

_CREDENTIALS: Final = struct.Struct("3i")
_SO_PEERPIDFD: Final = 77
"""The socket option for a pidfd of the peer. Since Linux 6.5; Python has no name for it yet."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The process that connected to a socket, as it was then."""

    pid: int
    uid: int
    identity: ProcessIdentity | None
    """The identity of the process; ``None``: it had ended before it was looked at."""


def credentials_of(connection: socket.socket) -> tuple[int, int]:
    """Return the pid and the uid that whoever connected had when connecting."""
    size = _CREDENTIALS.size
    pid, uid, _ = _CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    return pid, uid


def pid_of(connection: socket.socket) -> int:
    """Return the pid that whoever connected had when connecting."""
    return credentials_of(connection)[0]


def peer_of(connection: socket.socket, table: ProcessTable) -> Peer:
    """Return who connected; to be asked as soon as the connection is there."""
    pid, uid = credentials_of(connection)
    try:
        handle = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as error:
        # An older kernel has no handle to give; a newer one has none for those who are gone.
        knows_no_handles = error.errno == errno.ENOPROTOOPT
        return Peer(pid, uid, table.identify(pid) if knows_no_handles else None)
    try:
        identity = table.identify(pid)
        # Only now: while the handle's process runs, whoever was read was that one.
        return Peer(pid, uid, identity if _runs(handle) else None)
    finally:
        os.close(handle)


def _runs(handle: int) -> bool:
    ended = select.poll()
    ended.register(handle, select.POLLIN)
    return not ended.poll(0)
