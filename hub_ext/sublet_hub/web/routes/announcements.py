"""For admins: tell owners something, see what is told, and take it back.

Owners are told with their share, and hear of what is meant for them alone.
"""

from sublet_quota.wire.announcements import (
    AnnouncementInfo,
    AnnouncementRequest,
    Audience,
    MadeAnnouncement,
    ShownAnnouncement,
    WithdrawalRequest,
)
from sublet_quota.wire.deliveries import DeliveriesInfo

from sublet_hub.ledger.announcements import Announcement
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.roles import READERS
from sublet_hub.web.routes.route import Access, Call, Route


def shown_announcement(made: Announcement) -> ShownAnnouncement:
    """Return an announcement as owners are told of it: without the admin's name."""
    return ShownAnnouncement(
        announcement_id=made.announcement_id,
        text=made.text,
        made_at=made.made_at,
        until=made.until,
    )


async def _list(service: ServiceParts, call: Call) -> tuple[AnnouncementInfo, ...]:
    del call
    return tuple(_info(each) for each in service.announcements.live())


async def _deliveries(service: ServiceParts, call: Call) -> DeliveriesInfo:
    del call
    return service.outbox.told()


async def _make(service: ServiceParts, call: Call) -> MadeAnnouncement:
    asked = call.body_as(AnnouncementRequest)
    made = service.announcements.make(asked, call.user.name)
    warning = await service.hub_names.unknown(
        user=asked.name if asked.audience is Audience.OWNER else None,
        group=_hub_group(service, asked),
    )
    return MadeAnnouncement(**_info(made).model_dump(), warning=warning)


async def _withdraw(service: ServiceParts, call: Call) -> AnnouncementInfo:
    asked = call.body_as(WithdrawalRequest)
    return _info(service.announcements.withdraw(asked.announcement_id, call.user.name))


def _hub_group(service: ServiceParts, asked: AnnouncementRequest) -> str | None:
    """Return the group of JupyterHub's that is meant; ``None``: none, or one of the document."""
    if asked.audience is not Audience.GROUP or asked.name is None:
        return None
    return None if service.announcements.has_group(asked.name) else asked.name


def _info(made: Announcement) -> AnnouncementInfo:
    return AnnouncementInfo.model_validate(made, from_attributes=True)


ANNOUNCEMENT_ROUTES = (
    Route(
        "GET",
        "announcements",
        Access.ADMIN,
        "What admins tell owners now, the newest first",
        _list,
        tuple[AnnouncementInfo, ...],
        also=READERS,
    ),
    Route(
        "GET",
        "deliveries",
        Access.ADMIN,
        "What became of the notices that go out by mail and webhook, where that is set",
        _deliveries,
        DeliveriesInfo,
        also=READERS,
    ),
    Route(
        "POST",
        "announcements",
        Access.ADMIN,
        "Tell an owner, a group, whoever has a slice on a node or a card, or all something",
        _make,
        MadeAnnouncement,
        body=AnnouncementRequest,
        status=201,
        refusals=(400, 404, 409),
        asks_hub_anew=True,
    ),
    Route(
        "POST",
        "announcements/withdraw",
        Access.ADMIN,
        "Take back what was told; the answer is what that was",
        _withdraw,
        AnnouncementInfo,
        body=WithdrawalRequest,
        refusals=(400, 404),
        asks_hub_anew=True,
    ),
)
