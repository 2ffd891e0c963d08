"""How callers are shown things: by their names and groups."""

from sublet_quota.names.ids import UserName

from sublet_hub.security.authentication import Caller
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.views.slices import Viewer


def groups_of(service: ServiceParts, caller: Caller) -> tuple[str, ...]:
    """Return the caller's groups: as the hub says, else as they were when their server started."""
    if caller.groups is not None:
        return caller.groups
    account = service.accounts.find(UserName(caller.name))
    return () if account is None else account.groups


def viewer_of(service: ServiceParts, caller: Caller) -> Viewer:
    """Return how this caller is shown things."""
    return Viewer(caller.name, caller.sees_all, frozenset(groups_of(service, caller)))
