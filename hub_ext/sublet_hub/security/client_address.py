"""The address that a request comes from: the peer's, or that of whom the peer says to speak for.

A proxy appends to ``X-Forwarded-For`` whom it serves, so the last address there is its own word. Is
that the address of a further proxy, named by the administrator, then the one before is that one's
word, and so on. What stands before that, and every other such header, anybody can have sent. Who
connects without a proxy can make up the last one, too: on this machine that is noticed
(``local_peers``), and elsewhere peers share first, and then the addresses that each tells.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final

from tornado.httputil import HTTPServerRequest

from sublet_hub.errors import ConfigurationError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_THIS_MACHINE: Final = "127.0.0.0/8"


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks of texts in CIDR, or of single addresses. ``ConfigurationError``."""
    return tuple(_network(text) for text in texts)


def peer_of(request: HTTPServerRequest) -> str:
    """Return the address at the other end of the connection; ``""`` where it has none."""
    context = getattr(request.connection, "context", None)
    return str(context.address[0]) if context is not None and context.address else ""


def told_address_of(request: HTTPServerRequest, proxies: tuple[Network, ...] = ()) -> str:
    """Return the address that the farthest of the known proxies tells, else the peer's.

    ``proxies`` are the networks of those in front of the nearest one, which needs no naming.
    """
    found: Address | None = None
    for told in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        address = _address(told.strip())
        if address is None:
            break
        found = address
        if not any(address in network for network in proxies):
            break
    return str(request.remote_ip) if found is None else str(found)


def network_of(address: str) -> str:
    """Return what stands for an address where things are shared out.

    IPv6 has 2^64 of a network, and whoever is on this machine 2^24 of its own.
    """
    found = _address(address)
    if found is not None and found.is_loopback:
        return _THIS_MACHINE
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address if found is None else str(found)


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    found = _address(address)
    return found is not None and found.is_loopback


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A proxy that listens for both kinds of address names IPv4's so.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        message = f"proxies_before_hub: {error}: write a network such as '10.42.0.0/16'"
        raise ConfigurationError(message) from error
    if network.prefixlen == 0:
        message = (
            f"proxies_before_hub: {text} is every address, and whoever sends a request could make "
            "theirs up: name the networks that hold the proxies"
        )
        raise ConfigurationError(message)
    return network
