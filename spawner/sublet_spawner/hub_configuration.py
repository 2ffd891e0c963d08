"""The part of a JupyterHub configuration that Sublet needs, on JupyterHub 5.3 and later.

``configure`` adds to what is there already and replaces nothing of the admin's: call it at the end
of ``jupyterhub_config.py``. Rights are the least that the parts need, by the names in
``sublet_quota.names.scopes``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import jupyterhub  # type: ignore[import-untyped]
from sublet_quota.names import scopes
from traitlets.config import Config
from traitlets.config.loader import LazyConfigValue
from traitlets.log import get_logger

from sublet_spawner.service_client import read_token

ACCESS_SERVICE: Final = f"access:services!service={scopes.SERVICE_NAME}"

USER_SCOPES: Final = (
    ACCESS_SERVICE,
    f"{scopes.READ}!user",
    f"{scopes.ACTIVITY}!user",
    f"{scopes.JOBS}!user",
    f"{scopes.QUOTA}!user",
)
"""The scopes of each user for their own things; `QUOTA` for the groups whose admins they are by the
quota document: a notebook server's token has it not.
"""

SERVER_TOKEN_SCOPES: Final = (
    "users:activity!user",
    "access:servers!server",
    ACCESS_SERVICE,
    f"{scopes.READ}!user",
    f"{scopes.ACTIVITY}!server",
    f"{scopes.JOBS}!user",
)
"""The scopes of a notebook server's own token. Kernels can read that token, so no more than this.
"""

SERVICE_SCOPES: Final = (
    "list:users",
    "read:users:groups",
    "list:groups",
    "servers",
)
"""The scopes of the service: it lists users with their groups and servers, to see which slices
still have one, and the names of groups, to warn of what the quota document names and the hub has
not; it stops a server where an admin evicts it, and starts one that waits in line when its
turn comes. `servers` is all of these, and the only one to start servers by that JupyterHub 5 knows:
a role with a scope that a hub does not know keeps it from starting.
"""

ADMIN_SCOPES: Final = (
    ACCESS_SERVICE,
    scopes.READ,
    scopes.ACTIVITY,
    scopes.JOBS,
    scopes.QUOTA,
    scopes.ADMIN,
)

READER_SCOPES: Final = (ACCESS_SERVICE, scopes.READ)
"""The scopes of who sees all that admins see, and changes nothing."""

ONE_ORIGIN: Final = (
    "Sublet: without JupyterHub.subdomain_host all users' pages share one origin with the hub: a "
    "page that one user makes can act as whoever looks at it. Set subdomain_host, with a wildcard "
    "DNS entry and certificate, before others than you log in."
)
"""What is logged where users have no origins of their own."""

_FIRST_WITH_EXTRA_USER_SCOPES: Final = 6


@dataclass(frozen=True, slots=True)
class SubletOnHub:
    """The places of Sublet's parts, as the hub must know them."""

    token_file: Path
    """The service's API token, mode 0600; the service reads the same file, or a copy."""
    service_listens_at: str
    """The address where the hub's proxy reaches the service, such as ``http://127.0.0.1:8901``."""
    service_url: str = "http://127.0.0.1:8000/services/sublet/"
    """The address where notebook servers reach the service: through the proxy."""
    service_api_url: str = ""
    """The address where the hub reaches the service; empty: directly, where it listens."""
    agent_socket: str = "/run/sublet/agent.sock"
    simulated_socket: str = ""
    allow_no_gpu: bool = False
    admin_users: tuple[str, ...] = ()
    """Sublet's admins, beside the hub's ``admin_users`` known when ``configure`` is called."""
    admin_groups: tuple[str, ...] = ()
    reader_users: tuple[str, ...] = ()
    """Who sees all that Sublet's admins see, and changes nothing."""
    reader_groups: tuple[str, ...] = ()


def configure(c: Config, sublet: SubletOnHub, *, hub_major: int | None = None) -> None:
    """Add the service, its scopes and roles, and the spawner's settings to ``c``.

    The spawner class stays the admin's choice: set ``c.JupyterHub.spawner_class`` to
    ``sublet-local`` or ``sublet-simple``. ``hub_major`` is this JupyterHub's major version by
    default. Raises ``TokenFileError`` where the token file is missing or open to others.
    """
    if hub_major is None:
        hub_major = int(jupyterhub.version_info[0])
    _add_service(c, sublet)
    _lead_servers_to_service(c, sublet)
    _recommend_origins(c)
    _update(c.JupyterHub, "custom_scopes", scopes.DESCRIPTIONS)
    _grant_to_users(c, hub_major)
    _grant_to_parts(c, sublet)
    _set_spawner(c, sublet)


def service_prefix(c: Config) -> str:
    """Return the service's path below the hub's base URL, with a slash at both ends."""
    base = str(_get(c.JupyterHub, "base_url", "/")).strip("/")
    return (
        f"/{base}/services/{scopes.SERVICE_NAME}/" if base else f"/services/{scopes.SERVICE_NAME}/"
    )


def _add_service(c: Config, sublet: SubletOnHub) -> None:
    service = {
        "name": scopes.SERVICE_NAME,
        "url": sublet.service_listens_at,
        "api_token": read_token(sublet.token_file),
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": [
            scopes.READ,
            scopes.ACTIVITY,
            scopes.JOBS,
            scopes.QUOTA,
            scopes.ADMIN,
        ],
    }
    others = [
        entry
        for entry in _get(c.JupyterHub, "services", [])
        if entry.get("name") != scopes.SERVICE_NAME
    ]
    c.JupyterHub.services = [*others, service]


def _lead_servers_to_service(c: Config, sublet: SubletOnHub) -> None:
    """Where each user has an origin, lead servers to the service by the name that they ask.

    The hub's proxy goes by names then, and knows the service by the name for browsers alone.
    """
    if _get(c.JupyterHub, "subdomain_host", ""):
        asked = f"{urlsplit(sublet.service_url).hostname}{service_prefix(c)}"
        _update(c.Proxy, "extra_routes", {asked: sublet.service_listens_at})


def _recommend_origins(c: Config) -> None:
    """Say in the hub's log, at each start, what users can do where all share its origin."""
    if not _get(c.JupyterHub, "subdomain_host", ""):
        get_logger().warning(ONE_ORIGIN)


def _grant_to_users(c: Config, hub_major: int) -> None:
    """Add the users' scopes: by JupyterHub 6's setting, before that by role ``user`` defined anew.

    Where the admin has defined the role, JupyterHub 6 ignores its own setting too.
    """
    roles = [dict(role) for role in _get(c.JupyterHub, "load_roles", [])]
    user_role = next((role for role in roles if role.get("name") == "user"), None)
    if user_role is None and hub_major >= _FIRST_WITH_EXTRA_USER_SCOPES:
        extra = set(_get(c.JupyterHub, "extra_user_scopes", set()))
        c.JupyterHub.extra_user_scopes = extra | set(USER_SCOPES)
        return
    if user_role is None:
        user_role = {"name": "user", "scopes": ["self"]}
        roles.append(user_role)
    user_role["scopes"] = _joined(user_role.get("scopes", ["self"]), USER_SCOPES)
    c.JupyterHub.load_roles = roles


def _grant_to_parts(c: Config, sublet: SubletOnHub) -> None:
    admins = {*sublet.admin_users, *(_get(c.Authenticator, "admin_users", set()))}
    own = [
        {
            "name": "sublet-service",
            "description": "What Sublet's service reads from the hub; it stops servers for admins",
            "scopes": list(SERVICE_SCOPES),
            "services": [scopes.SERVICE_NAME],
        },
        {
            "name": "sublet-admin",
            "description": "Sees every GPU, slice and job, and switches lending",
            "scopes": list(ADMIN_SCOPES),
            "users": sorted(admins),
            "groups": list(sublet.admin_groups),
        },
        {
            "name": "sublet-reader",
            "description": "Sees all that Sublet's admins see, and changes nothing",
            "scopes": list(READER_SCOPES),
            "users": sorted(sublet.reader_users),
            "groups": list(sublet.reader_groups),
        },
    ]
    names = {role["name"] for role in own}
    others = [
        role for role in _get(c.JupyterHub, "load_roles", []) if role.get("name") not in names
    ]
    c.JupyterHub.load_roles = [*others, *own]


def _set_spawner(c: Config, sublet: SubletOnHub) -> None:
    wanted = _get(c.Spawner, "server_token_scopes", [])
    if callable(wanted):
        message = (
            "c.Spawner.server_token_scopes is a function: add "
            "sublet_spawner.hub_configuration.SERVER_TOKEN_SCOPES to what it returns, and set it "
            "after configure()"
        )
        raise TypeError(message)
    c.Spawner.server_token_scopes = _joined(wanted, SERVER_TOKEN_SCOPES)
    api_url = sublet.service_api_url
    if not api_url:
        parts = urlsplit(sublet.service_listens_at)
        api_url = f"{parts.scheme}://{parts.netloc}{service_prefix(c)}"
    spawner = c.SliceSpawnerMixin
    spawner.service_url = sublet.service_url
    spawner.service_api_url = api_url
    spawner.service_token_file = str(sublet.token_file)
    spawner.agent_socket = sublet.agent_socket
    spawner.simulated_socket = sublet.simulated_socket
    spawner.allow_no_gpu = sublet.allow_no_gpu


def _get(section: Any, name: str, empty: Any) -> Any:
    """Return a setting without creating it, also one that was only added to (``.append``)."""
    value = section.get(name, empty)
    return value.get_value(empty) if isinstance(value, LazyConfigValue) else value


def _update(section: Any, name: str, entries: dict[str, Any]) -> None:
    section[name] = {**(_get(section, name, {})), **entries}


def _joined(present: Any, more: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys((*present, *more)))
