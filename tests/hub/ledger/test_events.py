"""What an event of the service's own says."""

from datetime import UTC, datetime

from sublet_hub.ledger.events import job_event
from sublet_quota.wire.event_kinds import EventKind

from tests.support.ledger_records import a_job_record

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def test_an_event_has_of_a_jobs_own_words_what_takes_little_room() -> None:
    job = a_job_record("j1", "ada", submitted_at=NOW)
    told = job_event(EventKind.JOB_ENDED, job, NOW, "\N{GRINNING FACE}" * 4000)
    assert told.detail.startswith("j1: \N{GRINNING FACE}")
    assert told.detail.endswith("…")
    assert 490 < len(told.detail.encode()) <= 500
