"""Notices by HTTP to the one address that the admin named, signed, and nowhere else.

No redirect is followed. The name is looked up once for each connection, and the connection goes to
an address that was found so: a name that leads elsewhere a moment later leads nobody there. A
private address is one the admin allowed. What the receiver answers is read, and neither kept nor
logged.
"""

import asyncio
import hashlib
import hmac
import json
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from sublet_quota.reasons.undelivered import Undelivered
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httputil import HTTPInputError
from tornado.iostream import UnsatisfiableReadError
from tornado.netutil import DefaultLoopResolver, Resolver
from tornado.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient

from sublet_hub.delivery.sender import SENT, Outcomes
from sublet_hub.ledger.deliveries import Delivery
from sublet_hub.settings import WebhookSettings

SIGNATURE: Final = "Sublet-Signature"
DELIVERY: Final = "Sublet-Delivery"
LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
"""Networks without IPv4 reach it so."""
_LAST_32: Final = 2**32 - 1
_AT_ONCE: Final = 4
_WITHIN_S: Final = 15.0
_MOST_ANSWERED: Final = 64 * 1024
_REDIRECTS: Final = range(300, 400)
_LATER: Final = frozenset({408, 425, 429})
_REFUSALS: Final = range(400, 500)


class _NotAllowedError(OSError):
    """The name leads to an address that the admin did not allow."""


class _PinnedResolver(DefaultLoopResolver):
    """Looks names up, and returns nothing where any address is private that may not be."""

    def initialize(self, *, private: bool) -> None:
        """``private``: whether addresses of private networks may be connected to."""
        self._private = private

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        """Return the addresses. ``_NotAllowedError``; ``OSError`` where the name is not known."""
        found = await super().resolve(host, port, family)
        if not self._private and not all(_is_public(each[0]) for _, each in found):
            raise _NotAllowedError
        return found


def _is_public(address: str) -> bool:
    """Whether an address is of nobody's own network, also by the one that is written into it."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if found in _TRANSLATED:
            inner = IPv4Address(int(found) & _LAST_32)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return found.is_global and not found.is_multicast


def is_allowed_url(url: str) -> bool:
    """Whether notices may be sent to an address: https; plain http on this machine alone."""
    try:
        parts = urlsplit(url)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if not parts.hostname or parts.username or parts.password or not port_is_right:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)


def signature_of(secret: str, body: bytes, at_s: int) -> str:
    """Return by what a receiver knows that a body is the service's, and of when.

    HMAC-SHA256 over the time, a point and the body.
    """
    signed = hmac.new(secret.encode(), b"%d." % at_s + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={signed}"


def body_of(delivery: Delivery) -> bytes:
    """Return a notice as JSON, with the week's report that it brings."""
    told: dict[str, Any] = {
        "delivery_id": delivery.delivery_id,
        "notice_id": delivery.notice_id,
        "to": {"audience": delivery.audience, "name": delivery.name},
        "text": delivery.text,
        "from_admin": delivery.from_admin,
        "made_at": delivery.made_at.isoformat(),
        "until": delivery.until.isoformat(),
    }
    if delivery.report:
        told["report"] = json.loads(delivery.report)
    return json.dumps(told).encode()


class WebhookSender:
    """Posts notices, some at once."""

    def __init__(
        self,
        settings: WebhookSettings,
        within_s: float = _WITHIN_S,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """``within_s``: how long the receiver may take."""
        self._settings = settings
        self._within_s = within_s
        self._now_s = now_s
        is_local = urlsplit(settings.url).hostname in LOCAL
        resolver: Resolver = _PinnedResolver(private=settings.private or is_local)
        self._client = SimpleAsyncHTTPClient(
            force_instance=True,
            max_clients=_AT_ONCE,
            resolver=resolver,
            max_body_size=_MOST_ANSWERED,
            max_header_size=_MOST_ANSWERED,
        )
        self._trusted = ssl.create_default_context(cafile=settings.ca_file)

    async def send(self, deliveries: Sequence[Delivery]) -> Outcomes:
        """Try to send each once."""
        outcomes = await asyncio.gather(*map(self._post, deliveries))
        return {each.delivery_id: why for each, why in zip(deliveries, outcomes, strict=True)}

    def close(self) -> None:
        """Send nothing more."""
        self._client.close()

    async def _post(self, delivery: Delivery) -> Undelivered | None:
        body = body_of(delivery)
        request = HTTPRequest(
            self._settings.url,
            method="POST",
            body=body,
            headers={
                "Content-Type": "application/json",
                SIGNATURE: signature_of(self._settings.secret, body, int(self._now_s())),
                DELIVERY: delivery.delivery_id,
            },
            follow_redirects=False,
            connect_timeout=self._within_s,
            request_timeout=self._within_s,
            ssl_options=self._trusted,
            decompress_response=False,
        )
        try:
            await self._client.fetch(request)
        except HTTPTimeoutError:
            return Undelivered.UNREACHABLE
        except HTTPClientError as error:
            return _why(error.code)
        except _NotAllowedError:
            return Undelivered.ADDRESS_NOT_ALLOWED
        except ssl.SSLError:
            return Undelivered.NOT_TRUSTED
        except (OSError, ValueError, UnsatisfiableReadError, HTTPInputError):
            # It speaks no HTTP, or too much of it.
            return Undelivered.UNREACHABLE
        return SENT


def _why(status: int) -> Undelivered:
    if status in _REDIRECTS:
        return Undelivered.REDIRECTED
    if status in _REFUSALS and status not in _LATER:
        return Undelivered.REFUSED
    return Undelivered.TRY_LATER
