"""What admins tell owners, and what they end of theirs, is there after a restart."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sublet_hub.ledger.announcements import Announcement, AnnouncementStore
from sublet_hub.ledger.database import Database, LedgerWriteError
from sublet_hub.ledger.evictions import Eviction, EvictionStore
from sublet_quota.names.ids import JobId, SliceId, UserName

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
TO_ALL = Announcement("a1", "all", None, "hello", "root", NOW, NOW + timedelta(days=1))
TO_ADA = replace(
    TO_ALL, announcement_id="a2", audience="owner", name="ada", within=("science", "law")
)
OF_SERVER = Eviction(
    "e1", UserName("ada"), "big", SliceId("s1"), None, False, "fan", "root", NOW, NOW
)
OF_JOB = replace(OF_SERVER, eviction_id="e2", server="", slice_id=None, job_id=JobId("j1"))


def test_announcements_are_there_after_a_restart_until_they_are_dropped(
    database: Database,
) -> None:
    store = AnnouncementStore(database)
    for each in (TO_ALL, TO_ADA):
        store.add(each)
    assert dict(AnnouncementStore(database).kept) == {"a1": TO_ALL, "a2": TO_ADA}
    store.drop("a1", "no-such")
    assert dict(store.kept) == dict(AnnouncementStore(database).kept) == {"a2": TO_ADA}


def test_evictions_are_there_after_a_restart_until_others_are_in_their_place(
    database: Database,
) -> None:
    store = EvictionStore(database)
    store.add(OF_SERVER)
    store.add(OF_JOB)
    later = replace(OF_SERVER, eviction_id="e3", reason="pump")
    store.add(later, instead_of=("e1",))
    assert dict(store.kept) == dict(EvictionStore(database).kept) == {"e2": OF_JOB, "e3": later}
    store.drop("e2", "e3")
    assert not EvictionStore(database).kept


def test_what_no_database_takes_is_told_without_it(database: Database) -> None:
    AnnouncementStore(database).add(replace(TO_ALL, text="a\0b", made_by="r\ud800"))
    EvictionStore(database).add(replace(OF_SERVER, reason="a\0b"))
    (told,) = AnnouncementStore(database).kept.values()
    (ended,) = EvictionStore(database).kept.values()
    assert (told.text, told.made_by, ended.reason) == ("a\ufffdb", "r\ufffd", "a\ufffdb")


def test_what_the_database_refuses_is_neither_kept_nor_forgotten(database: Database) -> None:
    announcements, evictions = AnnouncementStore(database), EvictionStore(database)
    announcements.add(TO_ALL)
    evictions.add(OF_SERVER)
    with pytest.raises(LedgerWriteError):
        announcements.add(TO_ALL)
    # One with the id of another takes nothing's place.
    with pytest.raises(LedgerWriteError):
        evictions.add(replace(OF_SERVER, eviction_id="e9", owner=None), instead_of=("e1",))  # type: ignore[arg-type]
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE announcements")
        connection.exec_driver_sql("DROP TABLE evictions")
    for store, name in ((announcements, "a1"), (evictions, "e1")):
        with pytest.raises(LedgerWriteError):
            store.drop(name)
    assert (set(announcements.kept), set(evictions.kept)) == ({"a1"}, {"e1"})
