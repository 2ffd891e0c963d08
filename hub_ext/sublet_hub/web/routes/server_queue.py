"""Who waits in line for a slice: of anybody for the hub and admins, to each user their own.

A server is named in the query, as the default one has no name: ``?server=``, left out for it.
"""

from sublet_quota.names import scopes
from sublet_quota.names.ids import UserName
from sublet_quota.wire.api import TOTAL
from sublet_quota.wire.server_queue import QueueWait

from sublet_hub.errors import BadRequestError, NotAllowedError, NotFoundError
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.owner import OWNER, refuse_nobody
from sublet_hub.web.routes.route import Access, Call, Counted, Nature, Parameter, Route
from sublet_hub.web.views.server_queue import wait_body, wait_of_entry

_SERVER = Parameter("server", Nature.TEXT, "The server's name; the default one, if left out.")
_OF_WHOM = Parameter("owner", Nature.TEXT, "The user.", required=True)


async def _waits(service: ServiceParts, owner: UserName | None) -> tuple[QueueWait, ...]:
    line = service.line
    due = [
        await wait_of_entry(line, each)
        for each in tuple(line.entries.values())
        if each.slice_id is not None and (owner is None or each.owner == owner)
    ]
    found = await line.standings.of(owner)
    return (*due, *(wait_body(line, each) for each in found))


async def _hub_list(service: ServiceParts, call: Call) -> tuple[QueueWait, ...]:
    return await _waits(service, _asked_owner(call))


async def _hub_leave(service: ServiceParts, call: Call) -> None:
    owner = _asked_owner(call)
    service.line.leave((owner, call.text("server") or ""), owner)


async def _list(service: ServiceParts, call: Call) -> Counted:
    owner: UserName | None = None
    if not call.number("all", default=0, most=1):
        owner = call.owner(scopes.READ)
    elif not call.user.sees_all:
        message = "only admins see all who wait: leave ?all= out"
        raise NotAllowedError(message)
    async with service.limits.lists.of_caller(call.user.key):
        found = await _waits(service, owner)
    if not found:
        await refuse_nobody(service, call, owner)
    entries = service.line.entries.values()
    total = sum(owner is None or each.owner == owner for each in entries)
    return Counted(found, max(total, len(found)))


async def _leave(service: ServiceParts, call: Call) -> None:
    caller = call.user
    owner, server = UserName(call.text("owner") or caller.name), call.text("server") or ""
    # What waits has no token of its own yet: as for jobs, any server of its owner's will do.
    if not (caller.is_admin or caller.may(scopes.JOBS, owner)):
        message = f"there is no server '{owner}/{server}' of yours in line"
        raise NotFoundError(message)
    service.line.leave((owner, server), caller.name)


def _asked_owner(call: Call) -> UserName:
    owner = call.text("owner")
    if not owner:
        message = "?owner= is missing: whose place in line?"
        raise BadRequestError(message)
    return UserName(owner)


QUEUE_ROUTES = (
    Route(
        "GET",
        "hub/queue",
        Access.HUB,
        "A user's servers that wait in line",
        _hub_list,
        tuple[QueueWait, ...],
        parameters=(_OF_WHOM,),
        refusals=(400,),
    ),
    Route(
        "DELETE",
        "hub/queue",
        Access.HUB,
        "A user's server leaves the line",
        _hub_leave,
        None,
        status=204,
        parameters=(_OF_WHOM, _SERVER),
        refusals=(400, 404),
    ),
    Route(
        "GET",
        "queue",
        Access.USER,
        "My servers that wait in line for a slice; all for admins",
        _list,
        tuple[QueueWait, ...],
        parameters=(
            OWNER,
            Parameter(
                "all",
                Nature.NUMBER,
                f"1 for all who wait, in their order (admins): the first 500, of {TOTAL}.",
            ),
        ),
        refusals=(400, 404),
    ),
    Route(
        "DELETE",
        "queue",
        Access.USER,
        "Take a server of mine out of the line",
        _leave,
        None,
        status=204,
        parameters=(OWNER, _SERVER),
        refusals=(400, 404),
    ),
)
