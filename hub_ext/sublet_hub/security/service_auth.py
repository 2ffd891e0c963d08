"""The authentication of this service: JupyterHub's own, with the options that Sublet sets.

Cookies are not sent along from other sites, and last for a day. A token counts in its header
alone: a page cannot make a browser send that, and no log or history holds it.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from jupyterhub.utils import subdomain_hook_idna  # type: ignore[import-untyped]
from sublet_quota.names import scopes

from sublet_hub.security.authentication import ServiceAuth

COOKIE_OPTIONS: Final[dict[str, Any]] = {"samesite": "Lax", "expires_days": 1}
"""The options of the cookie that holds a browser's token; ``Secure`` is added over https."""
XSRF_COOKIE_OPTIONS: Final[dict[str, Any]] = {"samesite": "Lax"}


def make_service_auth(
    api_url: str,
    token: str,
    base_url: str,
    hub_prefix: str = "/hub/",
    subdomain_host: str = "",
) -> ServiceAuth:
    """Return what asks the hub at ``api_url`` who callers are, with the service's own token.

    ``subdomain_host``: as JupyterHub has it; browsers then know hub and service by other names.
    """
    apart = _apart_from_hub(subdomain_host, base_url) if subdomain_host else {}
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


def _apart_from_hub(subdomain_host: str, base_url: str) -> dict[str, str]:
    """Return where browsers find the hub, and this service by the name that the hub gives it."""
    hub = urlsplit(subdomain_host)
    name = subdomain_hook_idna(scopes.SERVICE_NAME, hub.hostname, kind="service")
    port = f":{hub.port}" if hub.port else ""
    return {
        "hub_host": f"{hub.scheme}://{hub.netloc}",
        "oauth_redirect_uri": f"{hub.scheme}://{name}{port}{base_url}oauth_callback",
    }
