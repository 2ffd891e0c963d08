"""Where the hub service is reached: its WebSocket's address, and whether that is kept private."""

import ipaddress
from urllib.parse import urlsplit, urlunsplit


def link_url(service_url: str) -> str:
    """Return the address of the agents' WebSocket."""
    parts = urlsplit(service_url.rstrip("/") + "/api/agents/link")
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, parts.path, "", ""))


def is_kept_private(service_url: str) -> bool:
    """Return whether nobody on the way can read what is sent: by https, or on this machine."""
    parts = urlsplit(service_url)
    return parts.scheme == "https" or _is_this_machine(parts.hostname or "")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
