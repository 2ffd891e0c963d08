"""For admins: what happened, written so that it can be simulated, a day at a time."""

import logging
from datetime import timedelta
from typing import Final

from sublet_quota.reasons.refusal import quoted
from sublet_quota.wire.history import HistoryDay

from sublet_hub.errors import BadRequestError
from sublet_hub.usage.recorded.history_export import DAY, Export
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.roles import READERS
from sublet_hub.web.routes.route import Access, Call, Nature, Parameter, Route

_LONGEST: Final = timedelta(days=400)
_WEEK: Final = timedelta(days=7)
_LOG = logging.getLogger(__name__)


async def _export(service: ServiceParts, call: Call) -> bytes:
    export, number = _asked(service, call), call.number("day", 0, _LONGEST // DAY)
    if number >= export.days:
        message = f"?day={number} is too many: these are {export.days} days, from 0"
        raise BadRequestError(message)
    if not service.recorder.records:
        message = "nothing is recorded here: the service's option history_days is 0"
        raise BadRequestError(message)
    if number == 0 or export.names:
        # Each day with names is told: who begins with another than the first is noticed, too.
        which = f" of day {number} with names" if export.names else ""
        _LOG.info("%s exports what happened%s", quoted(call.user.name), which)
    if number == 0:
        # What happened just now counts.
        service.recorder.look_at_cards()
        await service.recorder.store()
    return await service.history_exports.day(export, number)


def _asked(service: ServiceParts, call: Call) -> Export:
    now = service.now()
    until = min(call.time("until") or now, now)
    try:
        since = call.time("since") or until - _WEEK
    except OverflowError as error:
        message = "?until= is too long ago"
        raise BadRequestError(message) from error
    if not timedelta() < until - since <= _LONGEST:
        first, last = call.time_words("since", since), call.time_words("until", until)
        message = (
            f"from {first} to {last} is no time, or more than {_LONGEST.days} days: give an end "
            "after the begin"
        )
        raise BadRequestError(message)
    return Export(
        since,
        until,
        names=call.number("names", 0, 1) == 1,
        hide_groups=call.number("hide_groups", 0, 1) == 1,
    )


HISTORY_ROUTES = (
    Route(
        "GET",
        "history/export",
        Access.ADMIN,
        "What happened between two times, a day of it, as the table that a simulation reads",
        _export,
        HistoryDay,
        parameters=(
            Parameter("since", Nature.TIME, "From when on; seven days before the end if left out."),
            Parameter("until", Nature.TIME, "Till when; now if left out. Say it for further days."),
            Parameter("day", Nature.NUMBER, "Which day of it, from 0."),
            Parameter("names", Nature.NUMBER, "1: persons by their names, not by others."),
            Parameter("hide_groups", Nature.NUMBER, "1: groups by other names, too."),
        ),
        refusals=(400,),
        asks_hub_anew=True,
        also=READERS,
    ),
)
