"""Try a quota document, put one in force, and see which were before: admins, and of groups theirs.

Where the document is a file, all but check and preview answer which file to change.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sublet_quota.document.administered.bounds import PartAuthor
from sublet_quota.names.ids import GroupName
from sublet_quota.wire.quota import MOST_DOCUMENT
from sublet_quota.wire.quota_check import QuotaCheck
from sublet_quota.wire.quota_preview import PreviewRequest, QuotaPreviewInfo
from sublet_quota.wire.quota_revisions import (
    Applied,
    ApplyRequest,
    RevisionInfo,
    RevisionText,
    RollbackRequest,
)

from sublet_hub.errors import BadRequestError, NotFoundError
from sublet_hub.ledger.quota_revisions import QuotaRevision
from sublet_hub.security.rate_limits import BYTES_FOR_ONE
from sublet_hub.state.quota_documents.part_history import PartRevision
from sublet_hub.state.quota_documents.source import InForce, Wish
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.roles import (
    GROUP,
    GROUPS,
    READERS_AND_GROUPS,
    groups_of_part,
    own_groups,
    refuse_if_lost,
)
from sublet_hub.web.routes.route import Access, Call, Role, Route
from sublet_hub.web.views.quota_check import check_part, check_text

MOST_BODY: Final = 2 * MOST_DOCUMENT + 64 * 1024
"""A document as JSON has its line ends and quotes twice as long."""
_MOST_DIGITS: Final = 9
_COST_OF_PART: Final = 5
"""As so many requests more a part counts: the whole document is read for it, and read again."""


async def _check(service: ServiceParts, call: Call) -> QuotaCheck:
    async with _costly(service, call) as sent:
        caller, now = call.user, service.now()
        # Of a large one it takes seconds, in which agents are to be heard.
        if caller.sees_all:
            return await asyncio.to_thread(check_text, sent, now)
        service.limits.owners.charge(caller.key, _COST_OF_PART)
        quota = service.quota
        author = PartAuthor(own_groups(service, caller), quota.most_of_part)
        found = await asyncio.to_thread(check_part, quota.document, quota.text, author, sent, now)
        refuse_if_lost(service, caller, author.groups)
        return found


async def _preview(service: ServiceParts, call: Call) -> bytes:
    async with _costly(service, call) as sent:
        if call.user.sees_all:
            return await service.previews.preview(sent)
        service.limits.owners.charge(call.user.key, _COST_OF_PART)
        return await service.previews.preview_part(sent, call.user.claims)


@asynccontextmanager
async def _costly(service: ServiceParts, call: Call) -> AsyncIterator[str]:
    """Let a block read a document that was sent: of a caller one at a time, counted by its size."""
    text = call.body_as(PreviewRequest).text
    async with service.limits.lists.of_caller(call.user.key):
        service.limits.owners.charge(call.user.key, len(text) // BYTES_FOR_ONE)
        yield text


async def _apply(service: ServiceParts, call: Call) -> Applied:
    asked, caller = call.body_as(ApplyRequest), call.user
    role = Role.ADMIN if caller.is_admin else Role.GROUP_ADMIN
    if caller.is_admin:
        wish = Wish(caller.name, asked.reason, asked.expect, role.value)
        return await _applied(service, await service.quota.apply(asked.text, wish))
    if asked.expect_part is None:
        message = (
            "say which part this was made from: its `expect_part` is told with the part, as `part`"
        )
        raise BadRequestError(message)
    wish = Wish(caller.name, asked.reason, None, role.value, asked.expect_part)
    limits = service.limits
    async with limits.lists.of_caller(caller.key):
        limits.owners.charge(caller.key, _COST_OF_PART)
        done = await service.quota.apply_part(asked.text, wish, caller.claims)
    # What was in force before, and what came in force since, may be others'.
    told = {"revision": None, "is_part": True, "in_force": True}
    about = _info(service, done.about).model_copy(update=told) if done.is_new else None
    return Applied(about=about, is_new=done.is_new, part=done.part)


async def _roll_back(service: ServiceParts, call: Call) -> Applied:
    asked = call.body_as(RollbackRequest)
    wish = Wish(call.user.name, asked.reason, asked.expect, Role.ADMIN.value)
    return await _applied(service, await service.quota.roll_back(asked.revision, wish))


async def _history(service: ServiceParts, call: Call) -> tuple[RevisionInfo, ...]:
    groups = groups_of_part(service, call)
    if groups is None:
        return tuple(_info(service, each) for each in await service.quota.history())
    # Of whatever else is changed, by whom and why, nothing is theirs to see.
    async with _part_read(service, call, groups):
        made = await service.part_histories.of(groups)
    return tuple(_info_of_part(service, call, each) for each in made)


async def _revision(service: ServiceParts, call: Call) -> RevisionText:
    named = call.path["revision"]
    number = int(named) if _is_number(named) else None
    groups = groups_of_part(service, call)
    if groups is not None:
        # By numbers others' changes were counted.
        of_part = number if number is not None and call.user.sees_all else named
        async with _part_read(service, call, groups):
            part = await service.part_histories.texts(of_part, groups)
        about = _info_of_part(service, call, part.told)
        return RevisionText(about=about, text=part.text, text_before=part.text_before)
    if number is None:
        message = f"{named!r} is no revision: they are numbers, as `sublet quota history` lists"
        raise NotFoundError(message)
    found, before = await service.quota.written(number)
    return RevisionText(
        about=_info(service, found.about),
        text=found.text,
        text_before=None if before is None else before.text,
    )


def _is_number(named: str) -> bool:
    return named.isascii() and named.isdigit() and len(named) <= _MOST_DIGITS


@asynccontextmanager
async def _part_read(
    service: ServiceParts, call: Call, groups: tuple[GroupName, ...]
) -> AsyncIterator[None]:
    """Let a block read revisions for an admin of groups: one at a time, and counted.

    ``QuotaNotTheirsError`` where the groups are theirs no more when their turn comes; after that
    whatever is answered is looked at.
    """
    limits = service.limits
    async with limits.lists.of_caller(call.user.key):
        limits.owners.charge(call.user.key, _COST_OF_PART)
        refuse_if_lost(service, call.user, groups)
        yield


async def _applied(service: ServiceParts, done: InForce) -> Applied:
    await service.hub_names.look_for_admin(service.quota.document)
    return Applied(
        about=_info(service, done.about),
        is_new=done.is_new,
        warnings=service.capacity.warnings(),
    )


def _info(service: ServiceParts, made: QuotaRevision) -> RevisionInfo:
    return RevisionInfo(
        revision=made.revision,
        author=made.author,
        made_at=made.made_at,
        reason=made.reason,
        keys_changed=made.keys_changed,
        role=made.role,
        groups=made.groups,
        in_force=made == service.quota.revision,
    )


def _info_of_part(service: ServiceParts, call: Call, part: PartRevision) -> RevisionInfo:
    """Return a revision without what it changed elsewhere; its reason may be of that."""
    told: dict[str, object] = {
        "keys_changed": part.keys_changed,
        "is_part": True,
        "change": part.change,
        "in_force": part.is_newest,
    }
    if not call.user.sees_all:
        told["revision"] = None
    if not part.is_alone:
        told |= {"reason": "", "groups": ()}
    return _info(service, part.about).model_copy(update=told)


QUOTA_REVISION_ROUTES = (
    Route(
        "POST",
        "quota/check",
        Access.ADMIN,
        "What is wrong with a document, or with the part that an admin of groups sends, with its "
        "place; it changes nothing",
        _check,
        QuotaCheck,
        body=PreviewRequest,
        most_body_bytes=MOST_BODY,
        asks_hub_anew=True,
        also=READERS_AND_GROUPS,
    ),
    Route(
        "POST",
        "quota/preview",
        Access.ADMIN,
        "What would follow if a document were in force now, or the part that an admin of groups "
        "sends, for these alone; it changes nothing",
        _preview,
        QuotaPreviewInfo,
        body=PreviewRequest,
        most_body_bytes=MOST_BODY,
        refusals=(400,),
        asks_hub_anew=True,
        also=READERS_AND_GROUPS,
    ),
    Route(
        "GET",
        "quota/revisions",
        Access.ADMIN,
        "The revisions of the quota document, the newest first: who made them, when and why; to "
        "admins of groups those that changed theirs",
        _history,
        tuple[RevisionInfo, ...],
        parameters=(GROUP,),
        refusals=(404, 409),
        also=READERS_AND_GROUPS,
    ),
    Route(
        "POST",
        "quota/revisions",
        Access.ADMIN,
        "Put a quota document in force, made from the revision that is in force; of an admin of "
        "groups their part, made from the part that is in force",
        _apply,
        Applied,
        body=ApplyRequest,
        most_body_bytes=MOST_BODY,
        refusals=(400, 409),
        asks_hub_anew=True,
        also=GROUPS,
    ),
    Route(
        "GET",
        "quota/revisions/{revision}",
        Access.ADMIN,
        "A revision of the quota document, and what the one before said; to admins of groups of "
        "theirs alone",
        _revision,
        RevisionText,
        parameters=(GROUP,),
        refusals=(404, 409),
        also=READERS_AND_GROUPS,
    ),
    Route(
        "POST",
        "quota/rollback",
        Access.ADMIN,
        "Put in force what an earlier revision says, as a new one",
        _roll_back,
        Applied,
        body=RollbackRequest,
        refusals=(400, 404, 409),
        asks_hub_anew=True,
    ),
)
