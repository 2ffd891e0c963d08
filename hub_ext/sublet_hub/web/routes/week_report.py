"""A week by group: for who may see all, and for admins of groups what these pay.

An admin may have it sent to themselves, as it goes out.
"""

import asyncio
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from sublet_quota.document.administered.groups import with_all_below
from sublet_quota.reasons.refusal import quoted
from sublet_quota.reasons.undelivered import undelivered_clause
from sublet_quota.week_report.tables import title_of
from sublet_quota.week_report.written import as_html, as_text
from sublet_quota.wire.announcements import Audience
from sublet_quota.wire.deliveries import ReportTrial, ReportTrialRequest
from sublet_quota.wire.use import UseKey
from sublet_quota.wire.week import WeekReport

from sublet_hub.delivery.notice import Notice
from sublet_hub.delivery.sender import SENT, Channel
from sublet_hub.errors import BadRequestError, NotFoundError
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
_TRIAL_LASTS: Final = timedelta(days=1)


def week_reports_of(service: ServiceParts) -> WeekReports:
    """Return what makes the reports of weeks."""
    return WeekReports(
        service.use,
        service.waited,
        service.refusals,
        lambda: service.quota.document,
        service.now,
    )


async def _report(service: ServiceParts, call: Call) -> WeekReport | WrittenFile:
    form, week, groups = format_asked(call, _FORMATS), _week(service, call), _groups(service, call)
    report = await in_turn(service, call, lambda: week_reports_of(service).report(week, groups))
    match form:
        case "text":
            text = await asyncio.to_thread(as_text, report)
            return WrittenFile(text.encode(), f"{report.week}.txt", FileKind.TEXT)
        case "html":
            page = await asyncio.to_thread(as_html, report)
            return WrittenFile(page.encode(), f"{report.week}.html", FileKind.HTML)
        case _:
            return report


async def _trial(service: ServiceParts, call: Call) -> ReportTrial:
    asked, now, weeks = call.body_as(ReportTrialRequest), service.now(), service.outbox.weeks
    if asked.channel not in service.outbox.channels:
        set_ways = ", ".join(service.outbox.channels) or "none"
        message = f"nothing is sent by {quoted(asked.channel)}: of the ways out, set are {set_ways}"
        raise BadRequestError(message)
    groups = None
    if asked.group is not None:
        groups = with_all_below(service.quota.document, (asked.group,))
        if not groups:
            message = f"the quota document has no group {quoted(asked.group)}"
            raise NotFoundError(message)
    zone = UTC if weeks is None else weeks.settings.zone
    week = _week_named(now, zone, asked.week, "week ")
    report = await in_turn(service, call, lambda: week_reports_of(service).report(week, groups))
    written = await asyncio.to_thread(report.model_dump_json)
    why = await service.outbox.try_now(
        Notice(
            Channel(asked.channel),
            f"trial-{report.week}",
            Audience.OWNER,
            call.user.name,
            title_of(report),
            from_admin=True,
            made_at=now,
            until=now + _TRIAL_LASTS,
            report=lambda: written,
        )
    )
    return ReportTrial(
        channel=asked.channel,
        week=report.week,
        was_sent=why is SENT,
        problem=None if why is SENT else undelivered_clause(why),
    )


def _week(service: ServiceParts, call: Call) -> Span:
    return _week_named(service.now(), zone_asked(call), call.text("week"))


def _week_named(now: datetime, zone: tzinfo, asked: str | None, said: str = "?week=") -> Span:
    """Return a week by its name; ``None``: the last whole one. ``BadRequestError``."""
    current = week_of(label_of(UseKey.WEEK, now, zone), zone)
    if asked is None:
        return week_before(current)
    try:
        week = week_of(asked, zone)
        begin_of(UseKey.WEEK, week_before(week).since, zone)
    except (ValueError, OverflowError) as error:
        such = label_of(UseKey.WEEK, now, zone)
        message = f"{said}{asked} is none: write one such as {such}"
        raise BadRequestError(message) from error
    if week.since >= now:
        message = f"{said}{asked} is still to come: nothing has been held in it"
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
    Route(
        "POST",
        "use/report/trial",
        Access.ADMIN,
        "Send me a week's report now by mail, or to the webhook, as it goes out each week",
        _trial,
        ReportTrial,
        body=ReportTrialRequest,
        refusals=(400, 404),
        asks_hub_anew=True,
    ),
)
