"""The tornado handler of every route: let in, read, call, answer.

``prepare`` identifies the caller without blocking: a hub that stalls must not stop the agents'
heartbeats. The body is read after that, and only the body of who was let in is kept. A refusal is
answered when the body is over: an answer before that ends the connection, which a proxy may be
about to use again.
"""

import json
import logging
import time
from functools import cache
from typing import Any, Final

from jupyterhub.services.auth import (  # type: ignore[import-untyped]
    HubOAuthCallbackHandler,
    HubOAuthenticated,
)
from jupyterhub.utils import get_browser_protocol  # type: ignore[import-untyped]
from pydantic import TypeAdapter, ValidationError
from sublet_quota.names import scopes
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.api import NEXT_PAGE, TOTAL, Problem
from sublet_quota.wire.schema import WireModel, read_request
from tornado.iostream import IOStream
from tornado.web import HTTPError, RequestHandler, stream_request_body

from sublet_hub.errors import (
    BadRequestError,
    NotAllowedError,
    NotAuthenticatedError,
    NotFoundError,
    SubletHubError,
    TooManyRequestsError,
    words_of_validation,
)
from sublet_hub.security.authentication import Caller, ServiceAuth, caller_of
from sublet_hub.security.fetch_metadata import READING, is_of_own_page
from sublet_hub.security.rate_limits import BYTES_FOR_ONE, refuse_for
from sublet_hub.web.connections import OPEN_CONNECTIONS, OpenConnections
from sublet_hub.web.request_body import RequestBody
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.pages import Page
from sublet_hub.web.routes.problems import problem_of_error, problem_of_refusal
from sublet_hub.web.routes.roles import answer_of, may_call
from sublet_hub.web.routes.route import Accepted, Access, Call, Counted, Route, WrittenFile
from sublet_hub.web.unsent_answers import UnsentAnswers

_LOG = logging.getLogger(__name__)
_HUB: Final = "hub"
_FAILURES: Final = 500
"""Statuses from here on tell of a failure of the service's own."""
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
}


class _CookiesOverHttps(RequestHandler):
    """A handler all of whose cookies are for https where the browser came by it.

    JupyterHub does so for its own, but not for ``_xsrf``.
    """

    def set_cookie(self, name: str, value: str | bytes, *options: Any, **more: Any) -> None:
        """Set a cookie as tornado does."""
        if get_browser_protocol(self.request) == "https":
            more.setdefault("secure", True)
        super().set_cookie(name, value, *options, **more)


@stream_request_body
class ServiceHandler(HubOAuthenticated, _CookiesOverHttps):  # type: ignore[misc]
    """The common part of all handlers: bodies, headers, errors as ``Problem``."""

    service: ServiceParts
    hub_auth: ServiceAuth
    body: RequestBody
    caller: Caller | None = None
    who: str | None = None
    """The name by which bounds know who was let in; ``None``: a stranger."""
    refusal: Exception | None = None
    """Why nobody was let in, told when the body is over."""
    allowed: tuple[str, ...] = ()
    """The methods that are possible here, where the request's is none of them."""
    answers_early: bool = True
    """Whether an answer now comes before the end of the body, which ends the connection."""

    async def let_in(self) -> None:
        """Let the caller in, or raise why not: nobody is, where a handler does not say who."""
        raise NotImplementedError

    async def answer(self, **path: str) -> None:
        """Answer who was let in."""
        raise NotImplementedError

    async def prepare(self) -> None:
        """Let the caller in, or not, before the body is read."""
        self.body = RequestBody(self.request)
        try:
            await self.let_in()
            self._take_place()
        except (HTTPError, SubletHubError) as error:
            if not self.body.throw_away(let_in=self.who is not None):
                raise
            self.refusal = error
        self.answers_early = False

    def _take_place(self) -> None:
        stream = getattr(self.request.connection, "stream", None)
        if self.who is None or stream is None:
            return
        connections: OpenConnections[IOStream] = self.settings[OPEN_CONNECTIONS]
        if not connections.let_in(stream, self.who, is_hub=self.who == _HUB):
            message = "too many requests of yours are under way at once: try again"
            raise TooManyRequestsError(message, retry_after_s=2)

    def data_received(self, chunk: bytes) -> None:
        """Take a part of the body."""
        self.body.take(chunk)

    async def _answer_or_refuse(self, **path: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        await self.answer(**path)

    get = post = put = delete = patch = head = options = _answer_or_refuse

    def allow_methods(self, *methods: str) -> None:
        """Raise ``HTTPError`` where the request's method is none of these."""
        if self.request.method not in methods:
            self.allowed = tuple(sorted(methods))
            raise HTTPError(405, log_message=f"{self.request.method} is not possible here")

    def on_connection_close(self) -> None:
        """Forget what came of the body: nobody waits for an answer."""
        super().on_connection_close()
        if hasattr(self, "body"):
            self.body.free()

    def on_finish(self) -> None:
        """Forget the body, and note the answer until it is read."""
        if hasattr(self, "body"):
            self.body.free()
        stream = getattr(self.request.connection, "stream", None)
        if stream is not None:
            connections: OpenConnections[IOStream] = self.settings[OPEN_CONNECTIONS]
            connections.is_answered(stream)
            unsent: UnsentAnswers = self.settings["unsent"]
            # What finish was given as a whole has its length among its headers.
            size = int(self._headers.get("Content-Length", "0"))
            unsent.note(stream, self.who, str(self.request.remote_ip), size)

    def set_default_headers(self) -> None:
        """Let no browser frame, cache or guess at an answer."""
        self.clear_header("Server")
        for name, value in _SECURITY_HEADERS.items():
            self.set_header(name, value)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with a ``Problem``; what is a defect of the service's is in the log alone."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        told = None if error is None else problem_of_error(error)
        if told is not None:
            status, problem = told
        elif isinstance(error, HTTPError):
            status = status_code
            problem = Problem(
                reason="bad-request" if status < _FAILURES else "failed",
                message=error.log_message or self._reason,
            )
        else:
            status = 500
            problem = Problem(
                reason="failed", message="the service failed; its log says more", numbers={}
            )
        # tornado has cleared what was set before.
        if self.allowed:
            self.set_header("Allow", ", ".join(self.allowed))
        if isinstance(error, TooManyRequestsError):
            self.set_header("Retry-After", str(error.retry_after_s))
        if self.answers_early:
            self.set_header("Connection", "close")
        self.set_status(status)
        self.tell_problem(problem)

    def tell_problem(self, problem: Problem) -> None:
        """Send what a refusal or failure says."""
        self._send(problem.model_dump_json())

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log a defect with its traceback, what the caller did wrong not at all."""
        if value is None or problem_of_error(value) is not None:
            return
        if isinstance(value, HTTPError) and value.status_code < _FAILURES:
            return
        # Not tornado's words, which have the whole address with its query.
        method, path = self.request.method, self.request.path
        _LOG.error("%s %s failed", method, path, exc_info=(typ, value, tb))

    def _send(self, text: str | bytes) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(text)


class UnknownPathHandler(ServiceHandler):
    """The handler of every path that has no route."""

    async def let_in(self) -> None:
        """Answer 404."""
        message = f"there is nothing at {self.request.path}"
        raise NotFoundError(message)


class OAuthCallback(HubOAuthCallbackHandler, _CookiesOverHttps):  # type: ignore[misc]
    """The end of a browser's login, as JupyterHub does it."""

    def initialize(self, hub_auth: ServiceAuth) -> None:
        """Use the service's own authentication."""
        self.hub_auth = hub_auth

    def set_default_headers(self) -> None:
        """Let no browser frame or cache the answer."""
        for name, value in _SECURITY_HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        """Refuse a browser that did not begin this login.

        JupyterHub's own check would first ask the hub who that is, and the whole service would
        wait for the answer.
        """
        state = self.get_query_argument("state", "")
        if not self.get_signed_cookie(self.hub_auth.get_state_cookie_name(state)):
            raise HTTPError(403, "this browser did not begin this login: log in again")


@cache
def _adapter_of(answer: Any) -> TypeAdapter[Any]:
    """Return what writes an answer of this type: to make it takes longer than to use it."""
    return TypeAdapter(answer)


class RouteHandler(ServiceHandler):
    """The routes of one path."""

    def initialize(
        self, service: ServiceParts, hub_auth: ServiceAuth, routes: tuple[Route, ...]
    ) -> None:
        """Take the path's routes by method."""
        self.service = service
        self.hub_auth = hub_auth
        self.routes = {route.method: route for route in routes}
        self.route: Route | None = None
        self.began = time.perf_counter()
        self.answered: float | None = None
        """When an answer that goes on and on began; ``None``: it has its end."""

    async def let_in(self) -> None:
        """Let in who may call the route, and expect their body."""
        self.allow_methods(*self.routes)
        route = self.route = self.routes[self.request.method or ""]
        if route.access is Access.HUB:
            self._let_hub_in()
            self.who = _HUB
        else:
            caller = await self._let_user_in(route)
            self.who = caller.key
        self.body.expect(route.most_body_bytes, self.service.limits.bodies, self.who)

    def _let_hub_in(self) -> None:
        token = self.hub_auth.get_token(self, in_cookie=False) or ""
        if not self.hub_auth.is_service_token(token):
            message = "this is for the hub: it takes the service's own token"
            raise NotAllowedError(message)

    async def _let_user_in(self, route: Route) -> Caller:
        token = self.hub_auth.get_token(self) or ""
        by_cookie = bool(token) and not self.hub_auth.get_token(self, in_cookie=False)
        if by_cookie and route.method not in READING and not is_of_own_page(self.request.headers):
            message = "a page of another origin may change nothing here"
            raise NotAllowedError(message)
        if route.asks_hub_anew:
            self.hub_auth.forget_token(token)
        model = await self.hub_auth.get_user(self, sync=False)
        if model is None:
            if by_cookie:
                # A cookie counts only together with the page's own _xsrf: this answers 403.
                self.check_xsrf_cookie()
            message = "no token that the hub knows: send 'Authorization: token ...'"
            raise NotAuthenticatedError(message)
        caller = caller_of(model)
        owners = self.service.limits.owners
        refuse_for(owners.take_or_wait_s(caller.key, time.monotonic()))
        if not caller.may_enter:
            message = "this token lacks the scope access:services!service=sublet"
            raise NotAllowedError(message)
        if route.access is Access.ADMIN and not may_call(self.service, route, caller):
            message = (
                f"this is for admins: the token of '{caller.name}' lacks the scope {scopes.ADMIN}"
            )
            raise NotAllowedError(message)
        self.caller = caller
        return caller

    async def answer(self, **path: str) -> None:
        """Call the route, and send what it answers."""
        route = self.route
        if route is None:  # pragma: no cover - let_in has refused already
            raise HTTPError(405)
        call = Call(
            caller=self.caller,
            path=path,
            query=self.query(),
            body=self._read_body(route),
        )
        answer = await answer_of(self.service, route, call)
        if isinstance(answer, Refusal):
            status, problem = problem_of_refusal(answer)
            self.set_status(status)
            self._send(problem.model_dump_json())
            return
        if isinstance(answer, Accepted):
            self.set_status(202)
            self._send(answer.body.model_dump_json())
            return
        self.set_status(route.status)
        if route.answer is None:
            self.clear_header("Content-Type")
            self.finish()
            return
        if isinstance(answer, Page):
            if answer.following is not None:
                self.set_header(NEXT_PAGE, answer.following)
            if answer.total is not None:
                self.set_header(TOTAL, str(answer.total))
            self._send(answer.body)
            return
        if isinstance(answer, WrittenFile):
            self._count_size(route, answer.body)
            self.set_header("Content-Type", f"{answer.kind}; charset=utf-8")
            self.set_header("Content-Disposition", f'attachment; filename="{answer.name}"')
            self.finish(answer.body)
            return
        if isinstance(answer, Counted):
            self.set_header(TOTAL, str(answer.total))
            answer = answer.first
        text = answer if isinstance(answer, bytes) else _adapter_of(route.answer).dump_json(answer)
        self._count_size(route, text)
        self._send(text)

    def query(self) -> dict[str, list[str]]:
        """Return what stands in the address after its path."""
        return {
            name: [value.decode("utf-8", "replace") for value in values]
            for name, values in self.request.query_arguments.items()
        }

    def _count_size(self, route: Route, text: bytes) -> None:
        if self.caller is not None and route.counts_by_size:
            self.service.limits.owners.charge(self.caller.key, len(text) // BYTES_FOR_ONE)

    def _read_body(self, route: Route) -> WireModel | None:
        sent = self.body.whole(route.most_body_bytes)
        self.body.free()
        if route.body is None:
            return None
        try:
            return read_request(route.body, sent)
        except ValidationError as error:
            raise BadRequestError(words_of_validation(error)) from None
        except ValueError as error:
            raise BadRequestError(str(error)) from None
        except RecursionError:
            message = "the body cannot be read: it is nested too deeply"
            raise BadRequestError(message) from None

    def on_finish(self) -> None:
        """Count the request."""
        super().on_finish()
        path = "none" if self.route is None else self.route.path
        took_s = (self.answered or time.perf_counter()) - self.began
        self.service.metrics.request(self.request.method or "", path, self.get_status(), took_s)


def log_request(handler: RequestHandler) -> None:
    """Log a request without its query, headers or body: those can hold secrets."""
    status = handler.get_status()
    request = handler.request
    level = logging.WARNING if status >= _FAILURES else logging.DEBUG
    took_ms = 1000 * request.request_time()
    path = json.dumps(request.path)[1:-1]
    _LOG.log(
        level, "%d %s %s (%s) %.1f ms", status, request.method, path, request.remote_ip, took_ms
    )
