"""The client of the Sublet service for the hub: the only module that knows its hub API.

The service's own token authorises the hub; it is read from its file on each call, so that it can be
exchanged while the hub runs, and is never logged. Calls that may be repeated without harm are;
asking for a slice is repeated only while no connection could be made.
"""

import asyncio
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

from pydantic import TypeAdapter, ValidationError
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.wire.api import Lease, Offers, PodStarted, Problem, SliceInfo, SliceRequest
from sublet_quota.wire.decision import derivation_of
from sublet_quota.wire.schema import WireModel
from sublet_quota.wire.server_queue import QueueWait
from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.simple_httpclient import HTTPStreamClosedError, SimpleAsyncHTTPClient

from sublet_spawner.errors import ServiceAnswerError, ServiceUnreachableError, TokenFileError
from sublet_spawner.started import Started

MAX_TOKEN_BYTES: Final = 4096
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024

_OK: Final = 200
_CREATED: Final = 201
_ACCEPTED: Final = 202
_NO_CONTENT: Final = 204
_NOT_FOUND: Final = 404
_UNAUTHORIZED: Final = frozenset({401, 403})
_NOT_CONNECTED_YET: Final = ("Timeout while ", "Timeout during TLS handshake")
"""The words with which Tornado begins to say that time was up before anything was sent: a hub that
starts many servers at once may be too busy to connect in time.
"""
_NO_ANSWER_BEHIND_THE_PROXY: Final = frozenset({502, 503, 504, 599})

_WAITS: Final = TypeAdapter(tuple[QueueWait, ...])
Model = TypeVar("Model", bound=WireModel)


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """The service's address, how to be let in, and how long to wait for it (seconds)."""

    api_url: str
    """The service's base, such as ``http://127.0.0.1:8000/services/sublet/``."""
    token_file: Path
    connect_timeout_s: float = 3.0
    request_timeout_s: float = 10.0
    waits_s: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0)
    """The waits before each repetition."""


class _NotConnectedError(ServiceUnreachableError):
    """The request never left: repeating it cannot do anything twice."""


class ServiceClient:
    """The service, as the hub may use it."""

    def __init__(self, access: ServiceAccess) -> None:
        self._access = access
        self._base = f"{access.api_url.rstrip('/')}/api/hub"

    async def offers(
        self,
        owner: str,
        groups: tuple[str, ...],
        *,
        group: str | None = None,
        never_suspended: bool = False,
    ) -> Offers:
        """Return what this user could have now: if ``group`` paid, else whichever fits best."""
        fields = [("owner", owner), *(("groups", each) for each in groups)]
        if group is not None:
            fields.append(("group", group))
        if never_suspended:
            fields.append(("never_suspended", "1"))
        query = urlencode(fields)
        response = await self._repeated("GET", f"/offers?{query}")
        return self._model(response, Offers, _OK)

    async def request_slice(self, request: SliceRequest) -> Lease | Refusal | QueueWait:
        """Return the slice that the service hands out, or its refusal, in its own words.

        Or how the server stands that waits in line: the service starts it when its turn comes.

        Raises ``ServiceUnreachableError`` or ``ServiceAnswerError``; after the first, a slice may
        have been handed out that nobody knows of: the service takes it back when it sees that its
        server does not run.
        """
        response = await self._repeated(
            "POST", "/slices", request.model_dump_json(), only_unsent=True
        )
        if response.code in {_OK, _CREATED}:
            return self._model(response, Lease, response.code)
        if response.code == _ACCEPTED:
            return self._model(response, QueueWait, response.code)
        refusal = _refusal_of(response)
        if refusal is None:
            raise self._unexpected(response)
        return refusal

    async def waits(self, owner: str) -> tuple[QueueWait, ...]:
        """Return how a user's servers stand that are in line."""
        response = await self._repeated("GET", f"/queue?{urlencode({'owner': owner})}")
        if response.code != _OK:
            raise self._unexpected(response)
        try:
            return _WAITS.validate_json(response.body)
        except ValidationError as error:
            message = f"The Sublet service at {self._access.api_url} answered with no list of waits"
            raise ServiceAnswerError(message) from error

    async def leave_line(self, owner: str, server: str) -> None:
        """Take a server out of the line; also succeeds where it is not in line."""
        fields = {"owner": owner, **({"server": server} if server else {})}
        response = await self._repeated("DELETE", f"/queue?{urlencode(fields)}", patient=False)
        if response.code not in {_NO_CONTENT, _NOT_FOUND}:
            raise self._unexpected(response)

    async def report_started(self, slice_id: SliceId, started: Started) -> bool:
        """Tell a server's first process, or pod; return whether the service knows this slice."""
        what = "pod" if isinstance(started, PodStarted) else "started"
        path = f"/slices/{quote(slice_id, safe='')}/{what}"
        response = await self._repeated("POST", path, started.model_dump_json())
        if response.code == _NOT_FOUND and _problem_of(response) is not None:
            return False
        if response.code not in {_OK, _NO_CONTENT}:
            raise self._unexpected(response)
        return True

    async def slice_info(self, slice_id: SliceId) -> SliceInfo | None:
        """Return a slice's present state; ``None`` where the service does not know it."""
        response = await self._repeated("GET", f"/slices/{quote(slice_id, safe='')}")
        if response.code == _NOT_FOUND and _problem_of(response) is not None:
            return None
        return self._model(response, SliceInfo, _OK)

    async def release(self, slice_id: SliceId, *, patient: bool = True) -> None:
        """Give a slice back. Also succeeds when the service knows it no longer."""
        path = f"/slices/{quote(slice_id, safe='')}"
        response = await self._repeated("DELETE", path, patient=patient)
        if response.code != _NO_CONTENT:
            raise self._unexpected(response)

    async def _repeated(
        self,
        method: str,
        path: str,
        body: str | None = None,
        *,
        only_unsent: bool = False,
        patient: bool = True,
    ) -> HTTPResponse:
        """Send until an answer comes, and return it.

        ``ServiceUnreachableError`` after the last try.
        """
        for wait_s in self._access.waits_s if patient else ():
            try:
                return await self._once(method, path, body)
            except _NotConnectedError:
                pass
            except ServiceUnreachableError:
                if only_unsent:
                    raise
            await asyncio.sleep(wait_s)
        return await self._once(method, path, body)

    async def _once(self, method: str, path: str, body: str | None) -> HTTPResponse:
        request = HTTPRequest(
            f"{self._base}{path}",
            method=method,
            headers={
                "Authorization": f"Bearer {read_token(self._access.token_file)}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            body=body,
            follow_redirects=False,
            connect_timeout=self._access.connect_timeout_s,
            request_timeout=self._access.request_timeout_s,
        )
        client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=MAX_ANSWER_BYTES)
        try:
            response = await client.fetch(request, raise_error=False)
        except HTTPStreamClosedError as error:
            raise ServiceUnreachableError(self._silence("it closed the connection")) from error
        except HTTPClientError as error:
            kind = ServiceUnreachableError
            if (error.message or "").startswith(_NOT_CONNECTED_YET):
                kind = _NotConnectedError
            raise kind(self._silence(error.message)) from error
        except (OSError, ValueError) as error:
            raise _NotConnectedError(self._silence(str(error))) from error
        finally:
            client.close()
        if response.code in _NO_ANSWER_BEHIND_THE_PROXY and _problem_of(response) is None:
            raise ServiceUnreachableError(self._silence(f"HTTP {response.code}"))
        return response

    def _model(self, response: HTTPResponse, model: type[Model], expected: int) -> Model:
        if response.code != expected:
            raise self._unexpected(response)
        try:
            return model.model_validate_json(response.body)
        except ValidationError as error:
            message = (
                f"The Sublet service at {self._access.api_url} answered with something that is no "
                f"{model.__name__} ({error.error_count()} errors): do hub and service have the "
                "same version of Sublet?"
            )
            raise ServiceAnswerError(message) from error

    def _silence(self, cause: str) -> str:
        return f"The Sublet service at {self._access.api_url} does not answer ({cause})"

    def _unexpected(self, response: HTTPResponse) -> ServiceAnswerError:
        problem = _problem_of(response)
        said = f": {problem.message}" if problem is not None else ""
        if response.code in _UNAUTHORIZED:
            hint = (
                f"the token in {self._access.token_file} must be the one that the service was "
                "started with"
            )
            return ServiceAnswerError(
                f"The Sublet service at {self._access.api_url} does not let the hub in "
                f"(HTTP {response.code}{said}): {hint}"
            )
        return ServiceAnswerError(
            f"The Sublet service at {self._access.api_url} answered with HTTP {response.code}{said}"
        )


def read_token(path: Path) -> str:
    """Return the service's token; ``TokenFileError`` where others could read it too."""
    try:
        mode = path.stat().st_mode
        token = path.read_text(encoding="utf-8")[:MAX_TOKEN_BYTES].strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"The file with the Sublet service's token cannot be read: {error}"
        raise TokenFileError(message) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        message = (
            f"{path} has mode {stat.S_IMODE(mode):04o}, so that others may read the Sublet "
            f"service's token: run chmod 600 {path}"
        )
        raise TokenFileError(message)
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        message = f"{path} must hold the Sublet service's token, one word and nothing else"
        raise TokenFileError(message)
    return token


def _problem_of(response: HTTPResponse) -> Problem | None:
    try:
        return Problem.model_validate_json(response.body or b"")
    except ValidationError:
        return None


def _refusal_of(response: HTTPResponse) -> Refusal | None:
    problem = _problem_of(response)
    if problem is None:
        return None
    try:
        reason = RefusalReason(problem.reason)
    except ValueError:
        return None
    why = None if problem.why is None else derivation_of(problem.why)
    return Refusal(reason, problem.message, problem.numbers, why)
