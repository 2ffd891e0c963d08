"""For users: their share, their slices, what may be done with them, and what has happened.

What is another's answers as what is not there: nobody learns which ids there are.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta

from sublet_quota.names import scopes
from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.placement.resize import NewSize
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.api import NEXT_PAGE, EventInfo, KeepRequest, Share, SliceInfo
from sublet_quota.wire.schema import WireModel
from sublet_quota.wire.share import ResizeRequest, SliceHistory

from sublet_hub.errors import HubUnreachableError, NotFoundError
from sublet_hub.ledger.database import EventQuery
from sublet_hub.ledger.job_order import Place
from sublet_hub.ledger.records import EventRecord, SliceRecord
from sublet_hub.security.rate_limits import cost_of_decision, cost_of_page, refuse_for
from sublet_hub.usage.refusals import asked_for_size
from sublet_hub.usage.slice_history import STEP_S
from sublet_hub.web.routes.ahead import ahead_of
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.pages import Entry, Listing, Page, newest_page
from sublet_hub.web.routes.roles import GROUP, group_viewer
from sublet_hub.web.routes.roles import groups_asked_for as groups_seen
from sublet_hub.web.routes.route import Access, Call, Nature, Parameter, Route, not_of
from sublet_hub.web.routes.told import paying_groups, told_to
from sublet_hub.web.routes.viewers import groups_of, viewer_of

_MOST_EVENTS = 1000
_HEARD_WITHIN_S = 1.5
"""How old an agent's report may be: agents report at least once a second."""
OWNER = Parameter("owner", Nature.TEXT, "Another user's (admins).")
BEFORE = Parameter(
    "before",
    Nature.PLACE,
    f"Older than a page before: what the header {NEXT_PAGE} of that page says, as it stands there.",
)


class NoBody(WireModel):
    """A POST that says all by its address: ``{}``."""


def own_slice(service: ServiceParts, call: Call, scope: str) -> SliceRecord:
    """Return the slice of the path, if the caller has ``scope`` for its owner or its server.

    ``NotFoundError`` else.
    """
    record = service.ledger.slices.get(SliceId(call.path["slice_id"]))
    if record is None or not call.user.may(
        scope, record.owner, None if record.is_job else record.server
    ):
        message = f"there is no slice {call.path['slice_id']} of yours"
        raise NotFoundError(message)
    return record


@contextmanager
def charged(
    service: ServiceParts, call: Call, cost_of: Callable[[float], int] = cost_of_decision
) -> Iterator[None]:
    """Return a context whose time counts for the caller, as so many requests more.

    How long it takes is up to callers: by what they wrote into a job, or how full their groups are.
    """
    began_s = time.thread_time()
    try:
        yield
    finally:
        service.limits.owners.charge(call.user.key, cost_of(time.thread_time() - began_s))


async def page_of(service: ServiceParts, call: Call, listing: Listing[Entry], most: int) -> Page:
    """Return the page of a list that is asked for, when it is the caller's turn.

    ``TooManyRequestsError`` where the caller's pages before have cost too much.
    """
    before, limits = call.place(BEFORE.name), service.limits
    async with limits.lists.of_caller(call.user.key):
        # What the pages before it cost is known only now.
        refuse_for(limits.owners.debt_s(call.user.key, time.monotonic()))
        page = await newest_page(listing, before, most, limits.lists, service.ledger.unread)
        limits.owners.charge(call.user.key, cost_of_page(len(page.body), page.cpu_s))
    return page


async def groups_asked_for(
    service: ServiceParts, call: Call, owner: UserName
) -> tuple[str, ...] | None:
    """Return the hub's groups of whose things are asked for; ``None`` where nobody says.

    ``NotFoundError`` for an owner whom nobody knows.
    """
    if call.user.name == owner:
        return groups_of(service, call.user)
    return await service.users.groups_of(owner)


async def refuse_nobody(service: ServiceParts, call: Call, owner: UserName | None) -> None:
    """Raise ``NotFoundError`` for an owner of whom nothing was found, and whom nobody knows.

    A hub that does not answer is no reason to refuse an empty list.
    """
    if owner is not None:
        with suppress(HubUnreachableError):
            await groups_asked_for(service, call, owner)


async def _share(service: ServiceParts, call: Call) -> Share:
    owner = call.owner(scopes.READ)
    groups = await groups_asked_for(service, call, owner)
    viewer = viewer_of(service, call.user)
    with charged(service, call):
        share = service.shares.share(
            owner, groups or (), viewer, service.keep_and_wake, service.now()
        )
        paying = paying_groups(service, owner, groups or ())
        budgets = service.budgets.of(owner, paying)
        told = told_to(service, owner, groups or (), paying)
    more = {
        "groups_known": groups is not None,
        "servers_waiting": service.line.count_of(owner),
        "quota": share.quota and share.quota.model_copy(update={"budgets": budgets}),
        "announcements": told,
        "ahead": ahead_of(service, owner, share, budgets),
    }
    return share.model_copy(update=more)


async def _slices(service: ServiceParts, call: Call) -> tuple[SliceInfo, ...]:
    groups = groups_seen(service, call)
    if groups is not None:
        held = [each for each in service.ledger.slices.values() if each.group in groups]
        with charged(service, call):
            return service.views.slices(held, group_viewer(service, call.user))
    owner = call.owner(scopes.READ)
    return service.views.slices(
        service.ledger.slices_of_owner(owner), viewer_of(service, call.user)
    )


async def _keep(service: ServiceParts, call: Call) -> SliceInfo | Refusal:
    record = own_slice(service, call, scopes.ACTIVITY)
    minutes = call.body_as(KeepRequest).minutes
    answer = service.keep_and_wake.keep(record, timedelta(minutes=minutes))
    return answer if isinstance(answer, Refusal) else _shown(service, call, answer)


async def _wake(service: ServiceParts, call: Call) -> SliceInfo:
    record = service.keep_and_wake.wake(own_slice(service, call, scopes.ACTIVITY))
    return _shown(service, call, record)


async def _give_up(service: ServiceParts, call: Call) -> SliceInfo:
    record = own_slice(service, call, scopes.ACTIVITY)
    ends = time.monotonic() + _HEARD_WITHIN_S
    while time.monotonic() < ends:
        report = service.fleet.report(record.slice_id)
        if report is None or not report.running_cell:
            break
        # A cell that has just ended still runs in what the agent said last.
        await asyncio.sleep(0.1)
    record = own_slice(service, call, scopes.ACTIVITY)
    after = service.keep_and_wake.give_up(record, service.fleet.report(record.slice_id))
    return _shown(service, call, after)


async def _extend(service: ServiceParts, call: Call) -> SliceInfo:
    record = own_slice(service, call, scopes.ACTIVITY)
    service.idle_servers.extend(record)
    return _shown(service, call, record)


async def _resize(service: ServiceParts, call: Call) -> SliceInfo | Refusal:
    owner = own_slice(service, call, scopes.ACTIVITY).owner
    asked = call.body_as(ResizeRequest)
    new = NewSize(asked.size, asked.memory_mib, asked.compute_milli)
    groups = await groups_asked_for(service, call, owner)
    # The hub may have been asked meanwhile.
    record = own_slice(service, call, scopes.ACTIVITY)
    with charged(service, call):
        answer = service.resizing.resize(record, new, groups or ())
    if isinstance(answer, Refusal):
        service.refusals.note(record.owner, asked_for_size(record, new), answer)
        return answer
    return _shown(service, call, answer)


async def _history(service: ServiceParts, call: Call) -> SliceHistory:
    record = own_slice(service, call, scopes.READ)
    return SliceHistory(
        slice_id=record.slice_id,
        step_s=STEP_S,
        cap_mib=record.memory_mib,
        points=service.histories.points(record.slice_id, call.time("since")),
    )


def _shown(service: ServiceParts, call: Call, record: SliceRecord) -> SliceInfo:
    return service.views.slice(record, viewer_of(service, call.user))


def whose_record(call: Call) -> UserName | None:
    """Return whose past is asked for: the caller's own; of admins anybody's, or everybody's.

    ``NotAllowedError`` for another's, and for a token that reads nothing.
    """
    caller, asked = call.user, call.text("owner")
    if caller.sees_all:
        return None if asked is None else UserName(asked)
    if asked in (None, caller.name) and caller.may(scopes.READ, caller.name):
        return UserName(caller.name)
    raise not_of(caller, scopes.READ, asked or caller.name)


async def _events(service: ServiceParts, call: Call) -> Page:
    caller, owner = call.user, whose_record(call)
    limit = call.number("limit", _MOST_EVENTS, _MOST_EVENTS)
    since, viewer = call.time("since"), viewer_of(service, caller)
    until = call.time("until")
    # No id is smaller than an empty one: whatever is of that moment itself is left out.
    end: Place | None = None if until is None else (until, "")

    def older(before: Place | None, most: int) -> tuple[EventRecord, ...]:
        first = min((place for place in (before, end) if place is not None), default=None)
        return service.ledger.events(EventQuery(since, owner, most, before=first))[::-1]

    listing: Listing[EventRecord] = Listing(
        older,
        lambda each: (each.at, each.event_id),
        lambda each: service.views.event(each, viewer),
        "events",
    )
    page = await page_of(service, call, listing, limit)
    if not page.entries:
        await refuse_nobody(service, call, owner)
    return replace(page, entries=page.entries[::-1])


OWNER_ROUTES = (
    Route(
        "GET",
        "share",
        Access.USER,
        "My share of the GPUs",
        _share,
        Share,
        parameters=(OWNER,),
        refusals=(404,),
    ),
    Route(
        "GET",
        "slices",
        Access.USER,
        "My slices",
        _slices,
        tuple[SliceInfo, ...],
        parameters=(OWNER, GROUP),
        refusals=(404,),
    ),
    Route(
        "POST",
        "slices/{slice_id}/keep",
        Access.USER,
        "Do not lend my slice for so many minutes; 0 ends it",
        _keep,
        SliceInfo,
        body=KeepRequest,
        refusals=(400, 404, 409),
    ),
    Route(
        "POST",
        "slices/{slice_id}/wake",
        Access.USER,
        "Bring my slice back, as if a cell had started",
        _wake,
        SliceInfo,
        refusals=(404, 409),
    ),
    Route(
        "POST",
        "slices/{slice_id}/give-up",
        Access.USER,
        "I need my slice no more for now: idle at once; the next cell brings it back",
        _give_up,
        SliceInfo,
        body=NoBody,
        refusals=(400, 404, 409),
    ),
    Route(
        "POST",
        "slices/{slice_id}/extend",
        Access.USER,
        "Put off that my idle server is ended: it may be idle for as long again, from now on",
        _extend,
        SliceInfo,
        body=NoBody,
        refusals=(400, 404, 409),
    ),
    Route(
        "POST",
        "slices/{slice_id}/resize",
        Access.USER,
        "Another size for my slice, where it is; processes started later see it",
        _resize,
        SliceInfo,
        body=ResizeRequest,
        refusals=(400, 404, 409),
    ),
    Route(
        "GET",
        "slices/{slice_id}/history",
        Access.USER,
        "The last hour of a slice of mine, every ten seconds",
        _history,
        SliceHistory,
        parameters=(Parameter("since", Nature.TIME, "Later than this."),),
        refusals=(400, 404),
    ),
    Route(
        "GET",
        "events",
        Access.USER,
        "What has happened to my slices and jobs; to all for admins. The oldest first",
        _events,
        tuple[EventInfo, ...],
        parameters=(
            Parameter("since", Nature.TIME, "Later than this."),
            Parameter("until", Nature.TIME, "Earlier than this."),
            Parameter(
                "limit",
                Nature.NUMBER,
                f"The newest so many of the page, 1000 at most; what is older, by {NEXT_PAGE}.",
            ),
            OWNER,
            BEFORE,
        ),
        refusals=(400, 404),
    ),
)
