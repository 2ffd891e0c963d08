"""For admins: the cards, all lending, closings, and what was held."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sublet_quota.wire.api import GpuInfo, LendingState, LendingSwitch
from sublet_quota.wire.closings import ClosingInfo, ClosingRequest, OpeningRequest
from sublet_quota.wire.event_kinds import EventKind
from sublet_quota.wire.use import UseKey, UseReport

from sublet_hub.errors import BadRequestError
from sublet_hub.ledger.events import event
from sublet_hub.ledger.records import Change, LendingRecord
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.owner import viewer_of
from sublet_hub.web.routes.route import Access, Call, Nature, Parameter, Route

_LONGEST_REPORT: Final = timedelta(days=400)
_FIRST_REPORT: Final = datetime(1970, 1, 2, tzinfo=UTC)


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


async def _use(service: ServiceParts, call: Call) -> bytes:
    now = service.now()
    # What is to come has not been held.
    until = min(call.time("until") or now, now)
    try:
        since = call.time("since") or until - timedelta(days=7)
    except OverflowError as error:
        message = "?until= is too long ago"
        raise BadRequestError(message) from error
    _refuse_span(call, since, until, now)
    asked = tuple(dict.fromkeys(call.texts("by")))
    unknown = set(asked) - set(UseKey)
    if unknown:
        message = f"?by={min(unknown)} is none: there are {', '.join(UseKey)}"
        raise BadRequestError(message)
    return await service.use.report(since, until, [UseKey(each) for each in asked])


def _refuse_span(call: Call, since: datetime, until: datetime, now: datetime) -> None:
    """Raise ``BadRequestError`` for a time of which there is no report, with what was asked."""
    first, last = call.time_words("since", since), call.time_words("until", until)
    if since >= now:
        message = f"?since= is {first}, which is still to come: nothing has been held since"
    elif since >= until:
        message = f"?since= is {first}, and ?until= {last}: give an end after the begin"
    elif since < _FIRST_REPORT:
        message = f"?since= is {first}: give a time since 1970"
    elif until - since > _LONGEST_REPORT:
        message = (
            f"from {first} to {last} is longer than {_LONGEST_REPORT.days} days, which a report "
            "has at most: give a later ?since=, or an earlier ?until="
        )
    else:
        return
    raise BadRequestError(message)


async def _closings(service: ServiceParts, call: Call) -> tuple[ClosingInfo, ...]:
    del call
    found = sorted(service.fleet.closings(), key=lambda each: each.by_document)
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
        "The cards and nodes that admins, or the quota document, have closed",
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
    Route(
        "GET",
        "use",
        Access.ADMIN,
        "How long slices were held between two times, and by owner and day what was used and lent",
        _use,
        UseReport,
        parameters=(
            Parameter("since", Nature.TIME, "From when on; seven days before the end if left out."),
            Parameter("until", Nature.TIME, "Till when; now if left out."),
            Parameter("by", Nature.TEXTS, f"Added up by; may be repeated: {', '.join(UseKey)}."),
        ),
        refusals=(400,),
    ),
)
