"""The authentication of this service: JupyterHub's own, with the options that Sublet sets.

Cookies are not sent along from other sites, and last for a day. A token counts in its header
alone: a page cannot make a browser send that, and no log or history holds it.
"""

from typing import Any, Final

from sublet_quota.names import scopes

from sublet_hub.security.authentication import ServiceAuth

COOKIE_OPTIONS: Final[dict[str, Any]] = {"samesite": "Lax", "expires_days": 1}
"""The options of the cookie that holds a browser's token; ``Secure`` is added over https."""
XSRF_COOKIE_OPTIONS: Final[dict[str, Any]] = {"samesite": "Lax"}


def make_service_auth(
    api_url: str, token: str, base_url: str, hub_prefix: str = "/hub/"
) -> ServiceAuth:
    """Return what asks the hub at ``api_url`` who callers are, with the service's own token."""
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
    )
