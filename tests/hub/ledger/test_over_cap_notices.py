"""What owners were told of ends over their caps is there after a restart, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, event
from sublet_hub.ledger.database import Database, LedgerWriteError
from sublet_hub.ledger.over_cap_notices import OverCapNotice, OverCapNotices
from sublet_quota.names.ids import SliceId, UserName

NOW = datetime(2026, 12, 2, 9, 30, 0, 123456, tzinfo=UTC)
ADAS = OverCapNotice(SliceId("s1"), UserName("ada"), "big", None, NOW, 42_000, 40_960, 900.0, NOW)
BEAS = OverCapNotice(SliceId("s2"), UserName("bea"), "", "train", NOW, 2**40, 1, 0.5, NOW, NOW)


def test_notices_are_there_after_a_restart_until_others_are_in_their_place(
    database: Database,
) -> None:
    notices = OverCapNotices(database)
    notices.keep_only(ADAS, BEAS)
    assert dict(OverCapNotices(database).kept) == {"s1": ADAS, "s2": BEAS}
    later = replace(ADAS, ended_at=NOW + timedelta(minutes=15))
    notices.keep_only(later)
    assert dict(notices.kept) == dict(OverCapNotices(database).kept) == {"s1": later}
    notices.keep_only()
    assert dict(notices.kept) == dict(OverCapNotices(database).kept) == {}


def test_the_end_of_a_notice_is_to_the_microsecond_the_one_that_was_told(
    database: Database,
) -> None:
    most = timedelta(minutes=15, microseconds=1)
    OverCapNotices(database).keep_only(replace(ADAS, max_over_cap_s=most.total_seconds()))
    (read,) = OverCapNotices(database).kept.values()
    assert (read.max_over_cap, read.ends_at, read.since) == (most, NOW + most, NOW)


def test_what_is_as_it_was_is_not_written_again(database: Database) -> None:
    notices = OverCapNotices(database)
    notices.keep_only(ADAS, BEAS)
    written: list[str] = []

    def note(_c: Connection, _u: object, statement: str, *_rest: object) -> None:
        written.append(statement.split(maxsplit=1)[0])

    event.listen(database.engine, "before_cursor_execute", note)
    notices.keep_only(BEAS, ADAS)
    assert written == []
    notices.keep_only(replace(BEAS, held_mib=7), ADAS)
    event.remove(database.engine, "before_cursor_execute", note)
    assert written == ["DELETE", "INSERT"]
    assert OverCapNotices(database).kept["s2"].held_mib == 7


def test_what_the_database_refuses_is_neither_kept_nor_forgotten(database: Database) -> None:
    notices = OverCapNotices(database)
    notices.keep_only(ADAS)
    with pytest.raises(LedgerWriteError):
        notices.keep_only(replace(BEAS, owner=None))
    assert dict(notices.kept) == dict(OverCapNotices(database).kept) == {"s1": ADAS}
