"""A week by group: for who may see all, and for admins of groups what these pay."""

import asyncio
from typing import Final

from sublet_quota.document.administered.groups import with_all_below
from sublet_quota.week_report.written import as_html, as_text
from sublet_quota.wire.use import UseKey
from sublet_quota.wire.week import WeekReport

from sublet_hub.errors import BadRequestError
from sublet_hub.usage.buckets import Span, begin_of, label_of, week_before, week_of
from sublet_hub.usage.week_reports import WeekReports
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.formats import format_asked, in_turn
from sublet_hub.web.routes.roles import (
    GROUP,
    READERS_AND_GROUPS,
    groups_asked_for,
    own_groups,
)
from sublet_hub.web.routes.route import (
    Access,
    Call,
    FileKind,
    Nature,
    Parameter,
    Route,
    WrittenFile,
)
from sublet_hub.web.routes.use import ZONE, zone_asked

_FORMATS: Final = ("json", "text", "html")


async def _report(service: ServiceParts, call: Call) -> WeekReport | WrittenFile:
    form, week, groups = format_asked(call, _FORMATS), _week(service, call), _groups(service, call)
    reports = WeekReports(
        service.use,
        service.waited,
        service.refusals,
        lambda: service.quota.document,
        service.now,
    )
    report = await in_turn(service, call, lambda: reports.report(week, groups))
    match form:
        case "text":
            text = await asyncio.to_thread(as_text, report)
            return WrittenFile(text.encode(), f"{report.week}.txt", FileKind.TEXT)
        case "html":
            page = await asyncio.to_thread(as_html, report)
            return WrittenFile(page.encode(), f"{report.week}.html", FileKind.HTML)
        case _:
            return report


def _week(service: ServiceParts, call: Call) -> Span:
    now, zone, asked = service.now(), zone_asked(call), call.text("week")
    current = week_of(label_of(UseKey.WEEK, now, zone), zone)
    if asked is None:
        return week_before(current)
    try:
        week = week_of(asked, zone)
        begin_of(UseKey.WEEK, week_before(week).since, zone)
    except (ValueError, OverflowError) as error:
        message = f"?week={asked} is none: write one such as {label_of(UseKey.WEEK, now, zone)}"
        raise BadRequestError(message) from error
    if week.since >= now:
        message = f"?week={asked} is still to come: nothing has been held in it"
        raise BadRequestError(message)
    return week


def _groups(service: ServiceParts, call: Call) -> frozenset[str] | None:
    """Return the groups of which the caller is told; ``None``: all, and what no group paid."""
    asked = groups_asked_for(service, call)
    if asked is not None or call.user.sees_all:
        return asked
    return with_all_below(service.quota.document, own_groups(service, call.user))


WEEK_REPORT_ROUTES: Final = (
    Route(
        "GET",
        "use/report",
        Access.ADMIN,
        "A week by group, beside the week before: hours, waits, refusals, energy, and whose "
        "slices were idle for the longest",
        _report,
        WeekReport,
        parameters=(
            Parameter("week", Nature.TEXT, "Such as 2026-W48; the last whole one if left out."),
            ZONE,
            GROUP,
            Parameter("format", Nature.TEXT, "json (when left out), text or html, as a file."),
        ),
        refusals=(400, 404),
        files=(FileKind.TEXT, FileKind.HTML),
        also=READERS_AND_GROUPS,
    ),
)
