"""Blocking requests to the hub service: of a command, and of a kernel's thread.

The token goes to the service's own address and nowhere else. A notebook server must not block, and
asks by ``server.service_client``.
"""

import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from sublet_quota.wire.api import NEXT_PAGE, TOTAL

_MOST_BYTES: Final = 64 * 1024 * 1024


class ServiceAddressError(Exception):
    """The address given for the service is none."""


class ServiceAwayError(Exception):
    """The service does not answer; the text says why."""


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """The service's answer, of whatever status."""

    status: int
    body: bytes
    following: str | None = None
    """Where a list goes on that has more: what ``before`` takes."""
    total: int | None = None
    """How many entries the whole list has, where the service counted."""
    retry_after_s: int = 0
    """When to ask again, where the service says so."""

    @property
    def is_success(self) -> bool:
        """Whether the service did what it was asked for."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class _AsAnswered(urllib.request.HTTPErrorProcessor):
    """A handler that gives each answer back as it is: no redirect is followed, no status raises."""

    def http_response(self, request: Any, response: Any) -> Any:  # noqa: ARG002 (the base's)
        """Return the response, whatever it is."""
        return response

    https_response = http_response


# No proxies of the environment: the service is near, and the token is not for them.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}), _AsAnswered())


def api_address(service_url: str) -> str:
    """Return where the paths of the service's API begin. ``ServiceAddressError``."""
    if urlsplit(service_url).scheme not in {"http", "https"}:
        message = f"{service_url!r} is no http or https address."
        raise ServiceAddressError(message)
    return service_url.rstrip("/") + "/api/"


def call_service(
    method: str, address: str, token: str, body: bytes | None, within_s: float
) -> ServiceAnswer:
    """Ask at an address below ``api_address``, and return the answer. ``ServiceAwayError``."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    if body:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(address, body, headers, method=method)  # noqa: S310 (checked)
    try:
        with _OPENER.open(request, timeout=within_s) as response:
            following = response.headers.get(NEXT_PAGE)
            return ServiceAnswer(
                response.status,
                response.read(_MOST_BYTES),
                None if following is None else unquote(following),
                _number(response.headers.get(TOTAL)),
                _number(response.headers.get("Retry-After")) or 0,
            )
    except (OSError, HTTPException) as error:
        raise ServiceAwayError(str(getattr(error, "reason", error))) from error
    except ValueError:
        # Such an error says the whole token.
        message = "this address, or this token, can be in no request"
        raise ServiceAwayError(message) from None


def _number(told: str | None) -> int | None:
    return int(told) if told and told.isascii() and told.isdigit() else None
