"""Begins and ends of what was held, in their order: what limits by past use are found from."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.tables import HELD_PERIODS
from sublet_hub.usage.buckets import Span
from sublet_hub.usage.proposed_limits import ProposedLimits
from sublet_quota.document.reading import read_quota_document
from sublet_quota.wire.use import LimitsReport

from tests.support.past_use import Habit, store_past

pytestmark = pytest.mark.asyncio

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DOCUMENT = read_quota_document("gpu_types: {H100: {match: '*H100*'}}\ngroups: {lab: {}}\n")


async def test_steps_come_in_order_and_as_many_end_as_begin(database: Database) -> None:
    store_past(database, {"ada": "lab", "bob": None, "eve": "lab"}, 3, NOON, Habit(days=1))
    steps = list(database.held_steps(NOON - 100 * HOUR, NOON))
    assert [each.at for each in steps] == sorted(each.at for each in steps)
    assert len(steps) == 18
    assert sum(each.cards if each.begins else -each.cards for each in steps) == 0
    assert {each.at.tzinfo for each in steps} == {UTC}


async def test_what_began_before_and_what_goes_on_count_within_the_time(
    database: Database,
) -> None:
    store_past(database, {"ada": "lab"}, 1, NOON, Habit(days=1))
    values = {"began_at": NOON - 9 * HOUR, "ended_at": None, "memory_mib": 1}
    with database.writing() as connection:
        connection.execute(sa.update(HELD_PERIODS).values(values))
    limits = ProposedLimits(database, lambda: DOCUMENT)
    body = await limits.report(Span(NOON - 4 * HOUR, NOON), 10, as_csv=False)
    report = LimitsReport.model_validate_json(body)
    assert {(each.most, each.held_hours, each.cards) for each in report.limits} == {
        (0.25, 1.0, 0.225)
    }
