"""The quota document in force, for admins; and by which line of it somebody has which right."""

from functools import partial

from sublet_quota.document.rights import rights_of
from sublet_quota.document.told_rights import tell_rights
from sublet_quota.holdings.told_guarantees import guarantee_in_force
from sublet_quota.names import scopes
from sublet_quota.wire.quota import KeptIn, QuotaInForce, QuotaRights

from sublet_hub.errors import ConflictError, QuotaFileError
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.owner import OWNER, charged, groups_asked_for
from sublet_hub.web.routes.roles import READERS_AND_GROUPS
from sublet_hub.web.routes.route import Access, Call, Route


async def _quota(service: ServiceParts, call: Call) -> QuotaInForce:
    del call
    quota = service.quota
    await service.hub_names.look_for_admin(quota.document)
    return QuotaInForce(
        document=quota.document.model_dump(mode="json", by_alias=True),
        text=quota.text,
        path=None if quota.path is None else str(quota.path),
        kept_in=quota.kept_in.value,
        revision=None if quota.revision is None else quota.revision.revision,
        loaded_at=quota.loaded_at,
        errors=() if quota.error is None else quota.error.problems,
        warnings=service.capacity.warnings(),
    )


async def _reload_quota(service: ServiceParts, call: Call) -> QuotaInForce:
    if service.quota.kept_in is KeptIn.DATABASE:
        message = (
            "the quota document is in the database (`quota_source` is `database`), and no file is "
            "read: put another one in force with `sublet quota apply`"
        )
        raise ConflictError(message)
    if not await service.quota.reload():
        raise service.quota.error or QuotaFileError(str(service.quota.path), ["it is wrong"])
    return await _quota(service, call)


async def _rights(service: ServiceParts, call: Call) -> QuotaRights:
    owner = call.owner(scopes.READ)
    groups = await groups_asked_for(service, call, owner)
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
        "quota/rights",
        Access.USER,
        "What I may have, each right with the line of the quota document that says so",
        _rights,
        QuotaRights,
        parameters=(OWNER,),
        refusals=(404,),
    ),
)
