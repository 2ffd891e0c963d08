"""The authentication of this service: JupyterHub's own, with the options that Sublet sets.

Cookies are not sent along from other sites, and last for a day. A token counts in its header
alone: a page cannot make a browser send that, and no log or history holds it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from jupyterhub.utils import (  # type: ignore[import-untyped]
    subdomain_hook_idna,
    subdomain_hook_legacy,
)
from sublet_quota.names import scopes

from sublet_hub.security.authentication import ServiceAuth

COOKIE_OPTIONS: Final[dict[str, Any]] = {"samesite": "Lax", "expires_days": 1}
"""The options of the cookie that holds a browser's token; ``Secure`` is added over https."""
SubdomainHook = Callable[..., str]
"""Makes the name of an origin of (name, domain, kind), as ``JupyterHub.subdomain_hook`` does."""
_HOOKS: Final[dict[str, SubdomainHook]] = {
    "idna": subdomain_hook_idna,
    "legacy": subdomain_hook_legacy,
}
XSRF_COOKIE_OPTIONS: Final[dict[str, Any]] = {"samesite": "Lax"}


@dataclass(frozen=True, slots=True)
class Subdomains:
    """JupyterHub's settings by which users and services have origins of their own."""

    host: str
    """The hub's address for browsers."""
    hook: SubdomainHook = subdomain_hook_idna


def make_service_auth(
    api_url: str,
    token: str,
    base_url: str,
    hub_prefix: str = "/hub/",
    subdomains: Subdomains | None = None,
) -> ServiceAuth:
    """Return what asks the hub at ``api_url`` who callers are, with the service's own token.

    ``subdomains``: by which names browsers know hub and service; ``None``: they share one.
    """
    apart = {} if subdomains is None else _apart_from_hub(subdomains, base_url)
    return ServiceAuth(
        api_url=api_url,
        api_token=token,
        base_url=base_url,
        hub_prefix=hub_prefix,
        oauth_client_id=f"service-{scopes.SERVICE_NAME}",
        access_scopes={f"access:services!service={scopes.SERVICE_NAME}"},
        allow_token_in_url=False,
        allow_websocket_cookie_auth=False,
        cookie_options=dict(COOKIE_OPTIONS),
        **apart,
    )


def hook_named(hook: str | SubdomainHook) -> SubdomainHook:
    """Return what makes names as JupyterHub's setting says it. ``ValueError``: there is none."""
    if callable(hook):
        return hook
    if hook not in _HOOKS:
        message = f"subdomain_hook is {hook!r}: say 'idna', 'legacy', or give a function"
        raise ValueError(message)
    return _HOOKS[hook]


def _apart_from_hub(subdomains: Subdomains, base_url: str) -> dict[str, str]:
    """Return where browsers find the hub, and this service by the name that the hub gives it."""
    hub = urlsplit(subdomains.host)
    name = subdomains.hook(scopes.SERVICE_NAME, hub.hostname or "", kind="service")
    port = f":{hub.port}" if hub.port else ""
    return {
        "hub_host": f"{hub.scheme}://{hub.netloc}",
        "oauth_redirect_uri": f"{hub.scheme}://{name}{port}{base_url}oauth_callback",
    }
