"""The file of services of before is taken over by the ledger once, and takes nothing from it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sublet_hub.ledger.database import Database, LedgerWriteError
from sublet_hub.ledger.over_cap_notices import OverCapNotice, OverCapNotices
from sublet_hub.slices.over_caps_of_before import FILE, take_over
from sublet_quota.names.ids import SliceId, UserName

from tests.support.migrated_ledger import migrated_ledger

NOW = datetime(2026, 12, 2, 9, 30, 0, 123456, tzinfo=UTC)
ADAS = OverCapNotice(SliceId("s1"), UserName("ada"), "big", None, NOW, 42_000, 40_960, 900.0, NOW)
OF_BEFORE = {
    "owner": "ada",
    "server": "big",
    "job": None,
    "since": NOW.isoformat(),
    "use": {"held_mib": 42_000, "cap_mib": 40_960},
    "max_over_cap": "PT15M",
    "told_at": NOW.isoformat(),
    "ended_at": None,
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = migrated_ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()


def test_the_file_is_taken_over_and_gone(tmp_path: Path, database: Database) -> None:
    (tmp_path / FILE).write_text(json.dumps({"s1": OF_BEFORE}))
    take_over(tmp_path, OverCapNotices(database))
    assert not (tmp_path / FILE).exists()
    take_over(tmp_path, OverCapNotices(database))
    assert dict(OverCapNotices(database).kept) == {"s1": ADAS}


def test_what_the_ledger_knows_stays_and_the_rest_is_taken_over(
    tmp_path: Path, database: Database
) -> None:
    notices, since = OverCapNotices(database), replace(ADAS, ended_at=NOW)
    notices.keep_only(since)
    (tmp_path / FILE).write_text(json.dumps({"s1": OF_BEFORE, "s2": {**OF_BEFORE, "job": "train"}}))
    take_over(tmp_path, notices)
    others = replace(ADAS, slice_id=SliceId("s2"), job="train")
    assert dict(OverCapNotices(database).kept) == {"s1": since, "s2": others}


def test_a_database_that_takes_nothing_leaves_the_file(tmp_path: Path, database: Database) -> None:
    text = json.dumps({"s1": OF_BEFORE})
    (tmp_path / FILE).write_text(text)
    notices = OverCapNotices(database)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE over_cap_notices")
    with pytest.raises(LedgerWriteError):
        take_over(tmp_path, notices)
    assert (tmp_path / FILE).read_text() == text


@pytest.mark.parametrize("text", ["", "[]", '{"s1": {"owner": 1}}', "\x00"])
def test_what_nobody_can_read_is_left_aside(
    tmp_path: Path, database: Database, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_text(text)
    take_over(tmp_path, OverCapNotices(database))
    assert dict(OverCapNotices(database).kept) == {}
    assert not (tmp_path / FILE).exists()
    assert "cannot be read" in caplog.text


def test_without_a_file_nothing_is_written(tmp_path: Path, database: Database) -> None:
    take_over(tmp_path, OverCapNotices(database))
    assert dict(OverCapNotices(database).kept) == {}
