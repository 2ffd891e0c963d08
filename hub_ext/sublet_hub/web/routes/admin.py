"""For admins: the cards, all lending, and the quota document."""

from typing import Any

from pydantic import Field
from sublet_quota.wire.api import GpuInfo, LendingState, LendingSwitch
from sublet_quota.wire.closings import ClosingInfo, ClosingRequest, OpeningRequest
from sublet_quota.wire.event_kinds import EventKind
from sublet_quota.wire.schema import AwareDatetime, Text, WireModel

from sublet_hub.errors import QuotaFileError
from sublet_hub.ledger.events import event
from sublet_hub.ledger.records import Change, LendingRecord
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.owner import viewer_of
from sublet_hub.web.routes.route import Access, Call, Route


class QuotaInForce(WireModel):
    """The quota document in force, and what is wrong with the file as it is now."""

    document: dict[str, Any]
    path: Text | None
    loaded_at: AwareDatetime
    errors: tuple[Text, ...] = Field(default=())
    """Not empty: the file is wrong now, and the document of before is in force."""


async def _gpus(service: ServiceParts, call: Call) -> tuple[GpuInfo, ...]:
    return service.views.gpus(viewer_of(service, call.user))


async def _lending(service: ServiceParts, call: Call) -> LendingState:
    record = service.ledger.lending_record
    return LendingState(
        lending=record.on,
        reason=record.reason,
        switched_by=record.switched_by if call.user.is_admin else None,
        switched_at=record.switched_at,
    )


async def _switch_lending(service: ServiceParts, call: Call) -> LendingState:
    asked = call.body_as(LendingSwitch)
    now = service.now()
    what = f"{'on' if asked.lending else 'off'} by {call.user.name}"
    told = event(
        EventKind.LENDING_SWITCHED, now, f"{what}: {asked.reason}" if asked.reason else what
    )
    switched = LendingRecord(asked.lending, asked.reason, call.user.name, now)
    service.ledger.apply(Change(lending=switched, events=(told,)), now)
    return await _lending(service, call)


async def _closings(service: ServiceParts, call: Call) -> tuple[ClosingInfo, ...]:
    del call
    found = sorted(service.ledger.closings.values(), key=lambda each: each.place)
    return tuple(service.views.closing(each) for each in found)


async def _close(service: ServiceParts, call: Call) -> ClosingInfo:
    made = service.closings.close(call.body_as(ClosingRequest), call.user.name)
    return service.views.closing(made)


async def _open(service: ServiceParts, call: Call) -> tuple[ClosingInfo, ...]:
    asked = call.body_as(OpeningRequest)
    undone = service.closings.open(asked.where, call.user.name, asked.reason)
    return tuple(service.views.closing(each) for each in undone)


async def _quota(service: ServiceParts, call: Call) -> QuotaInForce:
    del call
    quota = service.quota
    return QuotaInForce(
        document=quota.document.model_dump(mode="json", by_alias=True),
        path=None if quota.path is None else str(quota.path),
        loaded_at=quota.loaded_at,
        errors=() if quota.error is None else quota.error.problems,
    )


async def _reload_quota(service: ServiceParts, call: Call) -> QuotaInForce:
    if not service.quota.reload():
        raise service.quota.error or QuotaFileError(str(service.quota.path), ["it is wrong"])
    return await _quota(service, call)


ADMIN_ROUTES = (
    Route(
        "GET",
        "gpus",
        Access.ADMIN,
        "Every card, with who holds what on it",
        _gpus,
        tuple[GpuInfo, ...],
    ),
    Route("GET", "lending", Access.USER, "Whether idle slices are lent", _lending, LendingState),
    Route(
        "PUT",
        "lending",
        Access.ADMIN,
        "Switch all lending on or off",
        _switch_lending,
        LendingState,
        body=LendingSwitch,
        refusals=(400,),
        asks_hub_anew=True,
    ),
    Route(
        "GET",
        "closings",
        Access.ADMIN,
        "The cards and nodes that admins have closed",
        _closings,
        tuple[ClosingInfo, ...],
    ),
    Route(
        "POST",
        "closings",
        Access.ADMIN,
        "Close a card or a node to new slices and jobs, or change how it is closed",
        _close,
        ClosingInfo,
        body=ClosingRequest,
        refusals=(400, 404),
        asks_hub_anew=True,
    ),
    Route(
        "POST",
        "closings/open",
        Access.ADMIN,
        "Open a card, or a node with all of its cards; the answer is what was closed",
        _open,
        tuple[ClosingInfo, ...],
        body=OpeningRequest,
        refusals=(400, 404, 409),
        asks_hub_anew=True,
    ),
    Route("GET", "quota", Access.ADMIN, "The quota document in force", _quota, QuotaInForce),
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
)
