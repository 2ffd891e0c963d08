"""The one table of routes: below ``{prefix}api/``."""

from sublet_hub.api.admin_routes import ADMIN_ROUTES
from sublet_hub.api.hub_routes import HUB_ROUTES
from sublet_hub.api.job_routes import JOB_ROUTES
from sublet_hub.api.owner_routes import OWNER_ROUTES
from sublet_hub.api.routes import Route

ROUTES: tuple[Route, ...] = (*HUB_ROUTES, *OWNER_ROUTES, *JOB_ROUTES, *ADMIN_ROUTES)


def routes_by_path() -> dict[str, tuple[Route, ...]]:
    """The routes of each path; tornado has one handler a path."""
    found: dict[str, tuple[Route, ...]] = {}
    for route in ROUTES:
        found[route.path] = (*found.get(route.path, ()), route)
    return found
