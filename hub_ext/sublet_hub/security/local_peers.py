"""Who on this machine has the other end of a connection: the proxy, or who came directly.

Both come from 127.0.0.1. The kernel knows which account opened a socket: an ordinary one is no
proxy. What such a connection says of others is not believed, and it is a peer of its own, with all
others of the same account. One that was closed at once is nobody's, and no proxy either. Where the
kernel does not tell, all of this machine are one peer, as through a proxy.
"""

import logging
import os
import socket
import struct
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream

from sublet_hub.security.client_address import is_loopback, network_of, peer_of

_LOG = logging.getLogger(__name__)
_LEAST_OF_PEOPLE: Final = 1000
_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_REQUEST: Final = 1
_ERROR: Final = 2
_ALL_STATES: Final = 0xFFFFFFFF
_NO_COOKIE: Final = b"\xff" * 8
_HEADER: Final = struct.Struct("=IHHII")
_OWNER_AT: Final = 64
_OWNER: Final = struct.Struct("=II")
_ANSWERS_WITHIN_S: Final = 0.2
_MAPPED: Final = "::ffff:"

LOCAL_PEERS: Final = "local_peers"
"""Where an application's settings have them."""

FindOwner = Callable[[socket.socket], int | None]


class LocalPeers:
    """The connections from this machine that no proxy made, with who made them."""

    def __init__(self, find_owner: FindOwner | None = None) -> None:
        """``find_owner`` says which account has the other end, ``None`` where nobody has it."""
        self._find_owner = find_owner or _kernels_answers()
        self._direct: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        self._proxies = {0, os.geteuid()}

    def note(self, stream: IOStream, address: str) -> str:
        """Note a new connection; return by what name its peer is counted."""
        if self._find_owner is None or not is_loopback(address):
            return network_of(address)
        try:
            owner = self._find_owner(stream.socket)
        except OSError:
            # It is closed already, or there are no files left: no reason to believe it.
            owner = None
        if owner is not None and (owner in self._proxies or owner < _LEAST_OF_PEOPLE):
            return network_of(address)
        self._direct[stream] = name = f"account {'?' if owner is None else owner} of this machine"
        return name

    def name_of(self, request: HTTPServerRequest) -> str:
        """Return by what name the peer of a request is counted."""
        direct = self._direct.get(_stream_of(request))
        return network_of(peer_of(request)) if direct is None else direct

    def is_direct(self, request: HTTPServerRequest) -> bool:
        """Whether a request came from somebody on this machine who is no proxy."""
        return _stream_of(request) in self._direct


def owner_of_other_end(connection: socket.socket) -> int | None:
    """Return the account that has the other end of a connection within this machine.

    ``None`` where that is closed. ``OSError`` where the kernel does not tell. Asked is for one
    connection, by ``sock_diag(7)``: the list in ``/proc/net/tcp`` is as long as tenants make it.
    """
    (here, here_port), (there, there_port) = (
        each[:2] for each in (connection.getsockname(), connection.getpeername())
    )
    here, there = here.removeprefix(_MAPPED), there.removeprefix(_MAPPED)
    family = socket.AF_INET6 if ":" in there else socket.AF_INET
    ports = struct.pack("!HH", there_port, here_port)
    addresses = b"".join(socket.inet_pton(family, each).ljust(16, b"\0") for each in (there, here))
    asked = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, _ALL_STATES)
    asked += ports + addresses + struct.pack("=I", 0) + _NO_COOKIE
    header = _HEADER.pack(_HEADER.size + len(asked), _SOCK_DIAG_BY_FAMILY, _REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(_ANSWERS_WITHIN_S)
        kernel.sendto(header + asked, (0, 0))
        answer = kernel.recv(4096)
    _, kind, _, _, _ = _HEADER.unpack_from(answer)
    if kind == _ERROR:
        return None
    uid, inode = _OWNER.unpack_from(answer, _HEADER.size + _OWNER_AT)
    # Of what was closed the kernel says root's.
    return int(uid) if inode else None


def _kernels_answers() -> FindOwner | None:
    """Return what asks the kernel; ``None`` where that does not say who has a connection."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            socket.create_connection(listening.getsockname()),
        ):
            accepted, _ = listening.accept()
            with accepted:
                if owner_of_other_end(accepted) == os.geteuid():
                    return owner_of_other_end
    except OSError as error:
        _LOG.debug("the kernel does not say who has a connection: %s", error)
    _LOG.warning("whoever connects directly on this machine counts as coming through the proxy")
    return None


def _stream_of(request: HTTPServerRequest) -> object:
    return getattr(request.connection, "stream", None)
