"""The tornado handler of every route: let in, read, call, answer.

``prepare`` identifies the caller without blocking: a hub that stalls must not stop the agents'
heartbeats.
"""

import json
import logging
import time
from functools import cache
from typing import Any

from jupyterhub.services.auth import (  # type: ignore[import-untyped]
    HubOAuthCallbackHandler,
    HubOAuthenticated,
)
from pydantic import TypeAdapter, ValidationError
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.api import Problem
from sublet_quota.wire.schema import WireModel
from tornado.web import HTTPError, RequestHandler

from sublet_hub.errors import (
    BadRequestError,
    NotAllowedError,
    NotAuthenticatedError,
    NotFoundError,
    TooManyRequestsError,
    words_of_validation,
)
from sublet_hub.security.authentication import Caller, ServiceAuth, caller_of
from sublet_hub.security.client_address import peer_of
from sublet_hub.security.rate_limits import refuse_for
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.problems import problem_of_error, problem_of_refusal
from sublet_hub.web.routes.route import Access, Call, Route

_LOG = logging.getLogger(__name__)
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
}


class ServiceHandler(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
    """The common part of all handlers: headers, errors as ``Problem``, and guesses."""

    service: ServiceParts
    hub_auth: ServiceAuth

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
                reason="bad-request" if status < 500 else "failed",  # noqa: PLR2004
                message=error.log_message or self._reason,
            )
        else:
            status = 500
            problem = Problem(
                reason="failed", message="the service failed; its log says more", numbers={}
            )
        if isinstance(error, TooManyRequestsError):
            self.set_header("Retry-After", str(error.retry_after_s))
        self.set_status(status)
        self._send(problem.model_dump_json())

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log a defect with its traceback, what the caller did wrong not at all."""
        if value is not None and problem_of_error(value) is None:
            super().log_exception(typ, value, tb)

    def _send(self, text: str | bytes) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(text)

    def _refuse_guessing(self, token: str) -> None:
        known = self.hub_auth.was_known(token)
        limits = self.service.limits
        limits.anonymous.refuse(str(self.request.remote_ip), known=known)
        limits.anonymous_of_a_peer.refuse(peer_of(self.request), known=known)

    def _count_failure(self) -> None:
        limits = self.service.limits
        limits.anonymous.count(str(self.request.remote_ip))
        limits.anonymous_of_a_peer.count(peer_of(self.request))


class UnknownPathHandler(ServiceHandler):
    """The handler of every path that has no route."""

    def prepare(self) -> None:
        """Answer 404."""
        message = f"there is nothing at {self.request.path}"
        raise NotFoundError(message)


class OAuthCallback(HubOAuthCallbackHandler):  # type: ignore[misc]
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
        self.caller: Caller | None = None
        self.began = time.perf_counter()

    async def prepare(self) -> None:
        """Let the caller in, or not."""
        route = self.routes.get(self.request.method or "")
        if route is None:
            self.set_header("Allow", ", ".join(sorted(self.routes)))
            raise HTTPError(405, log_message=f"{self.request.method} is not possible here")
        self.route = route
        if len(self.request.body) > route.most_body_bytes:
            message = (
                f"the body has {len(self.request.body)} bytes: at most {route.most_body_bytes}"
            )
            raise HTTPError(413, log_message=message)
        if route.access is Access.HUB:
            self._let_hub_in()
        else:
            await self._let_user_in(route)

    def _let_hub_in(self) -> None:
        token = self.hub_auth.get_token(self, in_cookie=False) or ""
        if not self.hub_auth.is_service_token(token):
            self._refuse_guessing(token)
            self._count_failure()
            message = "this is for the hub: it takes the service's own token"
            raise NotAllowedError(message)

    async def _let_user_in(self, route: Route) -> None:
        token = self.hub_auth.get_token(self) or ""
        self._refuse_guessing(token)
        if route.asks_hub_anew:
            self.hub_auth.forget_token(token)
        model = await self.hub_auth.get_user(self, sync=False)
        if model is None:
            if token and not self.hub_auth.get_token(self, in_cookie=False):
                # A cookie counts only together with the page's own _xsrf: this answers 403.
                self.check_xsrf_cookie()
            self._count_failure()
            message = "no token that the hub knows: send 'Authorization: token ...'"
            raise NotAuthenticatedError(message)
        caller = caller_of(model)
        owners = self.service.limits.owners
        refuse_for(owners.take_or_wait_s(f"{caller.kind}:{caller.name}", time.monotonic()))
        if not caller.may_enter:
            message = "this token lacks the scope access:services!service=sublet"
            raise NotAllowedError(message)
        if route.access is Access.ADMIN and not caller.is_admin:
            message = "this is for admins: the token lacks the scope custom:sublet:admin"
            raise NotAllowedError(message)
        self.caller = caller

    async def _run(self, **path: str) -> None:
        route = self.route
        if route is None:  # pragma: no cover - prepare has refused already
            raise HTTPError(405)
        call = Call(
            caller=self.caller,
            path=path,
            query={
                name: [value.decode("utf-8", "replace") for value in values]
                for name, values in self.request.query_arguments.items()
            },
            body=None if route.body is None else self._read_body(route.body),
        )
        answer = await route.operation(self.service, call)
        if isinstance(answer, Refusal):
            status, problem = problem_of_refusal(answer)
            self.set_status(status)
            self._send(problem.model_dump_json())
            return
        self.set_status(route.status)
        if route.answer is None:
            self.clear_header("Content-Type")
            self.finish()
        else:
            self._send(_adapter_of(route.answer).dump_json(answer))

    get = post = put = delete = _run

    def _read_body(self, model: type[WireModel]) -> WireModel:
        try:
            return model.model_validate_json(self.request.body or b"{}")
        except ValidationError as error:
            raise BadRequestError(words_of_validation(error)) from None
        except (ValueError, RecursionError) as error:
            message = f"the body cannot be read: {type(error).__name__}"
            raise BadRequestError(message) from None

    def on_finish(self) -> None:
        """Count the request."""
        path = "none" if self.route is None else self.route.path
        took_s = time.perf_counter() - self.began
        self.service.metrics.request(self.request.method or "", path, self.get_status(), took_s)


def log_request(handler: RequestHandler) -> None:
    """Log a request without its query, headers or body: those can hold secrets."""
    status = handler.get_status()
    request = handler.request
    level = logging.WARNING if status >= 500 else logging.DEBUG  # noqa: PLR2004
    took_ms = 1000 * request.request_time()
    path = json.dumps(request.path)[1:-1]
    _LOG.log(
        level, "%d %s %s (%s) %.1f ms", status, request.method, path, request.remote_ip, took_ms
    )
