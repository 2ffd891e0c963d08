"""The quota document in force, for admins; and by which line of it somebody has which right."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Final

from sublet_quota.document.administered.part_digests import part_digest
from sublet_quota.document.administered.parts import part_of, part_text
from sublet_quota.document.rights import rights_of
from sublet_quota.document.told_rights import tell_rights
from sublet_quota.holdings.told_guarantees import guarantee_in_force
from sublet_quota.names import scopes
from sublet_quota.wire.quota import KeptIn, QuotaInForce, QuotaRights
from sublet_quota.wire.quota_calendar import MOST_DAYS, QuotaCalendar
from sublet_quota.wire.quota_tree import QuotaTree

from sublet_hub.errors import BadRequestError, ConflictError, QuotaFileError
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.owner import OWNER, charged
from sublet_hub.web.routes.owner import groups_asked_for as groups_of_owner
from sublet_hub.web.routes.roles import GROUP, READERS_AND_GROUPS, groups_of_part, refuse_if_lost
from sublet_hub.web.routes.route import Access, Call, Nature, Parameter, Route
from sublet_hub.web.views.quota_calendar import calendar_of_groups, quota_calendar

_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2999


async def _quota(service: ServiceParts, call: Call) -> QuotaInForce:
    groups = groups_of_part(service, call)
    if groups is None:
        return await service.quota_views.in_force()
    quota = service.quota
    told = QuotaInForce(
        document={},
        text="",
        path=None,
        kept_in=quota.kept_in.value,
        # They count, and tell of, what is changed elsewhere.
        revision=_revision(service) if call.user.sees_all else None,
        loaded_at=quota.loaded_at if call.user.sees_all else None,
        groups=groups,
    )
    # Both of one moment: by the places of another document others' entries would be taken for own.
    document, text = quota.document, quota.text
    async with service.limits.lists.of_caller(call.user.key):
        # Of a large document it takes seconds, in which others have turns.
        part = await asyncio.to_thread(part_of, document, text, groups)
    written = part_text(part)
    update = {"document": part, "text": written, "part": part_digest(written)}
    return told.model_copy(update=update)


def _revision(service: ServiceParts) -> int | None:
    made = service.quota.revision
    return None if made is None else made.revision


async def _reload_quota(service: ServiceParts, call: Call) -> QuotaInForce:
    del call
    if service.quota.kept_in is KeptIn.DATABASE:
        message = (
            "the quota document is in the database (`quota_source` is `database`), and no file is "
            "read: put another one in force with `sublet quota apply`"
        )
        raise ConflictError(message)
    if not await service.quota.reload():
        raise service.quota.error or QuotaFileError(str(service.quota.path), ["it is wrong"])
    return await service.quota_views.in_force()


async def _tree(service: ServiceParts, call: Call) -> bytes:
    trees, groups = service.quota_views.trees, groups_of_part(service, call)
    return await (trees.whole(_revision(service)) if groups is None else trees.below(groups))


async def _calendar(service: ServiceParts, call: Call) -> QuotaCalendar:
    now = service.now()
    begin, days = call.time("since") or now, timedelta(days=MOST_DAYS)
    if not _FIRST_YEAR <= begin.year <= _LAST_YEAR:
        message = f"?since= must lie between {_FIRST_YEAR} and {_LAST_YEAR}"
        raise BadRequestError(message)
    end = call.time("until") or begin + days
    if not begin < end <= begin + days:
        message = f"?until= must lie after ?since=, and at most {MOST_DAYS} days after it"
        raise BadRequestError(message)
    groups, quota, span = groups_of_part(service, call), service.quota, (begin, end)
    async with service.limits.lists.of_caller(call.user.key):
        # Of many reservations a long time takes most of a second, in which agents are to be heard.
        if groups is None:
            return await asyncio.to_thread(quota_calendar, quota.document, span, now)
        refuse_if_lost(service, call.user, groups)
        document, text = quota.document, quota.text
        return await asyncio.to_thread(calendar_of_groups, document, text, groups, span, now)


async def _rights(service: ServiceParts, call: Call) -> QuotaRights:
    owner = call.owner(scopes.READ)
    groups = await groups_of_owner(service, call, owner)
    holdings = service.capacity.holdings
    with charged(service, call):
        rights = rights_of(holdings.document, owner, groups or ())
        in_force = partial(guarantee_in_force, holdings)
        told = tell_rights(holdings.document, rights, service.now(), in_force)
    return QuotaRights(
        owner=owner, groups=rights.groups, groups_known=groups is not None, rights=told
    )


QUOTA_ROUTES = (
    Route(
        "GET",
        "quota",
        Access.ADMIN,
        "The quota document in force; to admins of groups what is theirs of it",
        _quota,
        QuotaInForce,
        parameters=(GROUP,),
        refusals=(404,),
        also=READERS_AND_GROUPS,
    ),
    Route(
        "POST",
        "quota/reload",
        Access.ADMIN,
        "Read the quota file again; where it is wrong, the old one stays in force",
        _reload_quota,
        QuotaInForce,
        refusals=(409,),
        asks_hub_anew=True,
    ),
    Route(
        "GET",
        "quota/tree",
        Access.ADMIN,
        "Every group with what it holds of its guarantee and limits, and who is over; to admins of "
        "groups theirs",
        _tree,
        QuotaTree,
        parameters=(GROUP,),
        refusals=(404,),
        also=READERS_AND_GROUPS,
    ),
    Route(
        "GET",
        "quota/calendar",
        Access.ADMIN,
        "What is reserved on some days, and which exceptions there are; to admins of groups for "
        "theirs alone",
        _calendar,
        QuotaCalendar,
        parameters=(
            GROUP,
            Parameter("since", Nature.TIME, "From when on; now if left out."),
            Parameter("until", Nature.TIME, f"Till when, at most {MOST_DAYS} days later."),
        ),
        refusals=(400, 404),
        also=READERS_AND_GROUPS,
    ),
    Route(
        "GET",
        "quota/rights",
        Access.USER,
        "What I may have, each right with the line of the quota document that says so",
        _rights,
        QuotaRights,
        parameters=(OWNER,),
        refusals=(404,),
    ),
)
