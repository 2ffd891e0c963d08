"""For admins: tell owners something, see what is told, and take it back; of groups within theirs.

Owners are told with their share, and hear of what is meant for them alone.
"""

from contextlib import suppress

from sublet_quota.names.ids import UserName
from sublet_quota.wire.announcements import (
    AnnouncementInfo,
    AnnouncementRequest,
    Audience,
    MadeAnnouncement,
    ShownAnnouncement,
    WithdrawalRequest,
)
from sublet_quota.wire.deliveries import DeliveriesInfo

from sublet_hub.errors import HubUnreachableError, NotAllowedError, NotFoundError
from sublet_hub.ledger.announcements import Announcement
from sublet_hub.slices.announcements import no_announcement
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.roles import GROUPS, READERS, READERS_AND_GROUPS, own_groups
from sublet_hub.web.routes.route import Access, Call, Route


def shown_announcement(made: Announcement) -> ShownAnnouncement:
    """Return an announcement as owners are told of it: of an admin of all without the name."""
    return ShownAnnouncement(
        announcement_id=made.announcement_id,
        text=made.told,
        made_at=made.made_at,
        until=made.until,
    )


async def _list(service: ServiceParts, call: Call) -> tuple[AnnouncementInfo, ...]:
    if call.user.sees_all:
        return tuple(map(_info, service.announcements.live()))
    return tuple(map(_info, service.announcements.of_groups(own_groups(service, call.user))))


async def _deliveries(service: ServiceParts, call: Call) -> DeliveriesInfo:
    del call
    return service.outbox.told()


async def _make(service: ServiceParts, call: Call) -> MadeAnnouncement:
    asked = call.body_as(AnnouncementRequest)
    if not call.user.is_admin:
        return await _made_within(service, call, asked)
    made = service.announcements.make(asked, call.user.name)
    warning = await service.hub_names.unknown(
        user=asked.name if asked.audience is Audience.OWNER else None,
        group=_hub_group(service, asked),
    )
    return MadeAnnouncement(**_info(made).model_dump(), warning=warning)


async def _made_within(
    service: ServiceParts, call: Call, asked: AnnouncementRequest
) -> MadeAnnouncement:
    """Tell something to who is within a caller's groups, and refuse all else in the same words."""
    hub_groups: tuple[str, ...] = ()
    if asked.audience is Audience.OWNER:
        with suppress(NotFoundError, HubUnreachableError):
            hub_groups = await service.users.groups_of(UserName(asked.name or "")) or ()
    # What is theirs is asked after the wait.
    groups = own_groups(service, call.user)
    within = service.announcements.covering(asked, groups, hub_groups)
    if not within:
        message = (
            "you may tell something to a group that you administer, or to one below it, and to a "
            "user whose groups are all among these: to nobody else"
        )
        raise NotAllowedError(message)
    made = service.announcements.make(asked, call.user.name, within)
    return MadeAnnouncement(**_info(made).model_dump())


async def _withdraw(service: ServiceParts, call: Call) -> AnnouncementInfo:
    asked = call.body_as(WithdrawalRequest)
    if not call.user.is_admin:
        theirs = service.announcements.of_groups(own_groups(service, call.user))
        if not any(each.announcement_id == asked.announcement_id for each in theirs):
            # In the words for one that there is not.
            raise NotFoundError(no_announcement(asked.announcement_id))
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
        "What admins tell owners now, the newest first; to admins of groups what such tell within "
        "theirs",
        _list,
        tuple[AnnouncementInfo, ...],
        also=READERS_AND_GROUPS,
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
        "Tell an owner, a group, whoever has a slice on a node or a card, or all something; admins "
        "of groups tell theirs, and who is in no other",
        _make,
        MadeAnnouncement,
        body=AnnouncementRequest,
        status=201,
        refusals=(400, 404, 409),
        asks_hub_anew=True,
        also=GROUPS,
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
        also=GROUPS,
    ),
)
