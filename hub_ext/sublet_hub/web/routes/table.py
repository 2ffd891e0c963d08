"""The one table of routes: below ``{prefix}api/``."""

from sublet_hub.web.routes.admin import ADMIN_ROUTES
from sublet_hub.web.routes.announcements import ANNOUNCEMENT_ROUTES
from sublet_hub.web.routes.budgets import BUDGET_ROUTES
from sublet_hub.web.routes.evictions import EVICTION_ROUTES
from sublet_hub.web.routes.history import HISTORY_ROUTES
from sublet_hub.web.routes.jobs import JOB_ROUTES
from sublet_hub.web.routes.owner import OWNER_ROUTES
from sublet_hub.web.routes.quota import QUOTA_ROUTES
from sublet_hub.web.routes.quota_revisions import QUOTA_REVISION_ROUTES
from sublet_hub.web.routes.refusals import REFUSAL_ROUTES
from sublet_hub.web.routes.roles import ROLE_ROUTES
from sublet_hub.web.routes.route import Route
from sublet_hub.web.routes.server_queue import QUEUE_ROUTES
from sublet_hub.web.routes.spawner import HUB_ROUTES
from sublet_hub.web.routes.use import USE_ROUTES
from sublet_hub.web.routes.waits import WAIT_ROUTES
from sublet_hub.web.routes.week_report import WEEK_REPORT_ROUTES

ROUTES: tuple[Route, ...] = (
    *HUB_ROUTES,
    *ROLE_ROUTES,
    *OWNER_ROUTES,
    *QUEUE_ROUTES,
    *WAIT_ROUTES,
    *JOB_ROUTES,
    *REFUSAL_ROUTES,
    *ADMIN_ROUTES,
    *USE_ROUTES,
    *WEEK_REPORT_ROUTES,
    *ANNOUNCEMENT_ROUTES,
    *EVICTION_ROUTES,
    *QUOTA_ROUTES,
    *QUOTA_REVISION_ROUTES,
    *BUDGET_ROUTES,
    *HISTORY_ROUTES,
)


def routes_by_path() -> dict[str, tuple[Route, ...]]:
    """Return the routes of each path; tornado has one handler a path."""
    found: dict[str, tuple[Route, ...]] = {}
    for route in ROUTES:
        found[route.path] = (*found.get(route.path, ()), route)
    return found
