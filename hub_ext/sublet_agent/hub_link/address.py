"""Where the hub service is reached: its WebSocket's address, and whether that is kept private."""

import ipaddress
from urllib.parse import urlsplit, urlunsplit


def link_url(service_url: str) -> str:
    """Return the address of the agents' WebSocket. ``ValueError`` where it cannot be one."""
    try:
        parts = urlsplit(service_url.rstrip("/") + "/api/agents/link")
    except ValueError as error:
        message = f"{service_url} cannot be read: {error}"
        raise ValueError(message) from error
    try:
        _ = parts.port
    except ValueError as error:
        message = f"{service_url} names no port: {error}"
        raise ValueError(message) from error
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
