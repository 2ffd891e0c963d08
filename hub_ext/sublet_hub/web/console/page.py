"""The console's page, and its files.

The page is for a window alone: no script fetches it, none frames it. It holds nothing secret, only
who looks at it; ``_xsrf`` is in the cookie that JupyterHub sets for this path.
"""

import json
import secrets
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import urlsplit

from sublet_quota.names.ids import GroupName
from sublet_quota.wire.api import Problem
from tornado.web import HTTPError

from sublet_hub.errors import NotAllowedError, NotFoundError
from sublet_hub.security.authentication import Caller, ServiceAuth, caller_of
from sublet_hub.security.fetch_metadata import is_for_a_window
from sublet_hub.web.console.bundle import NOT_BUILT, Bundle
from sublet_hub.web.request_handler import ServiceHandler
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.roles import own_groups

VIEW_PATH: Final = r"(?:view/[a-z-]{1,40}(?:/[A-Za-z0-9._:%-]{1,200})?)?"
"""The paths of the page, below the service's own: one for each view, and perhaps what it shows."""
FILE_PATH: Final = r"static/(?P<name>[A-Za-z0-9._/-]{1,200})"
_LONGEST_ADDRESS: Final = 1000
"""What is kept of who logs in is where they wanted to go."""
_KEPT_FOR_A_YEAR: Final = "public, max-age=31536000, immutable"
_PAGE: Final = """\
<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <meta name="sublet-session" content="{session}" />
    <title>Sublet</title>
    <link rel="icon" href="data:," />
{styles}{scripts}  </head>
  <body>
    <div id="console"></div>
    <noscript>This page needs JavaScript. Without it: the command `sublet`.</noscript>
  </body>
</html>
"""


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """The console's place beside the hub."""

    prefix: str
    hub_prefix: str
    subdomain_host: str
    """The hub's address for browsers where users have origins of their own; empty: they share."""
    version: str


class ConsoleHandler(ServiceHandler):
    """The page: for who is logged in at the hub; others log in first, and come back."""

    def initialize(
        self,
        service: ServiceParts,
        hub_auth: ServiceAuth,
        bundle: Bundle | None,
        settings: ConsoleSettings,
    ) -> None:
        """Take the service, the login, the front end, and where the hub is."""
        self.service = service
        self.hub_auth = hub_auth
        self.bundle = bundle
        self.console = settings
        self.login: str | None = None
        self.viewer: Caller | None = None

    async def let_in(self) -> None:
        """Let in who may see the page; note where who is not logged in goes first."""
        self.allow_methods("GET")
        if len(self.request.uri or "") > _LONGEST_ADDRESS:
            message = "the address is too long"
            raise NotFoundError(message)
        if not is_for_a_window(self.request.headers):
            message = "the console is a page for a window of its own: no script may fetch it"
            raise NotAllowedError(message)
        if self.hub_auth.get_token(self, in_cookie=False):
            message = "the console is for browsers, which log in at the hub: use api/ with a token"
            raise NotAllowedError(message)
        model = await self.hub_auth.get_user(self, sync=False)
        if model is None:
            self.login = self.get_login_url()
            return
        caller = caller_of(model)
        if not caller.may_enter:
            message = f"'{caller.name}' lacks the scope access:services!service=sublet"
            raise NotAllowedError(message)
        self.viewer, self.who = caller, caller.key
        # Else JupyterHub asks once more, with the loop standing still, when it sets a cookie.
        self.current_user = model

    async def answer(self, **_path: str) -> None:
        """Send the page, or to the login."""
        if self.login is not None:
            self.redirect(self.login)
            return
        if self.viewer is None:  # pragma: no cover - let_in has refused already
            raise HTTPError(403)
        if self.bundle is None:
            raise NotFoundError(NOT_BUILT)
        nonce = secrets.token_urlsafe(16)
        self.set_header("Content-Security-Policy", _policy(nonce, self.console))
        # A page that opens this one in a window keeps no hold of it.
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        # JupyterHub's cookie for changes: set here where the browser has none that is good.
        _ = self.xsrf_token
        groups = () if self.viewer.sees_all else own_groups(self.service, self.viewer)
        self.finish(_page(self.viewer, groups, self.bundle, (self.console, nonce)))

    def tell_problem(self, problem: Problem) -> None:
        """Say to a person, in a window, why there is no page."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(problem.message)


class ConsoleDoorHandler(ServiceHandler):
    """The service's own address without the slash at its end, as people type it."""

    def initialize(self, prefix: str) -> None:
        """Take the service's own path, with a slash at its end."""
        self.prefix = prefix

    async def let_in(self) -> None:
        """Let everybody in: where the page is, is no secret."""
        self.allow_methods("GET")

    async def answer(self, **_path: str) -> None:
        """Lead to the page; to nowhere that the request says."""
        self.redirect(self.prefix)


class ConsoleFileHandler(ServiceHandler):
    """The files of the page: the same for everybody, so no one logs in for them."""

    def initialize(self, bundle: Bundle | None) -> None:
        """Take the front end."""
        self.bundle = bundle

    async def let_in(self) -> None:
        """Let everybody in."""
        self.allow_methods("GET")

    async def answer(self, name: str = "", **_path: str) -> None:
        """Send a file, which never changes under its name."""
        found = None if self.bundle is None else self.bundle.files.get(name)
        if found is None:
            message = f"the console has no file {name}"
            raise NotFoundError(message)
        self.set_header("Content-Type", found.content_type)
        self.set_header("Cache-Control", _KEPT_FOR_A_YEAR)
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Vary", "Accept-Encoding")
        if "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            self.finish(found.gzipped)
        else:
            self.finish(found.plain)


def _policy(nonce: str, settings: ConsoleSettings) -> str:
    """Return what the page may do: run its own files, ask its own origin, show the hub's logo."""
    hub = _origin_of(settings.subdomain_host) or "'self'"
    return "; ".join(
        (
            "default-src 'none'",
            # Not 'self': where users share the hub's origin, that is every tenant's files.
            f"script-src 'nonce-{nonce}' 'strict-dynamic'",
            f"style-src 'nonce-{nonce}'",
            f"img-src {hub} data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _origin_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _page(
    viewer: Caller,
    groups: tuple[GroupName, ...],
    bundle: Bundle,
    place: tuple[ConsoleSettings, str],
) -> str:
    """Return the page; ``groups``: those that the viewer administers, of whom sees not all."""
    settings, nonce = place
    session = {
        "name": viewer.name,
        "admin": viewer.is_admin,
        "sees_all": viewer.sees_all,
        "groups": groups,
        "prefix": settings.prefix,
        "hub": _origin_of(settings.subdomain_host) + settings.hub_prefix,
        "own_origins": bool(settings.subdomain_host),
        "version": settings.version,
    }
    files = escape(f"{settings.prefix}static/")
    styles = "".join(
        f'    <link rel="stylesheet" nonce="{nonce}" href="{files}{escape(name)}" />\n'
        for name in bundle.styles
    )
    scripts = "".join(
        f'    <script type="module" nonce="{nonce}" src="{files}{escape(name)}"></script>\n'
        for name in bundle.scripts
    )
    return _PAGE.format(session=escape(json.dumps(session)), styles=styles, scripts=scripts)
