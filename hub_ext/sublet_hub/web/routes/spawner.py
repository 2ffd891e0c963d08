"""Between spawner and service: offers, and slices handed out and taken back."""

from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.api import Lease, Offers, PodStarted, SliceInfo, SliceRequest, SliceStarted
from sublet_quota.wire.server_queue import QueueWait

from sublet_hub.errors import BadRequestError
from sublet_hub.ledger.queued_servers import QueueEntry
from sublet_hub.slices.lease import lease_of
from sublet_hub.slices.offers import OffersAsked
from sublet_hub.usage.refusals import asked_for_slice
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.route import Accepted, Access, Call, Nature, Parameter, Route
from sublet_hub.web.routes.told import paying_groups, told_to
from sublet_hub.web.views.offers import offers_body
from sublet_hub.web.views.server_queue import wait_of_entry
from sublet_hub.web.views.slices import HUB

_BIG_BODY = 256 * 1024


async def _offers(service: ServiceParts, call: Call) -> Offers:
    owner = call.text("owner")
    if not owner:
        message = "?owner= is missing: whose offers?"
        raise BadRequestError(message)
    never_suspended = bool(call.number("never_suspended", default=0, most=1))
    groups = call.texts("groups")
    group = call.text("group")
    await service.startup_grace.wait()
    found = service.offers.of(OffersAsked(owner, groups, group, never_suspended))
    own = service.ledger.slices_of_owner(UserName(owner))
    told = told_to(
        service, UserName(owner), groups, paying_groups(service, UserName(owner), groups)
    )
    body = offers_body(service.capacity.holdings, found, own)
    return body.model_copy(update={"told": told})


async def _request(service: ServiceParts, call: Call) -> Lease | Refusal | Accepted:
    request = call.body_as(SliceRequest)
    await service.startup_grace.wait()
    # Who asks at the hour has what begins then.
    await service.places.pass_time()
    answer = await service.line.request(request)
    service.recorder.asked(request, answer)
    if isinstance(answer, QueueEntry):
        return Accepted(await wait_of_entry(service.line, answer))
    if isinstance(answer, Refusal):
        service.refusals.note(request.owner, asked_for_slice(request), answer)
        return answer
    return lease_of(answer)


async def _started(service: ServiceParts, call: Call) -> None:
    service.allocation.started(SliceId(call.path["slice_id"]), call.body_as(SliceStarted))


async def _pod(service: ServiceParts, call: Call) -> None:
    service.pods.started(SliceId(call.path["slice_id"]), call.body_as(PodStarted))


async def _info(service: ServiceParts, call: Call) -> SliceInfo:
    return service.views.slice(service.allocation.find(SliceId(call.path["slice_id"])), HUB)


async def _release(service: ServiceParts, call: Call) -> None:
    service.allocation.release(SliceId(call.path["slice_id"]), "the hub gave it back")


HUB_ROUTES = (
    Route(
        "GET",
        "hub/offers",
        Access.HUB,
        "What a user could have now",
        _offers,
        Offers,
        parameters=(
            Parameter("owner", Nature.TEXT, "The user.", required=True),
            Parameter("groups", Nature.TEXTS, "The user's groups, once each."),
            Parameter(
                "never_suspended", Nature.NUMBER, "1 where the hub's backend cannot suspend."
            ),
            Parameter("group", Nature.TEXT, "The group that is to pay; whichever fits best, else."),
        ),
        refusals=(400,),
    ),
    Route(
        "POST",
        "hub/slices",
        Access.HUB,
        "Hand out a slice to a notebook server, or let it wait in line for one",
        _request,
        Lease,
        waits=QueueWait,
        body=SliceRequest,
        status=201,
        most_body_bytes=_BIG_BODY,
        refusals=(400, 409),
    ),
    Route(
        "POST",
        "hub/slices/{slice_id}/started",
        Access.HUB,
        "The server's first process has started",
        _started,
        None,
        body=SliceStarted,
        status=204,
        refusals=(400, 404),
    ),
    Route(
        "POST",
        "hub/slices/{slice_id}/pod",
        Access.HUB,
        "The server's pod exists, or has its node now",
        _pod,
        None,
        body=PodStarted,
        status=204,
        most_body_bytes=_BIG_BODY,
        refusals=(400, 404),
    ),
    Route(
        "GET",
        "hub/slices/{slice_id}",
        Access.HUB,
        "A slice, with what its agent says of it",
        _info,
        SliceInfo,
        refusals=(404,),
    ),
    Route(
        "DELETE",
        "hub/slices/{slice_id}",
        Access.HUB,
        "Take a slice back; also when nobody holds it",
        _release,
        None,
        status=204,
    ),
)
