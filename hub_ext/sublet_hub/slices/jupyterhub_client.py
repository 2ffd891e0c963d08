"""The question to JupyterHub which servers there are; no other module knows the hub's own API."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sublet_quota.names.ids import UserName
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from sublet_hub.errors import HubUnreachableError

_PAGE = 200
_MOST_PAGES = 1000
_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HubServers:
    """The servers that run, start or stop, by owner and name."""

    servers: frozenset[tuple[UserName, str]]


class HubClient:
    """JupyterHub's API, with the service's own token."""

    def __init__(self, api_url: str, token: str) -> None:
        self._api_url = api_url.rstrip("/")
        self._token = token

    async def servers(self) -> HubServers:
        """Return all servers that are active or pending. ``HubUnreachableError``."""
        found: set[tuple[UserName, str]] = set()
        offset: int | None = 0
        for _ in range(_MOST_PAGES):
            page = await self._page(offset)
            for user in page["items"]:
                found.update(_servers_of(user))
            following = page["_pagination"].get("next")
            offset = None if following is None else following["offset"]
            if offset is None:
                return HubServers(frozenset(found))
        message = f"the hub's list of users has no end after {_MOST_PAGES} pages"
        raise HubUnreachableError(message)

    async def _page(self, offset: int | None) -> Mapping[str, Any]:
        query = urlencode({"state": "active", "offset": offset or 0, "limit": _PAGE})
        request = HTTPRequest(
            f"{self._api_url}/users?{query}",
            headers={
                "Authorization": f"token {self._token}",
                "Accept": "application/jupyterhub-pagination+json",
            },
            connect_timeout=5,
            request_timeout=20,
            follow_redirects=False,
        )
        client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=_MOST_BYTES)
        try:
            response = await client.fetch(request)
            page: Mapping[str, Any] = json.loads(response.body)
        except HTTPClientError as error:
            hint = ": does the service's role have list:users and read:servers?"
            told = hint if error.code == 403 else ""  # noqa: PLR2004
            message = f"the hub's list of users: HTTP {error.code}{told}"
            raise HubUnreachableError(message) from error
        except (OSError, ValueError) as error:
            message = f"the hub at {self._api_url} does not answer: {error}"
            raise HubUnreachableError(message) from error
        finally:
            client.close()
        if not isinstance(page, dict) or not {"items", "_pagination"} <= set(page):
            message = "the hub's list of users is not as expected: is it JupyterHub 5 or later?"
            raise HubUnreachableError(message)
        return page


def _servers_of(user: Mapping[str, Any]) -> set[tuple[UserName, str]]:
    if "servers" not in user:
        message = "the hub shows no servers to the service: its role lacks read:servers"
        raise HubUnreachableError(message)
    return {
        (UserName(user["name"]), name)
        for name, server in user["servers"].items()
        if server.get("ready") or server.get("pending") or not server.get("stopped", False)
    }
