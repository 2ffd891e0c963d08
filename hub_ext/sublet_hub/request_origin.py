"""Where a request comes from: who is connected to us, and whom that one says to speak for.

A proxy appends to ``X-Forwarded-For`` whom it serves, so the last address there is its own word.
What stands before that, and every other such header, anybody can have sent. Who connects without
a proxy can make up the last one, too: what comes from one peer is therefore bounded on top.
"""

import ipaddress

from tornado.httputil import HTTPServerRequest


def peer_of(request: HTTPServerRequest) -> str:
    """The address at the other end of the connection; empty where it has none."""
    context = getattr(request.connection, "context", None)
    return str(context.address[0]) if context is not None and context.address else ""


def told_address_of(request: HTTPServerRequest) -> str:
    """The address that the nearest proxy tells, else the peer's."""
    told = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(told))
    except ValueError:
        return str(request.remote_ip)
