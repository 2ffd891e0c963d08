"""The connections that are open: how many there may be, and which one goes for a new one.

All that comes through the hub's proxy has one address, so no address has a bound of its own. When
all places are taken, whoever has the most gives one up: who opens many takes places from
themselves, and the proxy keeps its share however many others there are.
"""

import resource
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from sublet_hub.security.client_address import network_of

_LEAST: Final = 32
_MOST: Final = 2048

Connection = TypeVar("Connection", bound=Hashable)


def most_connections(ports: int = 1) -> int:
    """Return for how many connections each of this process's ports has files.

    Half of all files are for everything else.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(_LEAST, min(_MOST, files // (2 * ports)))


@dataclass(slots=True)
class _OfPeer(Generic[Connection]):
    """The connections of one peer, each kind with the longest in it first."""

    idle: OrderedDict[Connection, None] = field(default_factory=OrderedDict)
    busy: OrderedDict[Connection, None] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self.idle) + len(self.busy)


class OpenConnections(Generic[Connection]):
    """The open connections by peer, and whether a request of theirs is being answered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._peers: dict[str, _OfPeer[Connection]] = {}
        self._peer_of: dict[Connection, str] = {}

    def __len__(self) -> int:
        return len(self._peer_of)

    def open(self, connection: Connection, address: str) -> Connection | None:
        """Note a new connection; return which one must be closed, be it the new one."""
        peer = network_of(address)
        if len(self) < self._most:
            self._note(connection, peer)
            return None
        victim = self._victim_for(peer)
        if victim is None:
            return connection
        self.close(victim)
        self._note(connection, peer)
        return victim

    def is_busy(self, connection: Connection) -> None:
        """Note that a request has come on this connection."""
        peer = self._peers.get(self._peer_of.get(connection, ""))
        if peer is not None and connection in peer.idle:
            del peer.idle[connection]
            peer.busy[connection] = None

    def is_idle(self, connection: Connection) -> None:
        """Note that this connection waits for its next request."""
        peer = self._peers.get(self._peer_of.get(connection, ""))
        if peer is not None and connection in peer.busy:
            del peer.busy[connection]
            peer.idle[connection] = None

    def close(self, connection: Connection) -> None:
        """Note that a connection is closed."""
        name = self._peer_of.pop(connection, None)
        if name is not None:
            peer = self._peers[name]
            peer.idle.pop(connection, None)
            peer.busy.pop(connection, None)
            if not len(peer):
                del self._peers[name]

    def take_idle(self) -> Connection | None:
        """Return the longest idle one of who has the most idle ones, and count on it no more."""
        found = max(self._peers.values(), key=lambda peer: len(peer.idle), default=None)
        if found is None or not found.idle:
            return None
        connection = next(iter(found.idle))
        self.close(connection)
        return connection

    def _note(self, connection: Connection, peer: str) -> None:
        self._peer_of[connection] = peer
        self._peers.setdefault(peer, _OfPeer()).idle[connection] = None

    def _victim_for(self, newcomer: str) -> Connection | None:
        """Return which connection goes for one of ``newcomer``'s; ``None``: the new one itself."""
        name = max(self._peers, key=lambda name: (len(self._peers[name]), name == newcomer))
        largest = self._peers[name]
        if largest.idle:
            return next(iter(largest.idle))
        return next(iter(largest.busy)) if name != newcomer else None
