"""Weeks' reports that go out: made when they are due, and told on to those who are to have them.

What goes to whom is looked up anew each hour, and when the quota document is another: who is no
admin of a group any more is not sent what waits. By webhook each group goes out once.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Final

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.week_report.receivers import (
    Receivers,
    admin_groups,
    part_of,
    receivers_of,
)
from sublet_quota.week_report.tables import title_of
from sublet_quota.wire.announcements import Audience
from sublet_quota.wire.deliveries import MOST_WITHOUT, ReportsInfo
from sublet_quota.wire.week import WeekReport

from sublet_hub.app.loops import Loop, Wakeup
from sublet_hub.delivery.notice import Notice
from sublet_hub.delivery.reported_weeks import MOST_MISSED, ReportedWeeks
from sublet_hub.delivery.sender import Channel
from sublet_hub.errors import BadRequestError, HubUnreachableError
from sublet_hub.ledger.database import LedgerReadError
from sublet_hub.ledger.week_reports import ReportedWeek
from sublet_hub.usage.buckets import week_of
from sublet_hub.usage.due_weeks import due_weeks, next_due
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.week_report import week_reports_of

_LOOK_EVERY_S: Final = 30.0
_ASKED_EVERY_S: Final = 3600.0
_LOG = logging.getLogger(__name__)


class ReportsOut:
    """Makes the reports that are due, and says to whom they go."""

    def __init__(self, service: ServiceParts) -> None:
        self._service = service
        self._weeks: ReportedWeeks | None = service.outbox.weeks
        self._reports: dict[str, WeekReport] = {}
        self._members: Mapping[str, frozenset[str]] = {}
        self._receivers: tuple[QuotaDocument, Receivers] | None = None
        self._asked_at: datetime | None = None

    def loops(self) -> tuple[tuple[Loop, Wakeup], ...]:
        """Return the loops that this takes: none where no reports are sent."""
        if self._weeks is None:
            return ()
        return ((Loop("weekly reports", _LOOK_EVERY_S, self.look), Wakeup()),)

    async def look_at_first(self) -> None:
        """Look, unless that was done: what waits from before a restart is not told as over."""
        if self._weeks is not None and self._weeks.told.next_at is None:
            await self.look()

    @property
    def receivers_are_known(self) -> bool:
        """Whether the hub has said who is in the groups of admins, since the start."""
        return self._weeks is None or self._asked_at is not None

    async def look(self) -> None:
        """Make what is due and was not made, and look to whom it goes."""
        weeks = self._weeks
        if weeks is None:
            return
        problem = await self._look_at_receivers(weeks)
        due = due_weeks(self._service.now(), weeks.settings, MOST_MISSED)
        for week in weeks.missing([each.week for each in due]):
            try:
                report = await self._made(week, weeks)
            except (BadRequestError, LedgerReadError) as error:
                problem = f"the report of {week} cannot be made: {error}"
                _LOG.warning("%s", problem)
                break
            weeks.take(week, await asyncio.to_thread(report.model_dump_json))
        await self._read(weeks)
        self._tell(weeks, problem)

    def notices(self) -> Iterator[Notice]:
        """Return what is to go out now of the weeks that were made."""
        weeks, known = self._weeks, self._receivers
        if weeks is None or known is None:
            return
        _, receivers = known
        for made in weeks.live():
            report = self._reports.get(made.week)
            if report is None:
                continue
            if Channel.MAIL in weeks.settings.by:
                for user, groups in receivers.groups_of.items():
                    yield _notice(Channel.MAIL, made, report, user, groups)
            if Channel.WEBHOOK in weeks.settings.by:
                for each in report.groups:
                    groups = frozenset({each.group})
                    yield _notice(Channel.WEBHOOK, made, report, each.group, groups)

    async def _made(self, week: str, weeks: ReportedWeeks) -> WeekReport:
        span = week_of(week, weeks.settings.zone)
        return await week_reports_of(self._service).report(span)

    async def _read(self, weeks: ReportedWeeks) -> None:
        """Have the reports ready that go out now, and no others."""
        live = {each.week: each for each in weeks.live()}
        self._reports = {name: each for name, each in self._reports.items() if name in live}
        for name in live.keys() - self._reports.keys():
            read = partial(WeekReport.model_validate_json, live[name].report)
            self._reports[name] = await asyncio.to_thread(read)

    async def _look_at_receivers(self, weeks: ReportedWeeks) -> str | None:
        """Look up who is sent what, if it may have become others; return why that is not known."""
        service, known = self._service, self._receivers
        document, now, problem = service.quota.document, service.now(), None
        asked_s = None if self._asked_at is None else (now - self._asked_at).total_seconds()
        is_fresh = asked_s is not None and asked_s < _ASKED_EVERY_S
        if is_fresh and known is not None and known[0] is document:
            return None
        asked = admin_groups(document, weeks.settings.to)
        try:
            self._members = await service.users.members_of(asked)
            self._asked_at = now
        except HubUnreachableError as error:
            problem = f"who is in the groups of admins is not known: {error}"
        self._receivers = document, receivers_of(document, self._members, weeks.settings.to)
        return problem

    def _tell(self, weeks: ReportedWeeks, problem: str | None) -> None:
        """Note what admins are told."""
        last, known = weeks.last, self._receivers
        by_mail = Channel.MAIL in weeks.settings.by
        without = () if known is None or not by_mail else known[1].without
        weeks.told = ReportsInfo(
            next_at=next_due(self._service.now(), weeks.settings),
            week=None if last is None else last.week,
            made_at=None if last is None else last.made_at,
            receivers=0 if known is None or not by_mail else len(known[1].groups_of),
            without=without[:MOST_WITHOUT],
            more_without=max(0, len(without) - MOST_WITHOUT),
            problem=problem,
        )


def _notice(
    channel: Channel,
    made: ReportedWeek,
    report: WeekReport,
    name: str,
    groups: frozenset[str] | None,
) -> Notice:
    return Notice(
        channel,
        f"report-{made.week}",
        Audience.OWNER if channel is Channel.MAIL else Audience.GROUP,
        name,
        title_of(report),
        from_admin=False,
        made_at=made.made_at,
        until=made.until,
        report=lambda: part_of(report, groups).model_dump_json(),
        part=groups,
    )
