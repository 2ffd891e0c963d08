"""What was held, used and waited for: of all for admins, to each user their own.

And, for admins, which limits would have refused a stated part of that.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from sublet_quota.document.value_kinds.reserved_time import read_zone
from sublet_quota.wire.use import LimitsReport, UseKey, UseReport, WaitedReport

from sublet_hub.errors import BadRequestError
from sublet_hub.usage.buckets import TIME_KEYS, Span
from sublet_hub.usage.reports import UseQuestion
from sublet_hub.usage.waited import WAITED_BY
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.formats import FORMAT, in_turn, wants_csv
from sublet_hub.web.routes.owner import OWNER, whose_record
from sublet_hub.web.routes.roles import GROUP, READERS, groups_asked_for
from sublet_hub.web.routes.route import (
    Access,
    Call,
    FileKind,
    Nature,
    Parameter,
    Route,
    WrittenFile,
)

_LONGEST_REPORT: Final = timedelta(days=400)
_FIRST_REPORT: Final = datetime(1970, 1, 2, tzinfo=UTC)
_WEEK: Final = timedelta(days=7)
_MONTH: Final = timedelta(days=30)
_UNTIL: Final = Parameter("until", Nature.TIME, "Till when; now if left out.")
_SINCE: Final = Parameter(
    "since", Nature.TIME, "From when on; seven days before the end if left out."
)
ZONE: Final = Parameter(
    "zone",
    Nature.TEXT,
    f"Whose {', '.join(TIME_KEYS)} are meant, such as Europe/Berlin; UTC if left out.",
)


async def _use(service: ServiceParts, call: Call) -> bytes | WrittenFile:
    question = _question(service, call)
    return await _told(service, call, "use", lambda: service.use.report(question))


async def _waited(service: ServiceParts, call: Call) -> bytes | WrittenFile:
    question = _question(service, call)
    return await _told(service, call, "waits", lambda: service.waited.report(question))


async def _limits(service: ServiceParts, call: Call) -> bytes | WrittenFile:
    span, percent = _span(service, call, _MONTH), call.number("percent", default=1, most=100)
    as_csv, limits = wants_csv(call), service.proposed_limits
    return await _told(service, call, "limits", lambda: limits.report(span, percent, as_csv=as_csv))


async def _told(
    service: ServiceParts, call: Call, name: str, report: Callable[[], Awaitable[bytes]]
) -> bytes | WrittenFile:
    written = await in_turn(service, call, report)
    return WrittenFile(written, f"{name}.csv") if wants_csv(call) else written


def _question(service: ServiceParts, call: Call) -> UseQuestion:
    groups = groups_asked_for(service, call)
    # Of what their groups pay admins of these see all, by whomever it was held.
    owner = whose_record(call) if groups is None else call.text(OWNER.name)
    span = _span(service, call, _WEEK)
    asked = tuple(dict.fromkeys(call.texts("by")))
    unknown = set(asked) - set(UseKey)
    if unknown:
        message = f"?by={min(unknown)} is none: there are {', '.join(UseKey)}"
        raise BadRequestError(message)
    return UseQuestion(span, tuple(map(UseKey, asked)), owner, wants_csv(call), groups)


def _span(service: ServiceParts, call: Call, usual: timedelta) -> Span:
    now = service.now()
    # What is to come has not been held.
    until = min(call.time("until") or now, now)
    try:
        since = call.time("since") or until - usual
    except OverflowError as error:
        message = "?until= is too long ago"
        raise BadRequestError(message) from error
    _refuse_span(call, since, until, now)
    return Span(since, until, zone_asked(call))


def zone_asked(call: Call) -> tzinfo:
    """Return the zone that is asked for, else UTC. ``BadRequestError``."""
    name = call.text(ZONE.name)
    try:
        return UTC if name is None else read_zone(name)
    except ValueError as error:
        message = f"?zone={name} {error}"
        raise BadRequestError(message) from error


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


def _by(keys: Iterable[UseKey]) -> Parameter:
    return Parameter("by", Nature.TEXTS, f"Added up by; may be repeated: {', '.join(keys)}.")


USE_ROUTES = (
    Route(
        "GET",
        "use",
        Access.USER,
        "How long slices of mine were held between two times, used and lent; everybody's for "
        "admins",
        _use,
        UseReport,
        parameters=(
            _SINCE,
            _UNTIL,
            _by(UseKey),
            ZONE,
            FORMAT,
            OWNER,
            GROUP,
        ),
        refusals=(400, 404),
        files=(FileKind.CSV,),
    ),
    Route(
        "GET",
        "use/waits",
        Access.USER,
        "How long I waited between two times for turns in line, jobs and cells; everybody for "
        "admins",
        _waited,
        WaitedReport,
        parameters=(_SINCE, _UNTIL, _by(WAITED_BY), ZONE, FORMAT, OWNER, GROUP),
        refusals=(400, 404),
        files=(FileKind.CSV,),
    ),
    Route(
        "GET",
        "use/limits",
        Access.ADMIN,
        "Which limits would have refused a part of the hours that were held between two times",
        _limits,
        LimitsReport,
        parameters=(
            Parameter(
                "since", Nature.TIME, "From when on; thirty days before the end if left out."
            ),
            _UNTIL,
            Parameter("percent", Nature.NUMBER, "Which part of the hours, in percent; 1."),
            FORMAT,
        ),
        refusals=(400,),
        files=(FileKind.CSV,),
        also=READERS,
    ),
)
