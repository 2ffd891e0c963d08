"""Limits by past use: which one would have refused a stated part of the hours that were held."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from fractions import Fraction
from typing import Final

from sublet_quota.closed_loop.outcome.tight_limits import tight_limits
from sublet_quota.closed_loop.record.records import HeldSlice, Who
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GroupName, SliceId, UserName
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.use import LimitsReport, ProposedLimit

from sublet_hub.errors import BadRequestError
from sublet_hub.ledger.database import Database
from sublet_hub.usage.buckets import Span
from sublet_hub.usage.csv_table import csv_table
from sublet_hub.usage.reports import by_types_of

MOST_PERIODS: Final = 500_000
"""Each is noted four times: of more a month would take a gibibyte."""
_HUNDRED: Final = 100
_COLUMNS: Final = tuple(ProposedLimit.model_fields)


class ProposedLimits:
    """The reports: one at a time, beside the loop."""

    def __init__(self, database: Database, document: Callable[[], QuotaDocument]) -> None:
        """``document``: tells the one in force, by whose types cards are counted."""
        self._database = database
        self._document = document
        self._turn = asyncio.Lock()

    async def report(self, span: Span, refused_percent: int, *, as_csv: bool) -> bytes:
        """Return the limits as JSON, or as CSV: of each type, and of all of them together.

        ``BadRequestError`` where too much was held; ``LedgerReadError``.
        """
        async with self._turn:
            return await asyncio.to_thread(self._report, span, refused_percent, as_csv=as_csv)

    def _report(self, span: Span, refused_percent: int, *, as_csv: bool) -> bytes:
        part = Fraction(refused_percent, _HUNDRED)
        of_type: defaultdict[str | None, list[HeldSlice]] = defaultdict(list)
        for each in self._held(span):
            of_type[None].append(each)
            of_type[each.gpu_type].append(each)
            if len(of_type[None]) > MOST_PERIODS:
                message = f"more than {MOST_PERIODS} slices were held: ask for less time"
                raise BadRequestError(message)
        limits = [
            ProposedLimit(
                group=limit.group,
                gpu_type=gpu_type,
                of_each=limit.of_each,
                cards=limit.cards,
                most=limit.most,
                held_hours=limit.held_h,
            )
            for gpu_type in sorted(of_type, key=lambda name: (name is not None, name or ""))
            for limit in tight_limits(of_type[gpu_type], span.since, part)
        ]
        if as_csv:
            return csv_table(
                _COLUMNS,
                (
                    tuple(
                        str(value).lower() if isinstance(value, bool) else value
                        for value in (getattr(limit, name) for name in _COLUMNS)
                    )
                    for limit in limits
                ),
            )
        report = LimitsReport(
            since=span.since,
            until=span.until,
            refused_percent=refused_percent,
            limits=tuple(limits),
        )
        return report.model_dump_json().encode()

    def _held(self, span: Span) -> Iterator[HeldSlice]:
        periods = self._database.held_periods(span.since, span.until)
        for period in by_types_of(self._document(), periods):
            began: datetime = max(period.began_at, span.since)
            ended = span.until if period.ended_at is None else min(period.ended_at, span.until)
            if ended <= began or period.gpu_type is None:
                continue
            group = None if period.group is None else GroupName(period.group)
            is_job = period.holder == Holder.JOB.value
            yield HeldSlice(
                SliceId(period.slice_id),
                Who(UserName(period.owner), group, is_job=is_job),
                period.gpu_type,
                period.cards,
                began,
                ended,
            )
