"""The tornado application: every route below the prefix, and nothing else."""

import re
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, url

from sublet_hub.agents.connection import AgentSocket
from sublet_hub.agents.connection_registry import AgentConnections
from sublet_hub.security.authentication import ServiceAuth
from sublet_hub.security.client_address import Network, told_address_of
from sublet_hub.security.local_peers import LOCAL_PEERS, LocalPeers
from sublet_hub.security.service_auth import XSRF_COOKIE_OPTIONS
from sublet_hub.web.console.bundle import Bundle
from sublet_hub.web.console.card_feed import CardFeed
from sublet_hub.web.console.changes import CHANGES_ROUTE, ChangesHandler, StreamPlaces
from sublet_hub.web.console.page import (
    FILE_PATH,
    VIEW_PATH,
    ConsoleDoorHandler,
    ConsoleFileHandler,
    ConsoleHandler,
    ConsoleSettings,
)
from sublet_hub.web.console.topics import Marks
from sublet_hub.web.listening import BoundedServer
from sublet_hub.web.past_preview import PAST_PREVIEW_ROUTE, PastPreviewHandler, past_previews
from sublet_hub.web.public_pages import HealthHandler, MetricsHandler, OpenApiHandler
from sublet_hub.web.request_body import BODY_WITHIN_S, STRANGERS_BODY
from sublet_hub.web.request_handler import (
    OAuthCallback,
    RouteHandler,
    UnknownPathHandler,
    log_request,
)
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.route import PATH_PART
from sublet_hub.web.routes.table import routes_by_path
from sublet_hub.web.unsent_answers import UnsentAnswers
from sublet_hub.web.views.health import KeptHealth, health_of

LARGEST_AGENT_MESSAGE = 8 * 1024 * 1024
_LARGEST_HEADERS = 64 * 1024
"""The spawner names a user's groups in an address: up to 200 of 255 characters."""
_AGENTS_LINK = "api/agents/link"
_WEBSOCKETS: dict[str, Any] = {
    "websocket_max_message_size": LARGEST_AGENT_MESSAGE,
    "websocket_ping_interval": 5,
    "websocket_ping_timeout": 5,
}
_IDLE_CONNECTION_S = 120


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The settings of the tornado application."""

    prefix: str
    version: str
    metrics_token: str | None
    cookie_secret: bytes
    proxies_before_hub: tuple[Network, ...] = ()
    """The networks of further proxies, in front of JupyterHub's."""
    most_connections: int = 512
    hub_prefix: str = "/hub/"
    subdomain_host: str = ""
    """The hub's address for browsers where users have origins of their own; empty: they share."""
    console: Bundle | None = None
    """The front end of the console; ``None``: none was built."""


class ServiceApplication(Application):
    """The application, which routes each request by the address that it comes from, if known."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Return the handler of a request, whose address is told first.

        tornado's ``xheaders`` would believe ``X-Real-Ip``.
        """
        peers: LocalPeers | None = self.settings.get(LOCAL_PEERS)
        if peers is None or not peers.is_direct(request):
            request.remote_ip = told_address_of(request, self.settings["proxies_before_hub"])
        return super().find_handler(request, **kwargs)


def make_server(
    service: ServiceParts,
    hub_auth: ServiceAuth,
    connections: AgentConnections,
    settings: WebSettings,
) -> HTTPServer:
    """Return a server of the application, which listens nowhere yet."""
    unsent, peers = UnsentAnswers(), LocalPeers()
    application = make_application(service, hub_auth, connections, settings, unsent)
    application.settings[LOCAL_PEERS] = peers
    return _bounded(application, settings.most_connections, (unsent, peers))


def make_agents_server(
    connections: AgentConnections, prefix: str, tls: SSLContext, most_connections: int
) -> HTTPServer:
    """Return a server of the agents' WebSocket alone, by https, which listens nowhere yet."""
    application = Application(
        [url(re.escape(prefix) + _AGENTS_LINK, AgentSocket, {"connections": connections})],
        log_function=log_request,
        **_WEBSOCKETS,
    )
    return _bounded(application, most_connections, (UnsentAnswers(), LocalPeers()), tls)


def _bounded(
    application: Application,
    most_connections: int,
    noted: tuple[UnsentAnswers, LocalPeers],
    tls: SSLContext | None = None,
) -> HTTPServer:
    unsent, peers = noted
    return BoundedServer(
        application,
        most_connections=most_connections,
        unsent=unsent,
        peers=peers,
        ssl_options=tls,
        max_header_size=_LARGEST_HEADERS,
        # Handlers allow more to who was let in.
        max_body_size=STRANGERS_BODY,
        body_timeout=BODY_WITHIN_S,
        idle_connection_timeout=_IDLE_CONNECTION_S,
    )


def make_application(
    service: ServiceParts,
    hub_auth: ServiceAuth,
    connections: AgentConnections,
    settings: WebSettings,
    unsent: UnsentAnswers,
) -> Application:
    """Return the application with all routes."""
    prefix = re.escape(settings.prefix)
    metrics = {"service": service, "hub_auth": hub_auth, "token": settings.metrics_token}
    health = KeptHealth(
        lambda: health_of(service, connections.refused, settings.version).model_dump_json()
    )
    rules: list[Any] = [
        url(prefix + "health", HealthHandler, {"health": health}),
        url(prefix + "metrics", MetricsHandler, metrics),
        url("/metrics", MetricsHandler, metrics),
        url(prefix + "oauth_callback", OAuthCallback, {"hub_auth": hub_auth}),
        url(
            prefix + r"api/openapi\.json",
            OpenApiHandler,
            {"prefix": settings.prefix, "version": settings.version},
        ),
        url(prefix + _AGENTS_LINK, AgentSocket, {"connections": connections}),
    ]
    rules += [
        url(
            prefix + "api/" + re.sub(r"{(\w+)}", rf"(?P<\1>{PATH_PART})", path),
            RouteHandler,
            {"service": service, "hub_auth": hub_auth, "routes": routes},
        )
        for path, routes in routes_by_path().items()
    ]
    rules += _console_rules(service, hub_auth, settings)
    return ServiceApplication(
        rules,
        default_handler_class=UnknownPathHandler,
        log_function=log_request,
        cookie_secret=settings.cookie_secret,
        xsrf_cookie_kwargs=dict(XSRF_COOKIE_OPTIONS),
        proxies_before_hub=settings.proxies_before_hub,
        unsent=unsent,
        # HubOAuth checks cookies against their _xsrf itself; tornado's would refuse tokens too.
        xsrf_cookies=False,
        **_WEBSOCKETS,
    )


def _console_rules(
    service: ServiceParts, hub_auth: ServiceAuth, settings: WebSettings
) -> list[Any]:
    """Return the rules of the console: its streams, its files, and its page."""
    prefix = re.escape(settings.prefix)
    stream = {
        "service": service,
        "hub_auth": hub_auth,
        "feed": CardFeed(service.ledger, service.views),
        "marks": Marks(),
        "places": StreamPlaces(settings.most_connections),
    }
    past = {"service": service, "hub_auth": hub_auth, "previews": past_previews(service)}
    place = ConsoleSettings(
        settings.prefix, settings.hub_prefix, settings.subdomain_host, settings.version
    )
    page = {
        "service": service,
        "hub_auth": hub_auth,
        "bundle": settings.console,
        "settings": place,
    }
    return [
        url(f"{prefix}api/{CHANGES_ROUTE.path}", ChangesHandler, stream),
        url(f"{prefix}api/{PAST_PREVIEW_ROUTE.path}", PastPreviewHandler, past),
        url(prefix + FILE_PATH, ConsoleFileHandler, {"bundle": settings.console}),
        url(prefix + VIEW_PATH, ConsoleHandler, page),
        url(prefix.removesuffix("/"), ConsoleDoorHandler, {"prefix": settings.prefix}),
    ]
