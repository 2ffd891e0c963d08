"""The hub service as this notebook server may use it: with the server's own token."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from sublet_quota.wire.api import NEXT_PAGE, Problem
from tornado.httpclient import HTTPError
from tornado.simple_httpclient import SimpleAsyncHTTPClient

_PLACE = re.compile(r"[0-9]{1,17}-[A-Za-z0-9._~%-]{1,4000}")
_CONNECT_TIMEOUT_S = 5.0
_REQUEST_TIMEOUT_S = 20.0
_MOST_BYTES = 8 * 1024 * 1024
_NO_ANSWER = 599
"""The status that Tornado gives to requests that were never answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The service's answer: JSON, or nothing."""

    status: int
    body: bytes
    following: str | None = None
    """Where a list goes on that has more, percent-encoded: what ``before`` takes."""


class ServiceClient:
    """A client of addresses below ``base_url`` + ``api/`` and nowhere else."""

    def __init__(self, base_url: str, token: str) -> None:
        self._api_url = base_url.rstrip("/") + "/api/"
        self._token = token
        self._http = SimpleAsyncHTTPClient(force_instance=True, max_body_size=_MOST_BYTES)

    async def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes | None,
        patience_s: float = _REQUEST_TIMEOUT_S,
    ) -> Answer:
        """Return the service's answer; 502 with a ``Problem`` where there is none."""
        url = self._api_url + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = await self._http.fetch(
                url,
                method=method,
                headers=headers,
                body=body,
                allow_nonstandard_methods=True,
                follow_redirects=False,
                raise_error=False,
                connect_timeout=_CONNECT_TIMEOUT_S,
                request_timeout=patience_s,
            )
        except (HTTPError, OSError) as error:
            return _unreachable(str(error))
        if response.code == _NO_ANSWER:
            return _unreachable(str(response.error))
        kind = response.headers.get("Content-Type", "")
        if response.body and not kind.startswith("application/json"):
            return _unreachable(f"it answered {response.code} with {kind or 'no content type'!r}")
        following = response.headers.get(NEXT_PAGE, "")
        known = following if _PLACE.fullmatch(following) else None
        return Answer(response.code, response.body, known)


def _unreachable(why: str) -> Answer:
    problem = Problem(
        reason="service-unreachable",
        message=f"The Sublet service cannot be reached from this notebook server: {why[:500]}",
    )
    return Answer(HTTPStatus.BAD_GATEWAY, problem.model_dump_json().encode())
