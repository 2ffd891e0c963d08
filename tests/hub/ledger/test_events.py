"""What an event of the service's own says, and how pages of events are found."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sublet_hub.ledger.database import EventQuery
from sublet_hub.ledger.events import job_event
from sublet_quota.wire.event_kinds import EventKind

from tests.support.ledger_records import a_job_record
from tests.support.migrated_ledger import migrated_ledger

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
BEFORE = NOW, "e1"
PAGES = {
    "the newest of all": EventQuery(None, None, 32),
    "a later page of all": EventQuery(NOW, None, 32, before=BEFORE),
    "the newest of an owner": EventQuery(NOW, "ada", 32),
    "a later page of an owner": EventQuery(None, "ada", 32, before=BEFORE),
}


def test_an_event_has_of_a_jobs_own_words_what_takes_little_room() -> None:
    job = a_job_record("j1", "ada", submitted_at=NOW)
    told = job_event(EventKind.JOB_ENDED, job, NOW, "\N{GRINNING FACE}" * 4000)
    assert told.detail.startswith("j1: \N{GRINNING FACE}")
    assert told.detail.endswith("…")
    assert 490 < len(told.detail.encode()) <= 500


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_of_events_is_found_without_sorting_however_many_are_of_one_moment(
    tmp_path: Path, page: EventQuery
) -> None:
    database = migrated_ledger(tmp_path / "ledger.sqlite")
    asked: list[tuple[str, Any]] = []

    def note(*told: Any) -> None:
        asked.append((told[2], told[3]))

    sa.event.listen(database.engine, "before_cursor_execute", note)
    database.events(page)
    sa.event.remove(database.engine, "before_cursor_execute", note)
    with database.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[0][0]}", asked[0][1])
        steps = [row[-1] for row in plan]
    database.close()
    assert all("USING INDEX" in step for step in steps), steps
