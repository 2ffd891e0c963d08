"""For admins: end one user's notebook server, or send one job back to the queue.

Owners are told with their share, by whom and why.
"""

from sublet_quota.names.ids import UserName
from sublet_quota.wire.announcements import ShownAnnouncement
from sublet_quota.wire.evictions import EvictionInfo, EvictionRequest

from sublet_hub.ledger.evictions import Eviction
from sublet_hub.ledger.records import JobRecord
from sublet_hub.slices.evictions import SHOWN_FOR
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.roles import READERS
from sublet_hub.web.routes.route import Access, Call, Route


def shown_eviction(made: Eviction, told: str) -> ShownAnnouncement:
    """Return what an owner is told of an eviction, as admins' announcements are."""
    return ShownAnnouncement(
        announcement_id=made.eviction_id,
        text=told,
        made_at=made.asked_at,
        until=made.due_at + SHOWN_FOR,
    )


async def _list(service: ServiceParts, call: Call) -> tuple[EvictionInfo, ...]:
    del call
    return tuple(_info(each) for each in service.evictions.all())


async def _evict(service: ServiceParts, call: Call) -> EvictionInfo:
    asked, admin = call.body_as(EvictionRequest), call.user.name
    found = service.evictions.find(asked.what)
    if not isinstance(found, JobRecord):
        return _info(await service.evictions.stop_server(found, asked, admin))
    service.cancellation.check(found)
    made = service.evictions.end_job(found, asked, admin)
    if asked.cancel:
        service.cancellation.cancel(found, UserName(admin), asked.reason)
    return _info(made)


def _info(made: Eviction) -> EvictionInfo:
    return EvictionInfo.model_validate(made, from_attributes=True)


EVICTION_ROUTES = (
    Route(
        "GET",
        "evictions",
        Access.ADMIN,
        "The servers and jobs that admins end, or have ended in the last day, the newest first",
        _list,
        tuple[EvictionInfo, ...],
        also=READERS,
    ),
    Route(
        "POST",
        "evictions",
        Access.ADMIN,
        "Have a server stopped after a grace, send a job back to the queue, or cancel it",
        _evict,
        EvictionInfo,
        body=EvictionRequest,
        status=201,
        refusals=(400, 404, 409),
        asks_hub_anew=True,
    ),
)
