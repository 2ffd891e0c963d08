"""Who waits for whom, and who has whose room: of all for admins, to each user their own."""

from sublet_quota.names import scopes
from sublet_quota.names.ids import UserName
from sublet_quota.wire.waits import WaitsReport

from sublet_hub.errors import NotAllowedError
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.owner import OWNER, refuse_nobody
from sublet_hub.web.routes.roles import GROUP, group_viewer, groups_asked_for
from sublet_hub.web.routes.route import Access, Call, Nature, Parameter, Route
from sublet_hub.web.routes.viewers import viewer_of


async def _waits(service: ServiceParts, call: Call) -> WaitsReport | bytes:
    if call.number("all", default=0, most=1):
        if not call.user.sees_all:
            message = "only admins see all who wait: leave ?all= out"
            raise NotAllowedError(message)
        async with service.limits.lists.of_caller(call.user.key):
            return await service.waits.of_all()
    groups = groups_asked_for(service, call)
    if groups is not None:
        async with service.limits.lists.of_caller(call.user.key):
            return await service.waits.of_groups(groups, group_viewer(service, call.user))
    owner: UserName = call.owner(scopes.READ)
    async with service.limits.lists.of_caller(call.user.key):
        found = await service.waits.of(owner, viewer_of(service, call.user))
    if not (found.waiting or found.loans):
        await refuse_nobody(service, call, owner)
    return found


WAIT_ROUTES = (
    Route(
        "GET",
        "waits",
        Access.USER,
        "What of mine waits, why and for whom, and what I borrow and lend; of all for admins",
        _waits,
        WaitsReport,
        parameters=(
            OWNER,
            GROUP,
            Parameter("all", Nature.NUMBER, "1 for everybody's (admins)."),
        ),
        refusals=(400, 404),
    ),
)
