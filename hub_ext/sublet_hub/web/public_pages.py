"""The pages that need no user: health, the OpenAPI document, and metrics for who may read them."""

import hmac
import ipaddress
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from sublet_hub.errors import NotAllowedError
from sublet_hub.security.authentication import ServiceAuth, caller_of
from sublet_hub.web.openapi import openapi_text
from sublet_hub.web.request_handler import ServiceHandler
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.views.health import KeptHealth


class HealthHandler(ServiceHandler):
    """The page that says whether the service works, and nothing about anybody."""

    def initialize(self, health: KeptHealth) -> None:
        """Take what tells how hub, agents and cards are."""
        self.health = health

    async def let_in(self) -> None:
        """Let everybody in."""
        self.allow_methods("GET")

    async def answer(self, **_path: str) -> None:
        """Answer with the version, and how hub, agents and cards are."""
        self._send(self.health.read())


class OpenApiHandler(ServiceHandler):
    """The page with the description of the API."""

    def initialize(self, prefix: str, version: str) -> None:
        """Take prefix and version of the API that is described."""
        self.prefix = prefix
        self.version = version

    async def let_in(self) -> None:
        """Let everybody in."""
        self.allow_methods("GET")

    async def answer(self, **_path: str) -> None:
        """Send the document."""
        self._send(openapi_text(self.prefix, self.version))


class MetricsHandler(ServiceHandler):
    """The page of metrics for Prometheus: with its token, with an admin's, or from this machine."""

    def initialize(self, service: ServiceParts, hub_auth: ServiceAuth, token: str | None) -> None:
        """Take what tells who may read: the hub's authentication, and Prometheus' token."""
        self.service = service
        self.hub_auth = hub_auth
        self.token = token

    async def let_in(self) -> None:
        """Let in who may read."""
        self.allow_methods("GET")
        token = self.hub_auth.get_token(self, in_cookie=False) or ""
        if self.token is not None and hmac.compare_digest(token.encode(), self.token.encode()):
            self.who = "metrics"
            return
        if not token and _came_directly_from_here(self.request):
            return
        model = await self.hub_auth.get_user(self, sync=False) if token else None
        caller = None if model is None else caller_of(model)
        if caller is None or not caller.sees_all:
            message = "metrics are for admins, and for who has the metrics' own token"
            raise NotAllowedError(message)
        self.who = caller.key

    async def answer(self, **_path: str) -> None:
        """Send all metrics."""
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(await self.service.metrics.page())


def _came_directly_from_here(request: Any) -> bool:
    """Whether the request is from this machine, and not through a proxy for somebody else."""
    if any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip")):
        return False
    try:
        return ipaddress.ip_address(request.remote_ip).is_loopback
    except ValueError:
        return False
