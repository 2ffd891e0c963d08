"""How long was waited over a time: for turns in line, for jobs to begin, for cells to run."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from sublet_quota.closed_loop.outcome.waits import waits_info
from sublet_quota.wire.use import UseKey, WaitedKind, WaitedReport, WaitedRow

from sublet_hub.errors import BadRequestError
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.waited import WaitedRow as Waited
from sublet_hub.ledger.waited import WaitedStore
from sublet_hub.usage.buckets import TIME_KEYS, Span, label_of
from sublet_hub.usage.csv_table import csv_table
from sublet_hub.usage.recorded.stretches import unpacked
from sublet_hub.usage.reports import UseQuestion

WAITED_BY: Final = (UseKey.OWNER, UseKey.GROUP, *TIME_KEYS)
_MOST_WAITS: Final = 2_000_000
_AT_ONCE: Final = timedelta(seconds=1)
_NUMBERS: Final = tuple(name for name in WaitedRow.model_fields if name not in {"kind", "of"})

_Key = tuple[WaitedKind, tuple[str, ...]]


class WaitedReports:
    """The reports: one at a time, beside the loop."""

    def __init__(self, database: Database) -> None:
        self._store = WaitedStore(database)
        self._turn = asyncio.Lock()

    async def report(self, question: UseQuestion) -> bytes:
        """Return a report as JSON, or as CSV; the rules are those of ``rows``."""
        _check(question)
        async with self._turn:
            return await asyncio.to_thread(self._report, question)

    async def rows(self, question: UseQuestion) -> tuple[WaitedRow, ...]:
        """Return a report's rows.

        ``BadRequestError`` for one by what waits are not known by, and for too many;
        ``LedgerReadError``.
        """
        _check(question)
        async with self._turn:
            return await asyncio.to_thread(self._rows, question)

    def _report(self, question: UseQuestion) -> bytes:
        span, rows = question.span, self._rows(question)
        if question.as_csv:
            return csv_table(
                ("kind", *question.by, *_NUMBERS),
                (
                    (
                        row.kind,
                        *(row.of[key] for key in question.by),
                        *(getattr(row, name) for name in _NUMBERS),
                    )
                    for row in rows
                ),
            )
        report = WaitedReport(since=span.since, until=span.until, zone=str(span.zone), rows=rows)
        return report.model_dump_json().encode()

    def _rows(self, question: UseQuestion) -> tuple[WaitedRow, ...]:
        waited: defaultdict[_Key, list[timedelta]] = defaultdict(list)
        for number, (kind, each) in enumerate(self._all(question.span, question.owner)):
            if question.is_paid_by(each.group):
                values = tuple(_value(each, key, question.span) for key in question.by)
                waited[kind, values].append(each.waited)
            if number >= _MOST_WAITS:
                message = f"there are more than {_MOST_WAITS} waits: ask for less time"
                raise BadRequestError(message)
        order = list(WaitedKind)
        keys = sorted(waited, key=lambda key: (order.index(key[0]), key[1]))
        return tuple(_row(key, question.by, waited[key]) for key in keys)

    def _all(self, span: Span, owner: str | None) -> Iterator[tuple[WaitedKind, Waited]]:
        times = span.since, span.until, owner
        return chain(
            ((WaitedKind.NOTEBOOK, each) for each in self._store.turns(*times)),
            ((WaitedKind.JOB, each) for each in self._store.jobs(*times)),
            ((WaitedKind.CELL, each) for each in self._cells(*times)),
        )

    def _cells(self, since: datetime, until: datetime, owner: str | None) -> Iterator[Waited]:
        for row in self._store.cells(since, until, owner):
            for stretch in unpacked(row.stretches):
                if since <= stretch.began < until:
                    yield Waited(row.owner, row.group, stretch.began, stretch.waited)


def _check(question: UseQuestion) -> None:
    """Raise ``BadRequestError`` for what waits are not known by."""
    unknown = set(question.by).difference(WAITED_BY)
    if unknown:
        message = f"?by={min(unknown)}: waits are known by {', '.join(WAITED_BY)}"
        raise BadRequestError(message)
    if sum(key in TIME_KEYS for key in question.by) > 1:
        message = f"?by= takes one of {', '.join(TIME_KEYS)} at once"
        raise BadRequestError(message)


def _value(waited: Waited, key: UseKey, span: Span) -> str:
    match key:
        case UseKey.OWNER:
            return waited.owner
        case UseKey.GROUP:
            return waited.group or ""
        case _:
            return label_of(key, waited.at, span.zone)


def _row(key: _Key, by: Sequence[UseKey], waited: Sequence[timedelta]) -> WaitedRow:
    kind, values = key
    found = waits_info(waited)
    return WaitedRow(
        kind=kind.value,
        of={name.value: value for name, value in zip(by, values, strict=True)},
        count=found.count,
        at_once=sum(each <= _AT_ONCE for each in waited),
        median_s=found.half_s,
        p95_s=found.of_95_s,
        longest_s=found.most_s,
    )
