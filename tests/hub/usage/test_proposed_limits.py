"""Limits by past use are found without all that was held being there at once, and beside others."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
import sqlalchemy as sa
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.held_periods import HeldStep
from sublet_hub.usage.buckets import Span
from sublet_hub.usage.proposed_limits import ProposedLimits
from sublet_quota.document.reading import read_quota_document
from sublet_quota.wire.use import LimitsReport

from tests.support.hub_world import HubWorld
from tests.support.past_use import store_past

pytestmark = pytest.mark.asyncio

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SPAN = Span(NOON - timedelta(days=30), NOON)
DOCUMENT = read_quota_document("gpu_types: {H100: {match: '*H100*'}}\ngroups: {lab: {}}\n")
PEOPLE: dict[str, str | None] = {"ada": "lab", "bob": "lab", "eve": None}


class ManySteps:
    """A ledger with very many short periods of one owner; Python's objects are counted as it is
    read.
    """

    def __init__(self, periods: int) -> None:
        self._periods = periods
        self.more_objects = 0

    def held_steps(self, since: datetime, until: datetime) -> Iterator[HeldStep]:
        assert since < until
        gc.collect()
        before = len(gc.get_objects())
        for number in range(self._periods):
            at = since + number * timedelta(minutes=1)
            for begins in (True, False):
                told = at if begins else at + timedelta(seconds=30)
                yield HeldStep(told, begins, "ada", "lab", "NVIDIA H100", Fraction(1, 4))
        gc.collect()
        self.more_objects = len(gc.get_objects()) - before


async def test_of_what_is_read_nothing_is_kept() -> None:
    ledger = ManySteps(5000)
    limits = ProposedLimits(ledger, lambda: DOCUMENT)  # type: ignore[arg-type]
    body = await limits.report(SPAN, 1, as_csv=False)
    report = LimitsReport.model_validate_json(body)
    assert {each.held_hours for each in report.limits} == {round(5000 / 480, 6)}
    assert ledger.more_objects < 1000


@contextmanager
def standing_still(database: Database) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Let each reading of held periods stand still: ``reached`` is set then, until ``go`` is."""
    reached, go = threading.Event(), threading.Event()

    def wait(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "held_periods" in statement and "UNION ALL" in statement:
            reached.set()
            go.wait(60)

    sa.event.listen(database.engine, "before_cursor_execute", wait)
    try:
        yield reached, go
    finally:
        go.set()
        sa.event.remove(database.engine, "before_cursor_execute", wait)


async def test_others_are_answered_while_limits_are_found(world: HubWorld) -> None:
    database = world.service.use._database
    store_past(database, PEOPLE, 3, datetime.now(UTC))
    with standing_still(database) as (reached, go):
        asked = asyncio.ensure_future(world.call("GET", "use/limits", world.admin()))
        assert await asyncio.to_thread(reached.wait, 60)
        assert (await world.call("GET", "share", world.user("ada")))[0] == 200
        assert (await world.call("GET", "use?by=owner", world.user("ada")))[0] == 200
        assert not asked.done()
        go.set()
        status, report = await asked
    assert (status, bool(report["limits"])) == (200, True)
