"""Who waits in line is there after a restart: one entry a server."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sublet_hub.ledger.database import Database, LedgerWriteError
from sublet_hub.ledger.queued_servers import QueuedServerStore, QueueEntry
from sublet_quota.names.ids import SliceId, UserName

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
ADA = QueueEntry("r1", UserName("ada"), "", {"size": "small"}, 2**30, NOW)


def test_entries_are_there_after_a_restart_until_they_are_dropped(database: Database) -> None:
    store = QueuedServerStore(database)
    named = replace(ADA, request_id="r2", server="big")
    for each in (ADA, named):
        store.keep(each)
    kept = QueuedServerStore(database).kept
    assert dict(kept) == {("ada", ""): ADA, ("ada", "big"): named}
    store.drop(("ada", ""))
    store.drop(("no", "such"))
    assert dict(store.kept) == dict(QueuedServerStore(database).kept) == {("ada", "big"): named}


def test_a_server_has_one_entry_the_last(database: Database) -> None:
    store = QueuedServerStore(database)
    store.keep(ADA)
    after = replace(ADA, request={"size": "large"}, slice_id=SliceId("s1"), turn_at=NOW)
    store.keep(after)
    assert list(QueuedServerStore(database).kept.values()) == [after]
    assert list(store.kept.values()) == [after]


def test_whatever_was_asked_for_is_read_as_it_was(database: Database) -> None:
    asked = {"size": "a\0b\ud800", "start_options": {"deep": [1, None, {"x": "é"}]}}
    QueuedServerStore(database).keep(replace(ADA, request=asked))
    (kept,) = QueuedServerStore(database).kept.values()
    assert kept.request == asked


def test_what_the_database_refuses_is_neither_kept_nor_forgotten(database: Database) -> None:
    store = QueuedServerStore(database)
    store.keep(ADA)
    with pytest.raises(LedgerWriteError):
        store.keep(replace(ADA, server="other"))
    assert dict(store.kept) == dict(QueuedServerStore(database).kept) == {("ada", ""): ADA}
