"""What is remembered of idle servers is there after a restart."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sublet_hub.ledger.database import Database, LedgerWriteError
from sublet_hub.ledger.idle_servers import IdleNote, IdleNotes
from sublet_quota.names.ids import SliceId, UserName

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
ADAS = IdleNote(SliceId("s1"), UserName("ada"), "big", NOW, 3600.0, warned_at=NOW)
BEAS = IdleNote(SliceId("s2"), UserName("bea"), "", NOW, 0.5, extended_until=NOW)


def test_notes_are_there_after_a_restart_until_others_are_in_their_place(
    database: Database,
) -> None:
    notes = IdleNotes(database)
    notes.keep(ADAS, BEAS)
    later = replace(ADAS, warned_at=None, ended_at=NOW + timedelta(hours=1))
    notes.keep(later)
    assert dict(notes.kept) == dict(IdleNotes(database).kept) == {"s1": later, "s2": BEAS}
    notes.drop(SliceId("s1"), SliceId("no-such"))
    assert dict(notes.kept) == dict(IdleNotes(database).kept) == {"s2": BEAS}
    notes.keep()
    notes.drop()
    assert dict(notes.kept) == {"s2": BEAS}


def test_what_the_database_refuses_is_neither_kept_nor_forgotten(database: Database) -> None:
    notes = IdleNotes(database)
    notes.keep(ADAS)
    with pytest.raises(LedgerWriteError):
        notes.keep(replace(ADAS, owner=None))
    assert dict(notes.kept) == dict(IdleNotes(database).kept) == {"s1": ADAS}
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE idle_servers")
    with pytest.raises(LedgerWriteError):
        notes.drop(SliceId("s1"))
    assert dict(notes.kept) == {"s1": ADAS}
