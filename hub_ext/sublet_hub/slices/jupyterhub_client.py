"""What JupyterHub is asked: its servers, who a user is, whose our token is, to stop and start one.

No other module knows the hub's own API.
"""

import json
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote, urlencode

from sublet_quota.names.ids import UserName
from sublet_quota.names.scopes import SERVICE_NAME
from sublet_quota.reasons.installation.standings import HubStanding
from sublet_quota.reasons.refusal import quoted
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from sublet_hub.errors import HubUnreachableError

_PAGE = 200
_MOST_PAGES = 1000
_MOST_NAMES: Final = 1000
"""So many of its users are looked at for what may have been meant."""
_MOST_BYTES = 64 * 1024 * 1024
_NOT_ALLOWED: Final = 403
_NOTHING_THERE: Final = 404
_NOT_RUNNING: Final = frozenset({400, _NOTHING_THERE})
"""What the hub answers to who stops a server that does not run, or is not there."""
STOP_SERVERS: Final = "delete:servers"
"""JupyterHub's scope for that."""
START_SERVERS: Final = "servers"
"""JupyterHub's scope for starting what waits in line."""
LIST_GROUPS: Final = "list:groups"
"""JupyterHub's scope for the names of its groups."""
_ONLY_STARTS: Final = "start:servers"
"""The part of it that suffices, too: JupyterHub has that from its version 6 on."""
_RUNS_ALREADY: Final = 400
_TOO_MANY: Final = 429
_GATEWAY_HEARD_NOTHING: Final = frozenset({502, 504})
"""How what stands before the hub answers where the hub may have taken what it was asked for."""
_NO_ANSWER: Final = 599
"""Tornado's code for no answer at all."""
_NOT_CONNECTED: Final = ("Timeout while ", "Timeout during TLS handshake")
"""The words with which Tornado begins to say that time was up before anything was sent."""
ANSWERS_WITHIN_S: Final = 20.0
"""So long the hub is waited for. Its ``slow_spawn_timeout`` may be longer, until which it answers
nothing to who has a server started.
"""
_ERROR_OF_THE_HUB: Final = 500
"""How the hub answers where a start fails: what stands before a hub that is away says more."""
_NO_NAMES: Final = frozenset({"", ".", ".."})
"""What stands for another place in an address."""


class StartAnswer(StrEnum):
    """What the hub says to who has a server started."""

    STARTS = "starts"
    RUNS_ALREADY = "runs-already"
    """It runs, or starts or stops just now."""
    REFUSED = "refused"
    """It will not be started: its owner is gone, or may have no more servers."""
    NOT_ALLOWED = "not-allowed"
    """Not now: the service may not, or its owner has to log in anew."""
    NOT_KNOWN = "not-known"
    """It has not answered: it may have begun, and says so to who looks."""
    FAILED = "failed"
    """The hub tried, and it ended before it had asked for its slice, or the hub has an error."""


class ServerStanding(StrEnum):
    """How a server stands with the hub."""

    RUNS = "runs"
    CHANGES = "changes"
    """It starts or stops just now."""
    NOT_THERE = "not-there"


@dataclass(frozen=True, slots=True)
class HubServers:
    """The servers that run, start or stop, by owner and name."""

    servers: frozenset[tuple[UserName, str]]
    groups: Mapping[UserName, tuple[str, ...]] = field(default_factory=dict)
    """The groups of those who have any, or none: of whom the service may see them."""


@dataclass(frozen=True, slots=True)
class HubUser:
    """A user of the hub."""

    groups: tuple[str, ...] | None
    """``None``: the service's role may not see them."""


class _NotAnsweredError(HubUnreachableError):
    """The hub has not answered, and may have done what it was asked for."""


class HubClient:
    """JupyterHub's API, with the service's own token."""

    def __init__(self, api_url: str, token: str) -> None:
        self._api_url = api_url.rstrip("/")
        self._token = token

    async def servers(self) -> HubServers:
        """Return all servers that are active or pending. ``HubUnreachableError``."""
        found: set[tuple[UserName, str]] = set()
        groups: dict[UserName, tuple[str, ...]] = {}
        try:
            async for user in self._listed("users", state="active"):
                found.update(_servers_of(user))
                named = _groups_of(user)
                if named is not None:
                    groups[UserName(user["name"])] = named
        except HTTPClientError as error:
            raise await self._no_list_of_users(error) from error
        return HubServers(frozenset(found), groups)

    async def user(self, name: str) -> HubUser | None:
        """Return a user; ``None`` where the hub knows nobody of that name.

        ``HubUnreachableError`` where it does not say.
        """
        if name in _NO_NAMES:
            return None
        try:
            found = await self._ask(f"users/{quote(name, safe='')}")
        except HTTPClientError as error:
            if _is_not_there(error):
                return None
            raise self._unexpected("who a user is", error) from error
        return HubUser(_groups_of(found) if isinstance(found, dict) else None)

    async def members_of(self, groups: Collection[str]) -> dict[str, frozenset[str]]:
        """Return the users in each of some groups, as far as the service may see them.

        ``HubUnreachableError`` where the hub does not say.
        """
        found: dict[str, set[str]] = {each: set() for each in groups}
        try:
            async for user in self._listed("users"):
                for group in found.keys() & (_groups_of(user) or ()):
                    found[group].add(str(user["name"]))
        except HTTPClientError as error:
            raise await self._no_list_of_users(error) from error
        return {group: frozenset(users) for group, users in found.items()}

    async def group_names(self) -> frozenset[str] | None:
        """Return the names of all groups; ``None`` where the service may not see them.

        ``HubUnreachableError`` where the hub does not say.
        """
        try:
            return frozenset([str(group["name"]) async for group in self._listed("groups")])
        except HTTPClientError as error:
            if error.code == _NOT_ALLOWED:
                return None
            raise self._unexpected("the hub's list of groups", error) from error

    async def some_user_names(self) -> frozenset[str]:
        """Return the names of users, of very many the first. ``HubUnreachableError``."""
        found: set[str] = set()
        try:
            async for user in self._listed("users"):
                found.add(str(user["name"]))
                if len(found) == _MOST_NAMES:
                    break
        except HTTPClientError as error:
            raise self._unexpected("the hub's list of users", error) from error
        return frozenset(found)

    async def whose_token(self) -> HubStanding:
        """Return how the hub knows the service's token. ``HubUnreachableError``."""
        try:
            owner = await self._ask("user")
        except HTTPClientError as error:
            if error.code == _NOT_ALLOWED:
                return HubStanding.REFUSES_TOKEN
            raise self._unexpected("whose the service's token is", error) from error
        is_service = isinstance(owner, dict) and owner.get("kind") == "service"
        if not is_service or owner["name"] != SERVICE_NAME:
            return HubStanding.TOKEN_OF_ANOTHER
        if not _may(owner, STOP_SERVERS):
            return HubStanding.CANNOT_STOP_SERVERS
        may_start = _may(owner, START_SERVERS) or _may(owner, _ONLY_STARTS)
        if not may_start:
            return HubStanding.CANNOT_START_SERVERS
        return HubStanding.OK if _may(owner, LIST_GROUPS) else HubStanding.CANNOT_LIST_GROUPS

    async def may_stop_servers(self) -> bool:
        """Whether the service's role lets it stop servers. ``HubUnreachableError``."""
        try:
            return _may(await self._ask("user"), STOP_SERVERS)
        except HTTPClientError as error:
            raise self._unexpected("what the service may do", error) from error

    async def stop_server(self, owner: UserName, server: str) -> None:
        """Have a server stopped as if its owner had; also where it does not run any more.

        ``HubUnreachableError`` where the hub does not do that.
        """
        path = _path_of(owner, server)
        try:
            await self._send("DELETE", path)
        except HTTPClientError as error:
            if error.code in _NOT_RUNNING:
                return
            if error.code == _NOT_ALLOWED:
                message = (
                    "a server is not stopped: HTTP 403: the service's role lacks the scope "
                    f"{STOP_SERVERS}"
                )
                raise HubUnreachableError(message, HubStanding.CANNOT_STOP_SERVERS) from error
            raise self._unexpected("a server is not stopped", error) from error

    async def start_server(
        self, owner: UserName, server: str, options: Mapping[str, Any] | None
    ) -> StartAnswer:
        """Have a server started with these options of its owner's; ``None``: those it had last.

        Only ever for a server that is in line, whose turn has come. ``HubUnreachableError`` where
        the hub cannot be asked, or starts none of anybody's now, and may be asked again.
        """
        # The whole body is the options: JupyterHub 5 knows no other form, and later ones this, too.
        body = json.dumps(dict(options)) if options else ""
        try:
            await self._send("POST", _path_of(owner, server), body)
        except _NotAnsweredError:
            return StartAnswer.NOT_KNOWN
        except HTTPClientError as error:
            if error.code == _RUNS_ALREADY:
                return StartAnswer.RUNS_ALREADY
            if error.code == _NOT_ALLOWED:
                return StartAnswer.NOT_ALLOWED
            if error.code == _ERROR_OF_THE_HUB:
                return StartAnswer.FAILED
            if error.code in _GATEWAY_HEARD_NOTHING:
                return StartAnswer.NOT_KNOWN
            if error.code < _RUNS_ALREADY or error.code > _ERROR_OF_THE_HUB:
                raise self._unexpected("a server is not started", error) from error
            if error.code == _TOO_MANY:
                raise self._unexpected("too many servers start at once", error) from error
            return StartAnswer.REFUSED
        return StartAnswer.STARTS

    async def standing_of(self, owner: UserName, server: str) -> ServerStanding:
        """Return how a server stands. ``HubUnreachableError``."""
        try:
            user = await self._ask(_path_of_user(owner))
        except HTTPClientError as error:
            if error.code == _NOTHING_THERE:
                return ServerStanding.NOT_THERE
            raise self._unexpected("how a server stands", error) from error
        found = user.get("servers") if isinstance(user, dict) else None
        told = found.get(server) if isinstance(found, dict) else None
        if not isinstance(told, dict):
            return ServerStanding.NOT_THERE
        if told.get("pending"):
            return ServerStanding.CHANGES
        return ServerStanding.RUNS if told.get("ready") else ServerStanding.NOT_THERE

    async def _listed(self, what: str, **query: str) -> AsyncIterator[Mapping[str, Any]]:
        """Yield what a list of the hub has. ``HTTPClientError``, ``HubUnreachableError``."""
        offset = 0
        for _ in range(_MOST_PAGES):
            asked = urlencode({**query, "offset": offset, "limit": _PAGE})
            page = await self._ask(f"{what}?{asked}")
            if not isinstance(page, dict) or not {"items", "_pagination"} <= set(page):
                message = (
                    f"the hub's list of {what} is not as expected: is it JupyterHub 5 or later?"
                )
                raise HubUnreachableError(message, HubStanding.NO_HUB)
            for each in page["items"]:
                yield each
            following = page["_pagination"].get("next")
            if following is None:
                return
            offset = following["offset"]
        message = f"the hub's list of {what} has no end after {_MOST_PAGES} pages"
        raise HubUnreachableError(message)

    async def _no_list_of_users(self, error: HTTPClientError) -> HubUnreachableError:
        """Return why the hub does not list its users. ``HubUnreachableError``."""
        if error.code != _NOT_ALLOWED:
            return self._unexpected("the hub's list of users", error)
        standing = await self.whose_token()
        if standing is HubStanding.REFUSES_TOKEN:
            message = "the hub does not know the service's token"
            return HubUnreachableError(message, standing)
        message = (
            "the hub's list of users: HTTP 403: does the service's role have list:users and "
            "read:servers?"
        )
        return HubUnreachableError(message, HubStanding.LACKS_SCOPES)

    async def _ask(self, path: str) -> Any:
        """Return what the hub answers. ``HTTPClientError`` where it refuses."""
        try:
            return json.loads(await self._send("GET", path))
        except ValueError as error:
            message = f"what answers at {self._api_url} is no JupyterHub: {error}"
            raise HubUnreachableError(message, HubStanding.NO_HUB) from error

    async def _send(self, method: str, path: str, body: str | None = None) -> bytes:
        """Return the body of the hub's answer. ``HTTPClientError`` where it refuses.

        ``HubUnreachableError`` where it does not answer; such as tells whether it was asked.
        """
        request = HTTPRequest(
            f"{self._api_url}/{path}",
            method=method,
            body=body,
            headers={
                "Authorization": f"token {self._token}",
                "Accept": "application/jupyterhub-pagination+json",
            },
            connect_timeout=5,
            request_timeout=ANSWERS_WITHIN_S,
            follow_redirects=False,
        )
        client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=_MOST_BYTES)
        try:
            return (await client.fetch(request)).body
        except HTTPClientError as error:
            if error.code != _NO_ANSWER:
                raise
            unsent = (error.message or "").startswith(_NOT_CONNECTED)
            raise self._silent(error.message, asked=not unsent) from error
        except OSError as error:
            was_cut = isinstance(error, ConnectionResetError | BrokenPipeError)
            raise self._silent(error, asked=was_cut) from error
        finally:
            client.close()

    def _silent(self, cause: object, *, asked: bool) -> HubUnreachableError:
        message = f"the hub at {self._api_url} does not answer: {cause}"
        return _NotAnsweredError(message) if asked else HubUnreachableError(message)

    def _unexpected(self, what: str, error: HTTPClientError) -> HubUnreachableError:
        message = f"{what}: HTTP {error.code} at {self._api_url}"
        nothing = error.code in {301, 302, _NOTHING_THERE}
        standing = HubStanding.NO_HUB if nothing else HubStanding.UNREACHABLE
        return HubUnreachableError(message, standing)


def _path_of(owner: UserName, server: str) -> str:
    """Return a server's place in the hub's API. ``HubUnreachableError`` for what has none."""
    if owner in _NO_NAMES or server in _NO_NAMES - {""}:
        message = f"the server {quoted(f'{owner}/{server}')} cannot be named in an address"
        raise HubUnreachableError(message)
    named = f"servers/{quote(server, safe='')}" if server else "server"
    return f"{_path_of_user(owner)}/{named}"


def _path_of_user(owner: UserName) -> str:
    return f"users/{quote(owner, safe='')}"


def _is_not_there(error: HTTPClientError) -> bool:
    """Whether the hub itself says that something is not there, and not what stands before it."""
    if error.code != _NOTHING_THERE or error.response is None:
        return False
    try:
        told = json.loads(error.response.body)
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("status") == _NOTHING_THERE


def _may(owner: Any, scope: str) -> bool:
    """Whether a token, as the hub describes it, has a scope: for anybody, or for some people."""
    told = owner.get("scopes") if isinstance(owner, dict) else None
    found = told if isinstance(told, list) else ()
    return any(each == scope or str(each).startswith(f"{scope}!") for each in found)


def _groups_of(user: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return a user's groups; ``None`` where the service may not see them."""
    groups = user.get("groups")
    return tuple(map(str, groups)) if isinstance(groups, list) else None


def _servers_of(user: Mapping[str, Any]) -> set[tuple[UserName, str]]:
    if "servers" not in user:
        message = "the hub shows no servers to the service: its role lacks read:servers"
        raise HubUnreachableError(message, HubStanding.LACKS_SCOPES)
    return {
        (UserName(user["name"]), name)
        for name, server in user["servers"].items()
        if server.get("ready") or server.get("pending") or not server.get("stopped", False)
    }
