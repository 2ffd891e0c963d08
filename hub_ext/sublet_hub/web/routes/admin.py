"""For admins: the cards, all lending, and closings."""

from sublet_quota.wire.api import GpuInfo, LendingState, LendingSwitch
from sublet_quota.wire.closings import ClosingInfo, ClosingRequest, OpeningRequest
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.events import event
from sublet_hub.ledger.records import Change, LendingRecord
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.roles import READERS
from sublet_hub.web.routes.route import Access, Call, Route
from sublet_hub.web.routes.viewers import viewer_of


async def _gpus(service: ServiceParts, call: Call) -> tuple[GpuInfo, ...]:
    return service.views.gpus(viewer_of(service, call.user))


async def _lending(service: ServiceParts, call: Call) -> LendingState:
    record = service.ledger.lending_record
    return LendingState(
        lending=record.on,
        reason=record.reason,
        switched_by=record.switched_by if call.user.sees_all else None,
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
    planned = (each for each in service.ledger.closings.values() if each.begins_at is not None)
    found = sorted((*service.fleet.closings(), *planned), key=lambda each: each.by_document)
    return tuple(sorted(map(service.views.closing, found), key=_place))


def _place(each: ClosingInfo) -> tuple[str, int, str]:
    """Return what puts closings in order: by node, each as a whole before its cards."""
    index = -1 if each.gpu_index is None else each.gpu_index
    return each.node, index, each.gpu_id or ""


async def _close(service: ServiceParts, call: Call) -> ClosingInfo:
    made = service.closings.close(call.body_as(ClosingRequest), call.user.name)
    return service.views.closing(made)


async def _open(service: ServiceParts, call: Call) -> tuple[ClosingInfo, ...]:
    asked = call.body_as(OpeningRequest)
    undone = service.closings.open(asked.where, call.user.name, asked.reason)
    return tuple(service.views.closing(each) for each in undone)


ADMIN_ROUTES = (
    Route(
        "GET",
        "gpus",
        Access.ADMIN,
        "Every card, with who holds what on it",
        _gpus,
        tuple[GpuInfo, ...],
        also=READERS,
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
        "The cards and nodes that admins, or the quota document, have closed, or will",
        _closings,
        tuple[ClosingInfo, ...],
        also=READERS,
    ),
    Route(
        "POST",
        "closings",
        Access.ADMIN,
        "Close a card or a node to new slices and jobs, now or at a time, or change how",
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
)
