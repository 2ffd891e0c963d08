"""A week by group, beside the week before: put together from the reports of each of its parts."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sublet_quota.budgets.charge import HeldKind
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.wire.use import KindHours, UseKey, UseRow, WaitedRow
from sublet_quota.wire.week import (
    MOST_IDLE,
    GroupWeek,
    IdleHolder,
    WeekNumbers,
    WeekRefusal,
    WeekReport,
    WeekWait,
)

from sublet_hub.ledger.refusals import AskerSum, RefusalQuery
from sublet_hub.usage.buckets import Span, label_of, week_before
from sublet_hub.usage.refusals import Refusals
from sublet_hub.usage.refused_groups import by_group
from sublet_hub.usage.reports import UseQuestion, UseReports
from sublet_hub.usage.waited import WaitedReports

_NO_HOURS: Final = KindHours(
    held=0, borrowed=0, charged=0, credited=0, **dict.fromkeys(HeldKind, 0.0)
)
_NO_NUMBERS: Final = WeekNumbers(
    hours=_NO_HOURS, energy_wh=None, carbon_g=None, waits=(), refusals=()
)


@dataclass(frozen=True, slots=True)
class WeekReports:
    """The reports of weeks by group, and of which others they are put together."""

    use: UseReports
    waited: WaitedReports
    refusals: Refusals
    document: Callable[[], QuotaDocument]
    """Tells the one in force, by which those who were refused are of groups."""
    now: Callable[[], datetime]

    async def report(self, week: Span, groups: frozenset[str] | None = None) -> WeekReport:
        """Return the report of a whole week, or of what of it has been; ``groups``: these alone.

        ``BadRequestError`` where there is too much of it; ``LedgerReadError``.
        """
        now = self.now()
        told = Span(week.since, min(week.until, now), week.zone)
        of_week = await self._numbers(told, groups)
        before = await self._numbers(week_before(week), groups)
        idle = await self._idle(told, groups)
        return WeekReport(
            week=label_of(UseKey.WEEK, week.since, week.zone),
            since=told.since,
            until=told.until,
            is_over=week.until <= now,
            zone=str(week.zone),
            carbon=self.use.carbon,
            groups=tuple(
                GroupWeek(
                    group=group,
                    week=of_week.get(group, _NO_NUMBERS),
                    before=before.get(group, _NO_NUMBERS),
                    idle=idle.get(group, ()),
                )
                for group in sorted({*of_week, *before}, key=lambda name: (not name, name))
            ),
        )

    async def _numbers(
        self, span: Span, groups: frozenset[str] | None
    ) -> Mapping[str, WeekNumbers]:
        question = UseQuestion(span, (UseKey.GROUP, UseKey.KIND), groups=groups)
        used = {_group(row): row for row in await self.use.rows(question)}
        waits: defaultdict[str, list[WaitedRow]] = defaultdict(list)
        for row in await self.waited.rows(UseQuestion(span, (UseKey.GROUP,), groups=groups)):
            waits[_group(row)].append(row)
        query = RefusalQuery(since=span.since, until=span.until)
        asked = await self.refusals.of_askers(query)
        refused = refused_by_group(asked, self.document(), groups)
        return {
            group: WeekNumbers(
                hours=_hours(used.get(group)),
                energy_wh=used[group].energy_wh if group in used else None,
                carbon_g=used[group].carbon_g if group in used else None,
                waits=tuple(_wait(row) for row in waits.get(group, ())),
                refusals=refused.get(group, ()),
            )
            for group in {*used, *waits, *refused}
        }

    async def _idle(
        self, span: Span, groups: frozenset[str] | None
    ) -> Mapping[str, tuple[IdleHolder, ...]]:
        by = (UseKey.GROUP, UseKey.OWNER, UseKey.KIND)
        rows = await self.use.rows(UseQuestion(span, by, groups=groups))
        found: defaultdict[str, list[IdleHolder]] = defaultdict(list)
        for row in rows:
            hours = _hours(row)
            if hours.idle > 0:
                holder = IdleHolder(owner=row.of["owner"], held=hours.held, idle=hours.idle)
                found[_group(row)].append(holder)
        return {
            group: tuple(sorted(each, key=lambda one: (-one.idle, one.owner))[:MOST_IDLE])
            for group, each in found.items()
        }


def refused_by_group(
    asked: Iterable[AskerSum], document: QuotaDocument, groups: Collection[str] | None
) -> dict[str, tuple[WeekRefusal, ...]]:
    """Return what was refused to members of each group, the most frequent first.

    Who is a direct member of several counts in each of them, of none in ``""``. Pure.
    """
    found: defaultdict[str, list[WeekRefusal]] = defaultdict(list)
    for each in by_group(asked, document, groups):
        told = each.sum
        found[each.group].append(WeekRefusal(code=told.code, times=told.times, owners=told.owners))
    return {group: tuple(codes) for group, codes in found.items()}


def _group(row: UseRow | WaitedRow) -> str:
    return row.of[UseKey.GROUP]


def _hours(row: UseRow | None) -> KindHours:
    return _NO_HOURS if row is None or row.kinds is None else row.kinds


def _wait(row: WaitedRow) -> WeekWait:
    return WeekWait(kind=row.kind, count=row.count, median_s=row.median_s, p95_s=row.p95_s)
