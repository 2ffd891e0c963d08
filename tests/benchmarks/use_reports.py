"""How long reports of use take: 10,000 users, who held slices on a fifth of 90 days.

Each report is made as for who asks: read of the ledger (SQLite), added up, and written as JSON.
Beside it, for hours by what became of them, the database adds up the same rows by itself: what
comes out must be the same. Meanwhile somebody looks how long the service's loop serves nobody.
Run it: ``PYTHONPATH=. python tests/benchmarks/use_reports.py``.
"""

import argparse
import asyncio
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.tables import CHARGED_HOURS
from sublet_hub.usage.buckets import Span
from sublet_hub.usage.proposed_limits import ProposedLimits
from sublet_hub.usage.reports import UseQuestion, UseReports
from sublet_hub.usage.store import UseStore
from sublet_hub.usage.waited import WaitedReports
from sublet_quota.budgets.charge import US_PER_HOUR
from sublet_quota.document.reading import read_quota_document
from sublet_quota.wire.use import UseKey, UseReport

from tests.benchmarks.long_lists import watched
from tests.support.migrated_ledger import migrated_ledger
from tests.support.past_use import Habit, store_past

DAYS: Final = 90
GROUPS: Final = 100
HABIT: Final = Habit(days=0.2, hours=4)
ZONE: Final = ZoneInfo("Europe/Berlin")
DOCUMENT: Final = read_quota_document(
    "gpu_types: {H100: {match: '*H100*'}, A100: {match: '*A100*'}}\n"
    f"groups: {{{', '.join(f'group-{number}: {{}}' for number in range(GROUPS))}}}\n"
)
K: Final = UseKey

Ask = Callable[[], Awaitable[bytes]]


def asked_of(database: Database, until: datetime) -> dict[str, Ask]:
    """Return the reports that the console's view asks for, by their names."""
    use = UseReports(database, UseStore(database), lambda: DOCUMENT)
    waited, limits = WaitedReports(database), ProposedLimits(database, lambda: DOCUMENT)
    found: dict[str, Ask] = {}
    for days in (7, 30, DAYS):
        span = Span(until - timedelta(days=days), until, ZONE)

        def asks(by: tuple[UseKey, ...], owner: str | None = None, span: Span = span) -> Ask:
            return lambda: use.report(UseQuestion(span, by, owner))

        def limits_of(span: Span = span) -> Ask:
            return lambda: limits.report(span, 1, as_csv=False)

        def waits_of(span: Span = span) -> Ask:
            return lambda: waited.report(UseQuestion(span, (K.GROUP,)))

        found |= {
            f"use, by group and kind, {days} d": asks((K.GROUP, K.KIND)),
            f"use, by day and kind, {days} d": asks((K.DAY, K.KIND)),
            f"use, by owner and kind, {days} d": asks((K.OWNER, K.KIND)),
            f"use, one owner's, {days} d": asks((K.DAY, K.KIND), "user-7"),
            f"use/waits by group, {days} d": waits_of(),
            f"use/limits, {days} d": limits_of(),
        }
    return found


def by_the_database(database: Database, since: datetime, until: datetime) -> dict[str, float]:
    """Return each group's hours, added up by the database alone: the baseline."""
    columns = CHARGED_HOURS.c
    hours = sa.func.sum(columns.card_us) / float(US_PER_HOUR)
    found = (
        sa.select(columns.payer, hours)
        .where(columns.hour >= since, columns.hour < until)
        .group_by(columns.payer, columns.model, columns.kind)
    )
    sums: dict[str, float] = {}
    with database.reading() as connection:
        for payer, held in connection.execute(found):
            sums[payer] = sums.get(payer, 0.0) + held
    return sums


async def measure(database: Database, until: datetime) -> None:
    """Print how long each report took, and how long the loop stood still meanwhile."""
    for name, ask in asked_of(database, until).items():
        stall_ms = [0.0]
        began, cpu = time.perf_counter(), time.process_time()
        async with watched(stall_ms):
            body = await ask()
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        print(
            f"{name:36} {took_s:7.2f} s, {cpu_s:6.2f} s of a processor, {len(body) / 1000:7.0f} kB,"
            f" loop stood still {stall_ms[0]:5.0f} ms"
        )


async def compare(database: Database, until: datetime) -> None:
    """Print the database's own time beside the report's, and see that both say the same."""
    since = until - timedelta(days=DAYS)
    began = time.perf_counter()
    expected = by_the_database(database, since, until)
    took_s = time.perf_counter() - began
    body = await asked_of(database, until)[f"use, by group and kind, {DAYS} d"]()
    report = UseReport.model_validate_json(body)
    told = {row.of["group"]: row.kinds.held for row in report.rows if row.kinds is not None}
    assert told == pytest.approx(expected, rel=1e-6), "report and database differ"
    print(f"baseline: the database alone adds up {DAYS} d by group in {took_s:.2f} s")


def main() -> None:
    """Fill a ledger, and print all times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000)
    users = parser.parse_args().users
    people = {f"user-{number}": f"group-{number % GROUPS}" for number in range(users)}
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    print(f"Python {sys.version.split()[0]} on {platform.machine()}, SQLite")
    with tempfile.TemporaryDirectory(prefix="sublet-use-") as name:
        database = migrated_ledger(Path(name) / "ledger.sqlite")
        store_past(database, people, DAYS, until, HABIT)
        with database.reading() as connection:
            count = sa.select(sa.func.count()).select_from(CHARGED_HOURS)
            rows = connection.execute(count).scalar_one()
        print(f"{users} users, {DAYS} days: {rows} rows of hours by kind")
        asyncio.run(measure(database, until))
        asyncio.run(compare(database, until))


if __name__ == "__main__":
    main()
