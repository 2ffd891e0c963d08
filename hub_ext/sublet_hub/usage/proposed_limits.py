"""Limits by past use: which one would have refused a stated part of the hours that were held."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import timedelta
from fractions import Fraction
from typing import Final

from sublet_quota.closed_loop.outcome.tight_limits import HeldLevels
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.card_policy import counted_type
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.wire.use import LimitsReport, ProposedLimit

from sublet_hub.errors import BadRequestError
from sublet_hub.ledger.database import Database
from sublet_hub.usage.buckets import Span
from sublet_hub.usage.csv_table import csv_table

MOST_PERIODS: Final = 500_000
"""Of more a report would take some minutes."""
_CARD_UNITS: Final = 10**9
"""In how many parts of a card it is counted what is held."""
_DIGITS: Final = 6
_US: Final = timedelta(microseconds=1)
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
        of_type = self._levels(span)
        limits = [
            ProposedLimit(
                group=limit.group,
                gpu_type=gpu_type,
                of_each=limit.of_each,
                cards=round(limit.cards, _DIGITS),
                most=round(limit.most, _DIGITS),
                held_hours=round(limit.held_h, _DIGITS),
            )
            for gpu_type in sorted(of_type, key=lambda name: (name is not None, name or ""))
            for limit in of_type[gpu_type].limits(part)
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

    def _levels(self, span: Span) -> Mapping[str | None, HeldLevels]:
        """Return what was held of each type, and of all; a step is let go as soon as it is read.

        Many kept at once would stop the whole service while Python looks for garbage among them.
        """
        levels: defaultdict[str | None, HeldLevels] = defaultdict(lambda: HeldLevels(_CARD_UNITS))
        document, types, periods = self._document(), {}, 0
        for step in self._database.held_steps(span.since, span.until):
            periods += step.begins
            if periods > MOST_PERIODS:
                message = f"more than {MOST_PERIODS} slices were held: ask for less time"
                raise BadRequestError(message)
            if step.gpu_type not in types:
                types[step.gpu_type] = counted_type(document, step.gpu_type)
            group = None if step.group is None else GroupName(step.group)
            units = round(step.cards * _CARD_UNITS) * (1 if step.begins else -1)
            at_us = (max(step.at, span.since) - span.since) // _US
            for gpu_type in (None, types[step.gpu_type]):
                levels[gpu_type].step(group, UserName(step.owner), at_us, units)
        for each in levels.values():
            each.end((span.until - span.since) // _US)
        return levels
