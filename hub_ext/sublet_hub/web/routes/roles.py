"""Who a caller is to Sublet, and which groups of the quota document are theirs to see and to set.

The document in force says it, together with the caller's scopes: what is theirs is looked up at
each request, and kept nowhere.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from sublet_quota.document.administered.groups import (
    administered,
    are_administered,
    with_all_below,
)
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.refusal import quoted
from sublet_quota.wire.roles import RoleInfo

from sublet_hub.errors import NotAllowedError, NotFoundError, QuotaNotTheirsError
from sublet_hub.security.authentication import Caller
from sublet_hub.security.fetch_metadata import READING
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.route import Access, Call, Nature, Parameter, Role, Route
from sublet_hub.web.routes.viewers import viewer_of
from sublet_hub.web.views.slices import Viewer

READERS: Final = frozenset({Role.READER})
READERS_AND_GROUPS: Final = frozenset({Role.READER, Role.GROUP_ADMIN})
GROUPS: Final = frozenset({Role.GROUP_ADMIN})
GROUP: Final = Parameter(
    "group",
    Nature.TEXT,
    "Of a group of the quota document, with all below it: what these pay (its admins, and who may "
    "see all).",
)


def own_groups(service: ServiceParts, caller: Caller) -> tuple[GroupName, ...]:
    """Return the groups that a caller administers, of one below another only this other."""
    return administered(service.quota.document, caller.claims)


def role_of(service: ServiceParts, caller: Caller) -> Role:
    """Return the most that a caller is."""
    if caller.is_admin:
        return Role.ADMIN
    if caller.sees_all:
        return Role.READER
    return Role.GROUP_ADMIN if own_groups(service, caller) else Role.USER


def may_call(service: ServiceParts, route: Route, caller: Caller) -> bool:
    """Whether a route for admins is for this caller, too."""
    if caller.is_admin:
        return True
    if Role.READER in route.also and caller.sees_all:
        return True
    return Role.GROUP_ADMIN in route.also and bool(own_groups(service, caller))


def groups_asked_for(service: ServiceParts, call: Call) -> frozenset[GroupName] | None:
    """Return the groups of which is asked, that of ``?group=`` and all below; ``None``: of none.

    ``NotAllowedError`` for one that is not the caller's to see; ``NotFoundError`` for one that
    there is not, if they may see all.
    """
    asked = call.text(GROUP.name)
    if asked is None:
        return None
    document = service.quota.document
    seen = with_all_below(document, own_groups(service, call.user))
    if not call.user.sees_all and asked not in seen:
        message = f"you are no admin of a group {quoted(asked)}"
        raise NotAllowedError(message)
    found = with_all_below(document, (asked,))
    if not found:
        message = f"the quota document has no group {quoted(asked)}"
        raise NotFoundError(message)
    return found


def groups_of_part(service: ServiceParts, call: Call) -> tuple[GroupName, ...] | None:
    """Return the groups of which a part is sent, none below another; ``None``: all there is."""
    asked = call.text(GROUP.name)
    if asked is not None and groups_asked_for(service, call):
        return (GroupName(asked),)
    return None if call.user.sees_all else own_groups(service, call.user)


def refuse_if_lost(service: ServiceParts, caller: Caller, groups: Iterable[GroupName]) -> None:
    """Raise ``QuotaNotTheirsError`` where a caller administers some groups no more.

    Asked after each wait: the document may have become another meanwhile.
    """
    if not caller.sees_all and not are_administered(service.quota.document, caller.claims, groups):
        message = (
            "the quota document was changed just now, and you are no admin of all that any more"
        )
        raise QuotaNotTheirsError(message)


async def answer_of(service: ServiceParts, route: Route, call: Call) -> Any:
    """Return what a route answers; of groups only what is the caller's to see when it is told.

    ``QuotaNotTheirsError`` where another document took the groups from them meanwhile: routes wait
    for turns, threads and the database.
    """
    before = service.quota.document
    answer = await route.operation(service, call)
    caller = call.caller
    if caller and route.method in READING and service.quota.document is not before:
        own = administered(before, caller.claims)
        refuse_if_lost(service, caller, _groups_told(before, own, route, call))
    return answer


def _groups_told(
    document: QuotaDocument, own: tuple[GroupName, ...], route: Route, call: Call
) -> tuple[GroupName, ...]:
    """Return the groups of which an answer tells the admin of some."""
    asked = call.text(GROUP.name)
    if asked is None:
        return own if route.access is Access.ADMIN else ()
    return (GroupName(asked),) if asked in with_all_below(document, own) else ()


def group_viewer(service: ServiceParts, caller: Caller) -> Viewer:
    """Return how a caller is shown the things of groups: by name what their own groups pay."""
    seen = with_all_below(service.quota.document, own_groups(service, caller))
    return replace(viewer_of(service, caller), sees_groups=seen)


async def _role(service: ServiceParts, call: Call) -> RoleInfo:
    groups = own_groups(service, call.user)
    return RoleInfo(
        role=role_of(service, call.user).value,
        groups=groups,
        all_groups=tuple(sorted(with_all_below(service.quota.document, groups))),
    )


ROLE_ROUTES: Final = (
    Route(
        "GET",
        "role",
        Access.USER,
        "Who I am here: an admin, who sees all, an admin of groups, or a user; and of which groups",
        _role,
        RoleInfo,
    ),
)
