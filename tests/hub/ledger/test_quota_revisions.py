"""The revisions of the quota document, on both databases: bounded, and the one in force is kept."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sublet_hub.ledger import quota_revisions
from sublet_hub.ledger.database import Database, LedgerReadError, LedgerWriteError
from sublet_hub.ledger.quota_revisions import QuotaRevision, QuotaRevisionStore, WrittenRevision

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def a_revision(number: int, text: str = "everyone: {}\n", reason: str = "more") -> WrittenRevision:
    return WrittenRevision(QuotaRevision(number, "root", NOW, reason, number), text)


def test_the_newest_is_in_force_after_a_restart_and_each_is_there_as_it_was_written(
    database: Database,
) -> None:
    store = QuotaRevisionStore(database)
    assert (store.newest(), store.listed(), store.with_the_one_before(1)) == (None, (), None)
    one, two = a_revision(1), a_revision(2, "# für\r\n\u2028alle\t\n")
    store.add(one)
    store.add(two)
    again = QuotaRevisionStore(database)
    assert again.newest() == two
    assert again.listed() == (two.about, one.about)
    assert again.listed(after=1) == (two.about,)
    assert again.with_the_one_before(2) == (two, one)
    assert again.with_the_one_before(1) == (one, None)
    assert again.with_the_one_before(3) is None


def test_a_revision_that_is_there_is_not_written_over(database: Database) -> None:
    store = QuotaRevisionStore(database)
    store.add(a_revision(1))
    with pytest.raises(LedgerWriteError):
        store.add(a_revision(1, "other: 1\n"))
    assert store.newest() == a_revision(1)


def test_the_newest_are_kept_and_no_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota_revisions, "MOST_REVISIONS", 3)
    store = QuotaRevisionStore(database)
    for number in range(1, 6):
        store.add(a_revision(number))
    assert [each.revision for each in store.listed()] == [5, 4, 3]
    assert store.with_the_one_before(3) == (a_revision(3), None)


def test_large_ones_take_no_more_room_than_they_may_and_the_one_in_force_is_kept(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota_revisions, "MOST_BYTES", 100)
    store = QuotaRevisionStore(database)
    for number, size in ((1, 10), (2, 60), (3, 30)):
        store.add(a_revision(number, "#" * size))
    assert [each.revision for each in store.listed()] == [3, 2, 1]
    store.add(a_revision(4, "#" * 40))
    assert [each.revision for each in store.listed()] == [4, 3]
    store.add(a_revision(5, "#" * 500))
    assert store.listed() == (a_revision(5).about,)
    newest = store.newest()
    assert newest is not None
    assert len(newest.text) == 500


def test_what_no_database_takes_of_a_reason_is_stored_without_it(database: Database) -> None:
    store = QuotaRevisionStore(database)
    made = a_revision(1, reason="a\0b")
    store.add(replace(made, about=replace(made.about, author="r\ud800" + "x" * 300)))
    (about,) = store.listed()
    assert (about.reason, about.author[:2], len(about.author.encode())) == (
        "a\ufffdb",
        "r\ufffd",
        255,
    )


def test_a_database_without_the_table_is_an_error_that_is_told(database: Database) -> None:
    store = QuotaRevisionStore(database)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE quota_revisions")
    with pytest.raises(LedgerWriteError):
        store.add(a_revision(1))
    for ask in (store.newest, store.listed, lambda: store.with_the_one_before(1)):
        with pytest.raises(LedgerReadError):
            ask()
