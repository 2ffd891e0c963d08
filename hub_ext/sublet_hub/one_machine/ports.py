"""TCP ports on the loopback address that stay free until the parts that are told of them listen.

A port that is found free and let go is anybody's again: a kernel that starts meanwhile may be given
it, and the part that comes a second later cannot listen. So the sockets stay bound, without
listening: Linux then gives their ports to nobody who asks for any port, while who asks for this
very port gets it, with SO_REUSEADDR on both sides, as every server here sets it.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the parts that listen."""

    public: int
    hub: int
    proxy_api: int
    service: int


@contextmanager
def held_ports(public: int | None = None) -> Iterator[Ports]:
    """Keep ports for the parts until the block ends; ``public`` may be given, and is not kept."""
    given = [] if public is None else [public]
    with hold_ports(4 - len(given)) as held:
        yield Ports(*given, *held)


@contextmanager
def hold_ports(count: int) -> Iterator[list[int]]:
    """Keep ``count`` ports from being given to others until the block ends."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind(("127.0.0.1", 0))
        yield [each.getsockname()[1] for each in sockets]


def is_taken(port: int) -> bool:
    """Whether somebody listens on a port: a proxy that cannot listen there says so to nobody."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise
    return False
